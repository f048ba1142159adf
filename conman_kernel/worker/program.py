"""The worker's own process: one job from stdin, answers as JSON lines on stdout. The protocol is in :mod:`.client`."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Callable, Mapping

from .failure import Failed, NeedsParent, Refused, explain

_PROGRESS_EVERY = 0.1


def main() -> None:
    """Do the job and end the process at once: threads that still read or hash are of no use any more."""
    os.umask(0)
    line = sys.stdin.buffer.readline()
    _watch_caller()
    job = json.loads(line)
    try:
        answer: dict[str, object] = {"result": _JOBS[job["job"]](job)}
    except Refused as error:
        answer = _error("InvalidInput", str(error), "")
    except Failed as error:
        answer = _error("Unavailable", str(error), error.hint)
    except OSError as error:
        problem = explain(error, f"doing a worker's job {job['job']!r}")
        answer = _error("Unavailable", str(problem), "")
    _answer(answer)
    os._exit(0)


def _error(kind: str, message: str, hint: str) -> dict[str, object]:
    return {"error": {"type": kind, "message": message, "hint": hint}}


def _answer(message: dict[str, object]) -> None:
    data = json.dumps(message).encode() + b"\n"
    while data:
        data = data[os.write(1, data):]


def _watch_caller() -> None:
    """End when stdin does: the caller is gone, and nobody would clear what is written from now on."""
    import _thread

    def wait() -> None:
        while os.read(0, 512):
            continue
        os._exit(1)

    _thread.start_new_thread(wait, ())


def _progress() -> Callable[[int], None]:
    last = 0.0

    def tell(count: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _PROGRESS_EVERY:
            last = now
            _answer({"progress": count})

    return tell


def _unpack(job: Mapping[str, object]) -> dict[str, object]:
    from .archive import Archive
    from .source import Source
    from .unpack import Unpacker

    limits = job["limits"]
    assert isinstance(limits, dict)
    overlay, alone = job["whiteouts"] == "overlay", not job["merged"] and not job["base"]
    source = Source(_int(job["blob"]), limits["size"], _progress() if job["progress"] else None)
    archive = Archive(source, limits["header"], limits["entries"], limits["size"])
    unpacker = Unpacker(_int(job["target"]), overlay=overlay, alone=alone, base=bool(job["base"]),
                        depth=limits["depth"], path=limits["path"])
    why, digest = "", ""
    try:
        unpacker.run(archive)
        digest = source.finish()
    except NeedsParent as reason:
        why = str(reason)
    return {"diff_id": digest, "size": source.size, "entries": archive.count, "needs_parent": bool(why), "why": why,
            "xattrs_dropped": unpacker.xattrs_dropped}


def _int(value: object) -> int:
    if not isinstance(value, int):
        raise Refused(f"a worker's job has {value!r} where a number is expected")
    return value


_JOBS: Mapping[str, Callable[[Mapping[str, object]], dict[str, object]]] = {
    "unpack": _unpack,
}
