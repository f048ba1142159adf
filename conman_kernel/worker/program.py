"""The worker's own process: jobs from a socket, one after the other, answers as JSON lines. See :mod:`.process`."""

from __future__ import annotations

import _socket
import _thread
import json
import os
import time
from array import array
from typing import Callable, Mapping

from .failure import Absent, Failed, NeedsParent, Refused, Unsuited, explain

TYPE_CHECKING = False

if TYPE_CHECKING:
    from ..cancel import Cancel
    from .copying.job import CopyJob
    from .tree import Trees

_PROGRESS_EVERY = 0.1
_HEAD = 8
_MAX_FDS = 16
_PATIENCE = 2.0


class _Copying:
    """The job that tidies up before the process ends, while there is one; ``done`` is locked as long."""

    def __init__(self) -> None:
        self.cancel: Cancel | None = None
        self.job: CopyJob | None = None
        self.done = _thread.allocate_lock()

    def end(self) -> None:
        """A copy lies where others see it: it is stopped and taken away. It stops by itself, but where it waits for a pipe."""
        cancel, job = self.cancel, self.job
        if cancel is not None and job is not None:
            cancel.cancel()
            if not self.done.acquire(timeout=_PATIENCE):
                job.tidy()


def main() -> None:
    """Do jobs until the caller is gone. After one that failed threads may still read or hash: then the process ends at once."""
    os.umask(0)
    copying = _Copying()
    _watch_caller(copying)
    caller = _socket.socket(fileno=0)
    stays = True
    while stays and (job := _next(caller)) is not None:
        answer, stays = _do(job, copying)
        _answer({**answer, "stays": stays})
    os._exit(0)


def _do(job: dict[str, object], copying: _Copying) -> tuple[dict[str, object], bool]:
    """The answer to a job, and whether this process can take another one."""
    own = [_int(job[fd]) for fd in _names(job)]
    answer, stays = _done(job, copying)
    if stays:
        for fd in own:
            os.close(fd)
    return answer, stays


def _done(job: dict[str, object], copying: _Copying) -> tuple[dict[str, object], bool]:
    name = str(job["job"])
    # A container that does not run is shown by a process that goes on to do so, whatever becomes of the copy.
    stays = name == "cp" and "stream" not in job
    try:
        result = _cp(job, copying) if name == "cp" else _JOBS[name](job)
        return {"result": result}, not result.get("needs_parent")
    except Refused as error:
        return _error("InvalidInput", str(error), error.hint), stays
    except Absent as error:
        return _error("NotFound", str(error), ""), stays
    except Unsuited as error:
        return _error("InvalidState", str(error), "compare the mounted trees instead"), stays
    except Failed as error:
        return _error("Unavailable", str(error), error.hint), stays
    except OSError as error:
        problem = explain(error, f"doing a worker's job {name!r}")
        return _error("Unavailable", str(problem), ""), stays


def _next(caller: _socket.socket) -> dict[str, object] | None:
    """The next job, each descriptor's number here under its name; None where the caller is gone."""
    head, rights, _, _ = caller.recvmsg(_HEAD, _socket.CMSG_SPACE(_MAX_FDS * 4))
    if len(head) < _HEAD:
        return None
    fds = array("i")
    for _, _, data in rights:
        fds.frombytes(data)
    body, size = b"", int(head)
    while len(body) < size:
        piece = caller.recv(size - len(body))
        if not piece:
            return None
        body += piece
    job: dict[str, object] = json.loads(body)
    job.update(zip(_names(job), fds))
    return job


def _names(job: Mapping[str, object]) -> list[str]:
    names = job["fds"]
    assert isinstance(names, list)
    return names


def _error(kind: str, message: str, hint: str) -> dict[str, object]:
    return {"error": {"type": kind, "message": message, "hint": hint}}


def _answer(message: dict[str, object]) -> None:
    data = json.dumps(message).encode() + b"\n"
    while data:
        data = data[os.write(1, data):]


def _watch_caller(copying: _Copying) -> None:
    """End when the caller is gone: nobody would clear what is written from now on."""
    import select

    def wait() -> None:
        poll = select.poll()
        poll.register(0, select.POLLRDHUP)
        poll.poll()
        copying.end()
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


