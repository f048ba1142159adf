"""The kernel's side of a worker: jobs as typed calls. How they reach the worker's process is in :mod:`.process`."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Callable, Iterator, Mapping

from .. import errors
from ..cancel import Cancel
from .jobs import (
    CarryRequest,
    Change,
    ChangesRequest,
    Copied,
    CopyRequest,
    CpRequest,
    InflateRequest,
    InflateResult,
    OwnRequest,
    PackRequest,
    PackResult,
    RepackRequest,
    UnpackRequest,
    UnpackResult,
    ViewRequest,
)

if TYPE_CHECKING:
    from .process import WorkerProcess


class Worker:
    """Starts a process per call; usable from several threads at once. Within :meth:`kept` one process does many calls.

    :param python: the interpreter that runs the worker; by default the caller's own.
    """

    __slots__ = ("_keeps", "_process", "_python", "_shown")

    def __init__(self, python: str = "") -> None:
        self._python = python or sys.executable
        self._keeps = False
        self._shown = -1
        self._process: WorkerProcess | None = None

    @contextmanager
    def kept(self) -> Iterator[Worker]:
        """A worker for one thread at a time whose process starts now and does call after call, until the block ends.

        A call that fails or is cancelled ends the process, and the next one starts another: nothing is handed on.

        :raises Unavailable: it cannot be started.
        """
        worker = Worker(self._python)
        worker._keeps = True
        worker._process = worker._start()
        try:
            yield worker
        finally:
            if worker._process is not None:
                worker._process.close()

    def unpack(self, request: UnpackRequest) -> UnpackResult:
        """Write a layer beneath a folder and tell its diffID. The caller compares that with the image's config.

        :raises InvalidInput: the layer is broken, hostile or over a limit; also: a combination that makes no sense.
        :raises Unavailable: no space, an I/O error, or a compression that this release cannot read.
        :raises Cancelled, DeadlineExceeded: by ``request.cancel``; the worker is dead by then.
        """
        if request.whiteouts.value == "applied" and not (request.merged or request.base):
            raise errors.InvalidInput("a layer with applied whiteouts needs the tree below it (merged or base)")
        job: dict[str, object] = {
            "job": "unpack", "media_type": request.media_type,
            "whiteouts": request.whiteouts.value, "merged": request.merged, "base": request.base,
            "limits": request.limits._asdict(), "progress": request.progress is not None,
        }
        fds = {"blob": request.blob_fd, "target": request.target_fd}
        answer = self._run(job, fds, request.cancel, request.progress)
        return UnpackResult(
            diff_id=str(answer["diff_id"]), size=_int(answer["size"]), entries=_int(answer["entries"]),
            needs_parent=bool(answer["needs_parent"]), why=str(answer["why"]),
            xattrs_dropped=_int(answer["xattrs_dropped"]),
        )

    def pack(self, request: PackRequest) -> PackResult:
        """Write a layer's tar of a folder, with both digests. The same trees give the same tar.

        :raises InvalidInput: an unknown compression, or an entry that no layer can hold (``.wh.`` in front of its name, a path
            that is too long).
        :raises InvalidState: with ``OVERLAY``: a part of the layer lies in others (redirect_dir, metacopy). Nothing was written
            then; mount both trees and compare them with ``APPLIED``.
        :raises Unavailable: no space, an I/O error, nobody reads the pipe, or zstd without a package for it.
        :raises Cancelled, DeadlineExceeded: by ``request.cancel``; the worker is dead by then.
        """
        if request.compression not in ("none", "gzip", "zstd"):
            raise errors.InvalidInput(f"no layer is compressed with {request.compression!r}", hint="none, gzip or zstd")
        job: dict[str, object] = {
            "job": "pack", "form": request.form.value, "compression": request.compression, "exclude": request.exclude,
            "plain": request.plain, "progress": request.progress is not None,
        }
        fds = _pair(request.upper_fd, request.lower_fd, request.out_fd)
        answer = self._run(job, fds, request.cancel, request.progress)
        return PackResult(
            digest=str(answer["digest"]), size=_int(answer["size"]), diff_id=str(answer["diff_id"]),
            tar_size=_int(answer["tar_size"]), entries=_int(answer["entries"]), skipped=_int(answer["skipped"]),
        )

    def changes(self, request: ChangesRequest) -> tuple[Change, ...]:
        """Tell what differs, in the order of the paths' bytes, a folder before what lies in it; the root itself is not told.

        :raises InvalidState, Unavailable, Cancelled, DeadlineExceeded: as in :meth:`pack`.
        """
        out = os.memfd_create("conman-changes", os.MFD_CLOEXEC)
        with open(out, "rb") as listed:
            job: dict[str, object] = {"job": "changes", "form": request.form.value, "exclude": request.exclude}
            self._run(job, _pair(request.upper_fd, request.lower_fd, out), request.cancel, None)
            listed.seek(0)
            lines = listed.read().split(b"\0")[:-1]
        return tuple(Change(chr(line[0]), os.fsdecode(line[1:])) for line in lines)

    def carry(self, request: CarryRequest) -> int:
        """Make one mounted tree what another one is, by what tells that from the tree below both. Everything that a file system
        holds comes along, also what a layer cannot hold.

        :returns: how many entries were written or deleted.
        :raises InvalidState, Unavailable, Cancelled, DeadlineExceeded: as in :meth:`pack`; the target is half written then.
        """
        fds = {"upper": request.upper_fd, "target": request.target_fd}
        if request.lower_fd is not None:
            fds["lower"] = request.lower_fd
        return _int(self._run({"job": "carry", "form": request.form.value}, fds, request.cancel, None)["entries"])

    def copy(self, request: CopyRequest) -> None:
        """Copy a tree with owners, modes, times, links, attributes and holes.

        :raises Unavailable, Cancelled, DeadlineExceeded: as in :meth:`pack`; what was written stays for the caller to remove.
        """
        self._run({"job": "copy"}, {"source": request.source_fd, "target": request.target_fd}, request.cancel, None)

    def own(self, request: OwnRequest) -> None:
        """Change the owner of a tree. May be repeated.

        :raises Unavailable, Cancelled, DeadlineExceeded: as in :meth:`pack`; a part of it is changed then.
        """
        self._run({"job": "own", "uid": request.uid, "gid": request.gid}, {"target": request.target_fd}, request.cancel, None)

    def inflate(self, request: InflateRequest) -> InflateResult:
        """Write a layer's uncompressed tar and tell its diffID. What is in the tar is not looked at.

        :raises InvalidInput: the stream is broken or over the limit. :raises Unavailable: as in :meth:`unpack`.
        :raises Cancelled, DeadlineExceeded: by ``request.cancel``; the worker is dead by then.
        """
        job: dict[str, object] = {"job": "inflate", "size": request.limits.size, "progress": request.progress is not None}
        answer = self._run(job, {"blob": request.blob_fd, "out": request.out_fd}, request.cancel, request.progress)
        return InflateResult(diff_id=str(answer["diff_id"]), size=_int(answer["size"]))

    def repack(self, request: RepackRequest) -> PackResult:
        """Write a layer in another compression, its tar as it is, with both digests. What is in the tar is not looked at.

        :raises InvalidInput: the stream is broken or over the limit, or an unknown compression.
        :raises Unavailable, Cancelled, DeadlineExceeded: as in :meth:`pack`.
        """
        if request.compression not in ("none", "gzip", "zstd"):
            raise errors.InvalidInput(f"no layer is compressed with {request.compression!r}", hint="none, gzip or zstd")
        job: dict[str, object] = {"job": "repack", "size": request.limits.size, "compression": request.compression,
                                  "progress": request.progress is not None}
        answer = self._run(job, {"blob": request.blob_fd, "out": request.out_fd}, request.cancel, request.progress)
        return PackResult(
            digest=str(answer["digest"]), size=_int(answer["size"]), diff_id=str(answer["diff_id"]),
            tar_size=_int(answer["tar_size"]), entries=0, skipped=0)

    def cp(self, request: CpRequest) -> Copied:
        """Copy files and folders between two roots, or between one and an archive.

        :raises NotFound: the source, or the folder that the target lies in, is not there.
        :raises InvalidInput: the two do not go together, see :mod:`.copying.places`; or an archive that is none.
        :raises Unavailable: no space, a read-only file system, an I/O error.
        :raises Cancelled, DeadlineExceeded: by ``request.cancel``. After any error nothing that is half written is left, but
            where the worker itself was killed: then :func:`.copying.staging.clear` does it.
        """
        job: dict[str, object] = {"job": "cp", "token": request.token, "owner": request.owner, "follow": request.follow,
                                  "overwrite": request.overwrite, "devices": request.devices}
        fds: dict[str, int] = {}
        for name, side in (("source", request.source), ("target", request.target)):
            if side is not None:
                fds[f"{name}_root"] = side.root_fd
                job.update({f"{name}_path": side.path, f"{name}_shown": side.shown, f"{name}_where": side.where,
                            f"{name}_hidden": side.hidden})
        if request.stream_fd >= 0:
            fds["stream"] = request.stream_fd
        answer = self._run(job, fds, request.cancel, None, patient=True)
        return Copied(_int(answer["entries"]), _int(answer["size"]), _int(answer["skipped"]))

    def show(self, request: ViewRequest) -> int:
        """Within :meth:`kept`: show a container that does not run, until :meth:`hide` or the end of the block.

        :returns: a descriptor of its root folder, the caller's to close.
        :raises Unavailable: it cannot be mounted.
        """
        job: dict[str, object] = {"job": "view", "over": request.over, "mounts": request.mounts, "read_only": request.read_only,
                                  "inner": [inner._asdict() for inner in request.inner]}
        self._shown = _int(self._run(job, {}, request.cancel, None)["root"])
        assert self._process is not None
        return os.open(f"/proc/{self._process.pid}/fd/{self._shown}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def hide(self, over: str) -> None:
        """Take down what :meth:`show` has made, where its process still is; the caller has closed the descriptor.

        :param over: as in the request. :raises Unavailable: it cannot be unmounted.
        """
        if self._process is not None and self._process.alive:
            self._run({"job": "view", "over": over, "root": self._shown}, {}, Cancel(), None)

    def _run(self, job: Mapping[str, object], fds: Mapping[str, int], cancel: Cancel,
             progress: Callable[[int], None] | None, *, patient: bool = False) -> dict[str, object]:
        """Have a job done; ``fds`` are descriptors by the name under which the job finds its own in the worker. ``patient``: one
        that is cancelled gets the time to tidy up."""
        cancel.check()
        process, self._process = self._process, None
        if process is None or not process.alive:
            process = self._start()
        try:
            return process.do(job, fds, cancel, progress, patient=patient)
        finally:
            if self._keeps and process.alive:
                self._process = process
            else:
                process.close()

    def _start(self) -> WorkerProcess:
        from .process import WorkerProcess

        return WorkerProcess(self._python, _packages())


def _packages() -> str:
    """The folders that hold the optional packages, where they are installed; an isolated worker cannot find them."""
    from importlib.machinery import PathFinder

    found = []
    for name, inner in (("isal", ""), ("backports", "zstd")):
        spec = PathFinder.find_spec(name)
        for place in (spec.submodule_search_locations or ()) if spec is not None else ():
            folder = os.path.dirname(place)
            if folder not in found and os.path.isdir(os.path.join(place, inner)):
                found.append(folder)
    return os.pathsep.join(found)


def _pair(upper: int, lower: int | None, out: int) -> dict[str, int]:
    return {"upper": upper, "out": out} if lower is None else {"upper": upper, "lower": lower, "out": out}


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0
