"""The kernel's side of a worker: start it, hand over descriptors, follow it, kill it, and read how it ended.

One process per job. The request is one JSON line on its stdin, which stays open: its end tells the worker that the
caller is gone. Answers are JSON lines on its stdout: any number of ``{"progress": n}``, then one ``{"result": {...}}``
or ``{"error": {"type", "message", "hint"}}``. What it writes to stderr is shown when it dies without an answer.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Callable

from .. import errors
from ..cancel import Cancel
from ..trace import trace
from .jobs import UnpackRequest, UnpackResult

if TYPE_CHECKING:
    from subprocess import Popen

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_PROGRAM = ("import sys; sys.path[:0] = [sys.argv.pop()]; sys.path += [p for p in (sys.argv.pop(),) if p]; "
            "from conman_kernel.worker.program import main; main()")
_STDERR_KEPT = 8192


class Worker:
    """Starts a worker per call. Holds nothing; usable from several threads at once.

    :param python: the interpreter that runs the worker; by default the caller's own.
    """

    __slots__ = ("_python",)

    def __init__(self, python: str = "") -> None:
        self._python = python or sys.executable

    def unpack(self, request: UnpackRequest) -> UnpackResult:
        """Write a layer beneath a folder and tell its diffID. The caller compares that with the image's config.

        :raises InvalidInput: the layer is broken, hostile or over a limit; also: a combination that makes no sense.
        :raises Unavailable: no space, an I/O error, or a compression that this release cannot read.
        :raises Cancelled, DeadlineExceeded: by ``request.cancel``; the worker is dead by then.
        """
        if request.whiteouts.value == "applied" and not (request.merged or request.base):
            raise errors.InvalidInput("a layer with applied whiteouts needs the tree below it (merged or base)")
        job: dict[str, object] = {
            "job": "unpack", "blob": request.blob_fd, "target": request.target_fd, "media_type": request.media_type,
            "whiteouts": request.whiteouts.value, "merged": request.merged, "base": request.base,
            "limits": request.limits._asdict(), "progress": request.progress is not None,
        }
        answer = self._run(job, (request.blob_fd, request.target_fd), request.cancel, request.progress)
        return UnpackResult(
            diff_id=str(answer["diff_id"]), size=_int(answer["size"]), entries=_int(answer["entries"]),
            needs_parent=bool(answer["needs_parent"]), why=str(answer["why"]),
            xattrs_dropped=_int(answer["xattrs_dropped"]),
        )

    def _run(self, job: dict[str, object], fds: tuple[int, ...], cancel: Cancel,
             progress: Callable[[int], None] | None) -> dict[str, object]:
        cancel.check()
        process = self._start(json.dumps(job).encode() + b"\n", fds, str(job["job"]))
        try:
            answer, complaint = _follow(process, cancel, progress)
            status = process.wait()
            trace("exec", f"{process.pid}: exit status {status}")
        finally:
            if process.returncode is None:
                process.kill()
                process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
        result = answer.get("result")
        if isinstance(result, dict):
            return result
        error = answer.get("error")
        if isinstance(error, dict):
            raise _typed(error)
        raise errors.Unavailable(f"the worker died in job {job['job']!r} with status {status}: "
                                 f"{complaint.strip() or 'it said nothing'}")

    def _start(self, line: bytes, fds: tuple[int, ...], job: str) -> Popen[bytes]:
        import subprocess

        pipe = subprocess.PIPE
        argv = [self._python, "-I", "-S", "-c", _PROGRAM, "conman-worker", job, _accelerator(), _ROOT]
        try:
            process = subprocess.Popen(argv, bufsize=0, stdin=pipe, stdout=pipe, stderr=pipe, pass_fds=fds,
                                       cwd="/", start_new_session=True)
        except OSError as error:
            raise errors.Unavailable(f"cannot start a worker with {self._python}: {error.strerror}") from error
        assert process.stdin is not None
        trace("exec", f"{process.pid}: worker {job}")
        try:
            process.stdin.write(line)
        except BrokenPipeError:  # it died at once: its stderr says why, and _follow reads that
            return process
        return process


def _follow(process: Popen[bytes], cancel: Cancel,
            progress: Callable[[int], None] | None) -> tuple[dict[str, object], str]:
    """Read both pipes to their ends; returns the last answer and the tail of stderr."""
    assert process.stdout is not None and process.stderr is not None
    out, err = process.stdout.fileno(), process.stderr.fileno()
    is_open, pending, complaint = {out, err}, b"", b""
    answer: dict[str, object] = {}
    while is_open:
        for fd in cancel.wait_readable(*is_open):
            data = os.read(fd, 65536)
            if not data:
                is_open.discard(fd)
            elif fd == err:
                complaint = (complaint + data)[-_STDERR_KEPT:]
            else:
                *lines, pending = (pending + data).split(b"\n")
                for line in lines:
                    message = json.loads(line)
                    if "progress" not in message:
                        answer = message
                    elif progress is not None:
                        progress(int(message["progress"]))
    return answer, complaint.decode("utf-8", "replace")


def _accelerator() -> str:
    """The folder that holds the optional package ``isal``, where it is installed; an isolated worker cannot find it."""
    from importlib.machinery import PathFinder

    spec = PathFinder.find_spec("isal")
    return os.path.dirname(os.path.dirname(spec.origin)) if spec is not None and spec.origin else ""


def _typed(error: dict[str, object]) -> errors.ConmanError:
    kind = {"InvalidInput": errors.InvalidInput, "InvalidState": errors.InvalidState, "NotFound": errors.NotFound,
            "AlreadyExists": errors.AlreadyExists}.get(str(error.get("type")), errors.Unavailable)
    return kind(str(error.get("message")), hint=str(error.get("hint", "")))


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0