def _pack(job: Mapping[str, object]) -> dict[str, object]:
    from .pack import Packer
    from .sink import Sink

    upper, lower, trees = _trees(job, layer=not job["plain"])
    sink = Sink(_int(job["out"]), str(job["compression"]), _progress() if job["progress"] else None)
    packer = Packer(sink, trees, plain=bool(job["plain"]))
    return {**packer.run(upper, lower)._asdict(), "entries": packer.entries, "skipped": packer.skipped}


def _changes(job: Mapping[str, object]) -> dict[str, object]:
    """The list goes to a file, each difference as its letter, its path and a NUL: it may be longer than any message."""
    _, _, trees = _trees(job, layer=False)
    with open(_int(job["out"]), "wb", closefd=False) as out:
        for difference in trees.differences():
            out.write(b"%b/%b\0" % (difference.kind.encode(), difference.path))
    return {}


def _carry(job: Mapping[str, object]) -> dict[str, object]:
    from .carry import Carrier

    upper, _, trees = _trees(job, layer=True, exact=True)
    carrier = Carrier(_int(job["target"]), trees)
    carrier.run(upper)
    return {"entries": carrier.entries}


def _copy(job: Mapping[str, object]) -> dict[str, object]:
    from ..cancel import Cancel
    from ..support.copying import copy_between

    copy_between(_int(job["source"]), _int(job["target"]), Cancel())
    return {}


def _own(job: Mapping[str, object]) -> dict[str, object]:
    from .owner import give

    give(_int(job["target"]), _int(job["uid"]), _int(job["gid"]))
    return {}


def _trees(job: Mapping[str, object], *, layer: bool, exact: bool = False) -> tuple[int, int | None, Trees]:
    from .attributes import refuse_references
    from .tree import Trees

    _allow_deep_trees()
    upper, lower, overlay = _int(job["upper"]), _int(job["lower"]) if "lower" in job else None, job["form"] == "overlay"
    if overlay:
        refuse_references(upper)
    exclude = job.get("exclude", [])
    assert isinstance(exclude, list)
    return upper, lower, Trees(upper, lower, overlay=overlay, layer=layer, exclude=tuple(exclude), exact=exact)


def _allow_deep_trees() -> None:
    """Each folder on the way down is open, in both trees: as many as the system lets this process have."""
    from resource import RLIMIT_NOFILE, getrlimit, setrlimit

    soft, hard = getrlimit(RLIMIT_NOFILE)
    if soft != hard:
        setrlimit(RLIMIT_NOFILE, (hard, hard))


def _cp(job: Mapping[str, object], copying: _Copying) -> dict[str, object]:
    from ..cancel import Cancel
    from .copying.job import CopyJob

    _allow_deep_trees()
    with copying.done, Cancel() as cancel:
        copying.job = copy = CopyJob(job, cancel)
        copying.cancel = cancel
        try:
            return copy.run()
        finally:
            copying.cancel = None


def _view(job: Mapping[str, object]) -> dict[str, object]:
    from .copying import view

    return view.hide(job) if "root" in job else view.show(job)


def _inflate(job: Mapping[str, object]) -> dict[str, object]:
    from .source import Source

    source = Source(_int(job["blob"]), _int(job["size"]), _progress() if job["progress"] else None)
    out = _int(job["out"])
    while piece := source.next():
        view = memoryview(piece)
        while view:
            view = view[os.write(out, view):]
    return {"diff_id": source.finish(), "size": source.size}


def _repack(job: Mapping[str, object]) -> dict[str, object]:
    from .sink import Sink
    from .source import Source

    source = Source(_int(job["blob"]), _int(job["size"]), _progress() if job["progress"] else None)
    sink = Sink(_int(job["out"]), str(job["compression"]))
    while piece := source.next():
        sink.write(bytes(piece))
    source.finish()
    return sink.finish()._asdict()


def _int(value: object) -> int:
    if not isinstance(value, int):
        raise Refused(f"a worker's job has {value!r} where a number is expected")
    return value


_JOBS: Mapping[str, Callable[[Mapping[str, object]], dict[str, object]]] = {
    "unpack": _unpack, "pack": _pack, "changes": _changes, "inflate": _inflate, "carry": _carry, "repack": _repack,
    "view": _view, "copy": _copy, "own": _own,
}
