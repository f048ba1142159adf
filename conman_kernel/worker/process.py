"""One worker's process, as the kernel sees it: start it, hand it jobs and descriptors, follow it, kill it, read how it ended.

The process's stdin and stdout are one socket. A job goes to it as eight digits of length and a JSON object; the
descriptors that it names come along (SCM_RIGHTS), in the order of its list ``fds``. Answers are JSON lines: any number of
``{"progress": n}``, then one ``{"result": {...}, "stays": bool}`` or ``{"error": {"type", "message", "hint"}}``. A worker
that stays waits for its next job; any other ends. The end of the socket tells it that the caller is gone. What it writes
to stderr is shown when it dies without an answer.
"""

from __future__ import annotations

import json
import os
from typing import Callable, Mapping

from .. import errors
from ..cancel import Cancel
from ..trace import trace

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_PROGRAM = ("import sys; sys.path[:0] = [sys.argv.pop()]; sys.path += [p for p in sys.argv.pop().split(':') if p]; "
            "from conman_kernel.worker.program import main; main()")
_STDERR_KEPT = 8192
_PATIENCE = 10


class WorkerProcess:
    """A running worker, which does one job at a time.

    :param python: the interpreter that runs it.
    :param packages: the folders of optional packages that it may use, as in ``PATH``; empty: none.
    :raises Unavailable: it cannot be started.
    """

    __slots__ = ("_pending", "_process", "_socket", "alive")

    def __init__(self, python: str, packages: str) -> None:
        import socket
        import subprocess

        argv = [python, "-I", "-S", "-c", _PROGRAM, "conman-worker", packages, _ROOT]
        self._socket, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = subprocess.Popen(argv, bufsize=0, stdin=theirs.fileno(), stdout=theirs.fileno(),
                                                 stderr=subprocess.PIPE, cwd="/", start_new_session=True)
        except OSError as error:
            self._socket.close()
            raise errors.Unavailable(f"cannot start a worker with {python}: {error.strerror}") from error
        self._pending = b""
        self.alive = True
        trace("exec", f"{self._process.pid}: worker")

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def do(self, job: Mapping[str, object], fds: Mapping[str, int], cancel: Cancel, progress: Callable[[int], None] | None, *,
           patient: bool = False) -> dict[str, object]:
        """Have one job done.

        :param fds: descriptors by the job's name for them; the caller's stay open.
        :param patient: where the token fires, the worker has some seconds to stop by itself and tidy up.
        :returns: the result. The process is :attr:`alive` where it can do another one.
        :raises ConmanError: as the worker says; where it died without a word, :class:`~conman_kernel.errors.Unavailable`.
        :raises Cancelled, DeadlineExceeded: by ``cancel``. After any error the process is dead.
        """
        try:
            trace("exec", f"{self._process.pid}: worker {job['job']}")
            self._send(job, fds)
            answer, complaint = self._follow(cancel, progress)
            self.alive = answer.get("stays") is True
            status = 0 if self.alive else self._process.wait()
        except BaseException:
            if patient:
                self._stop()
            self._process.kill()
            self.alive = False
            raise
        finally:
            if not self.alive:
                self.close()
        result = answer.get("result")
        if isinstance(result, dict):
            return result
        error = answer.get("error")
        if isinstance(error, dict):
            raise _typed(error)
        raise errors.Unavailable(f"the worker died in job {job['job']!r} with status {status}: "
                                 f"{complaint.strip() or 'it said nothing'}")

    def _stop(self) -> None:
        """Let it see that nobody wants its answer any more, and wait until it has ended, but not for ever."""
        import select
        import socket

        try:
            self._socket.shutdown(socket.SHUT_WR)
            with_pid = os.pidfd_open(self._process.pid)
        except OSError:
            return  # it is gone
        try:
            poll = select.poll()
            poll.register(with_pid, select.POLLIN)
            poll.poll(_PATIENCE * 1000)
        finally:
            os.close(with_pid)

    def close(self) -> None:
        """End the process. May be called twice; the second time does nothing."""
        self.alive = False
        self._socket.close()
        if self._process.stderr is not None and not self._process.stderr.closed:
            self._process.stderr.close()
            trace("exec", f"{self._process.pid}: exit status {self._process.wait()}")

    def _send(self, job: Mapping[str, object], fds: Mapping[str, int]) -> None:
        import array
        import socket

        body = json.dumps({**job, "fds": list(fds)}).encode()
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds.values()))] if fds else []
        head = b"%08d" % len(body)
        try:
            if self._socket.sendmsg([head], rights, socket.MSG_NOSIGNAL) != len(head):
                raise errors.Unavailable("a worker took only a part of its job")
            while body:
                body = body[self._socket.send(body, socket.MSG_NOSIGNAL):]
        except (BrokenPipeError, ConnectionResetError):
            return  # it died at once: its stderr says why, and _follow reads that

    def _follow(self, cancel: Cancel, progress: Callable[[int], None] | None) -> tuple[dict[str, object], str]:
        """Read until there is an answer, or else to the end of both; returns it and the tail of stderr."""
        assert self._process.stderr is not None
        out, err = self._socket.fileno(), self._process.stderr.fileno()
        is_open, complaint = {out, err}, b""
        while is_open:
            for fd in cancel.wait_readable(*is_open):
                data = _read(fd)
                if not data:
                    is_open.discard(fd)
                elif fd == err:
                    complaint = (complaint + data)[-_STDERR_KEPT:]
                else:
                    *lines, self._pending = (self._pending + data).split(b"\n")
                    for line in lines:
                        message: dict[str, object] = json.loads(line)
                        count = message.get("progress")
                        if not isinstance(count, int):
                            return message, ""
                        if progress is not None:
                            progress(count)
        return {}, complaint.decode("utf-8", "replace")


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 65536)
    except ConnectionResetError:  # it died with a job unread
        return b""


def _typed(error: dict[str, object]) -> errors.ConmanError:
    kind = {"InvalidInput": errors.InvalidInput, "InvalidState": errors.InvalidState, "NotFound": errors.NotFound,
            "AlreadyExists": errors.AlreadyExists}.get(str(error.get("type")), errors.Unavailable)
    return kind(str(error.get("message")), hint=str(error.get("hint", "")))
