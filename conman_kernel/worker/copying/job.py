"""The jobs of ``cp`` in the worker: copy between two sides, write an archive of one, read one into the other."""

from __future__ import annotations

import errno
import os
from typing import Mapping

from ...cancel import Cancel
from ...errors import Cancelled
from ..failure import Failed, Refused, explain
from ..tree import FOLDER_FLAGS
from .copier import Copier
from .described import Owner
from .places import Found, Side, find_folder, find_source, find_target, quoted
from .publish import Publisher
from .staging import Staging
from .tar_in import TarReader
from .tar_out import TarWriter

_OF_SOURCES = (errno.EIO, errno.EACCES, errno.EISDIR, errno.ELOOP, errno.ENOTDIR, errno.ENOENT, errno.EINVAL, errno.ENXIO)
_NOBODYS = frozenset[bytes]()


class CopyJob:
    """One job, as :class:`~..jobs.CpRequest` asks for it.

    :param job: what the client sent.
    :param cancel: fires when the caller does not want it any more, or is gone.
    """

    def __init__(self, job: Mapping[str, object], cancel: Cancel) -> None:
        self._job = job
        self._cancel = cancel
        self._staging: Staging | None = None

    def run(self) -> dict[str, object]:
        """Do it.

        :returns: ``entries``, ``size``, ``skipped``.
        :raises Absent, Refused, Failed: in words for the person who asked. Nothing half written is left but what says
            :mod:`.publish`.
        """
        try:
            if "target_root" not in self._job:
                return self._archive_of(self._side("source"))
            if "source_root" not in self._job:
                return self._from_archive(self._side("target"))
            return self._between(self._side("source"), self._side("target"))
        except Cancelled:
            raise Failed("interrupted") from None
        finally:
            self.tidy()

    def tidy(self) -> None:
        """Take away what is staged. May be called twice, from another thread where the first one waits for somebody."""
        staging, self._staging = self._staging, None
        if staging is not None:
            staging.remove()
            os.close(staging.target)

    def _side(self, name: str) -> Side:
        job = self._job
        hidden = job[f"{name}_hidden"]
        assert isinstance(hidden, list)
        return Side(root=_number(job[f"{name}_root"]), path=os.fsencode(str(job[f"{name}_path"])),
                    shown=str(job[f"{name}_shown"]), where=str(job[f"{name}_where"]), hidden=frozenset(hidden))

    def _owner(self) -> Owner:
        owner = self._job["owner"]
        return (_number(owner[0]), _number(owner[1])) if isinstance(owner, list) else None

    def _between(self, source: Side, target: Side) -> dict[str, object]:
        found = find_source(source, follow=bool(self._job["follow"]), devices=bool(self._job["devices"]))
        try:
            place = find_target(target, found)
            staging = self._stage(target, place.folder)
            copier = Copier(self._owner(), devices=bool(self._job["devices"]), hidden=source.hidden, never=staging.identity,
                            cancel=self._cancel)
            try:
                self._copied(copier, found, place.name, staging)
            except OSError as error:
                raise _blamed(error, source, target) from None
            self._published(target, staging, _NOBODYS)
        finally:
            os.close(found.folder)
        return {"entries": copier.entries, "size": copier.size, "skipped": copier.skipped}

    def _copied(self, copier: Copier, found: Found, name: bytes, staging: Staging) -> None:
        if name:
            copier.copy(found.folder, found.name, staging.fd, name)
            return
        folder = os.open(found.name, FOLDER_FLAGS, dir_fd=found.folder)
        try:
            copier.contents(folder, staging.fd)
        finally:
            os.close(folder)

    def _from_archive(self, target: Side) -> dict[str, object]:
        staging = self._stage(target, find_folder(target))
        reader = TarReader(staging.fd, self._owner(), self._cancel)
        silent = reader.read(_number(self._job["stream"]))
        self._published(target, staging, silent)
        return {"entries": reader.entries, "size": reader.size, "skipped": 0}

    def _archive_of(self, source: Side) -> dict[str, object]:
        found = find_source(source, follow=bool(self._job["follow"]))
        try:
            writer = TarWriter(_number(self._job["stream"]), hidden=source.hidden, cancel=self._cancel)
            writer.run(found)
        except OSError as error:
            raise source.failed(error, "reading") from None
        finally:
            os.close(found.folder)
        return {"entries": writer.entries, "size": writer.size, "skipped": writer.skipped}

    def _stage(self, target: Side, folder: int) -> Staging:
        try:
            self._staging = staging = Staging(folder, str(self._job["token"]))
        except OSError as error:
            os.close(folder)
            raise target.failed(error, "copying to") from None
        return staging

    def _published(self, target: Side, staging: Staging, silent: frozenset[bytes]) -> None:
        publisher = Publisher(staging, str(self._job["token"]), overwrite=bool(self._job["overwrite"]), silent=silent,
                              cancel=self._cancel)
        try:
            publisher.run()
        except OSError as error:
            raise target.failed(error, "copying to") from None


def _blamed(error: OSError, source: Side, target: Side) -> Exception:
    """A call between two sides failed: what fills up or is read-only is the target's."""
    if error.errno in _OF_SOURCES:
        return source.failed(error, "reading")
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return Refused(f"{quoted(source.shown)} on {source.where}: folders lie too deep in each other to be opened at once")
    return explain(error, f"copying to {quoted(target.shown)} on {target.where}")


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise Refused(f"a worker's job has {value!r} where a number is expected")
    return value
