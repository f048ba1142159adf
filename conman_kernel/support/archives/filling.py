"""Filling a folder with files, each of which appears whole; several programs may do that at once."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Iterable, Iterator

from ...errors import NotFound, Unavailable
from ...oci import digest as digests
from .folders import open_file
from .placing import NewFile
from .standard import open_beneath, refuse
from .streams import CHUNK, Piece

if TYPE_CHECKING:
    from ...cancel import Cancel

_FOLDER = os.O_RDONLY | os.O_DIRECTORY


class Filling:
    """A folder that is being written to. It is made where it does not exist, with those above it.

    While one is open, the folder is locked, shared. What was written is undone by :meth:`close` unless :meth:`keep` was
    called before, and unless somebody else is writing there, who may have found it useful, or did find it so and is done.

    :param exclusive: nobody else may write there meanwhile.
    :raises InvalidInput: a file is in its place.
    :raises Unavailable: it cannot be made or written to; or ``exclusive``, and somebody is writing there.
    """

    def __init__(self, path: str, *, exclusive: bool = False) -> None:
        self.path = path
        self._made: dict[tuple[str, ...], tuple[int, int]] = {}
        self._made_folders: list[str] = []
        self._kept = False
        above = path
        missing = []
        while above and not os.path.lexists(above):
            missing.append(above)
            above = os.path.dirname(above)
        try:
            os.makedirs(path, exist_ok=True)
        except FileExistsError:
            refuse(NotADirectoryError(20, ""), path)
        except (OSError, ValueError) as error:
            refuse(error, path)
        self._made_folders = missing
        self.fd = open_beneath(path, _FOLDER, None, path)
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB if exclusive else fcntl.LOCK_SH)
        except BlockingIOError:
            os.close(self.fd)
            raise Unavailable(f"somebody else is writing to {path}", hint="wait until that is done") from None

    def holds(self, names: tuple[str, ...], digest: str, size: int, cancel: Cancel) -> bool:
        """Whether a file is there with just these bytes. One that has others is replaced by :meth:`put`."""
        try:
            with self._within(names, make=False) as at:
                piece = open_file(at, names[-1], self._shown(names))
        except NotFound:
            return False
        try:
            same = piece.size == size and _digest(piece, digests.split(digest)[0], cancel) == digest
            if same and names not in self._made:
                _use(piece.fd)
            return same
        finally:
            os.close(piece.fd)

    def put(self, names: tuple[str, ...], chunks: Iterable[bytes], cancel: Cancel) -> None:
        """Write a file, in place of one that is there. Nothing of it is seen before it is whole and on the disk.

        :param names: the folders that lead to it, made where they do not exist, and its own.
        """
        with self._within(names, make=True) as at:
            new = NewFile(at, names[-1], self._shown(names))
            try:
                for chunk in chunks:
                    cancel.check()
                    new.write(chunk)
                fresh = not _there(at, names[-1])
                new.place()
                if fresh:
                    self._made[names] = _mark(os.fstat(new.fd))
            finally:
                new.close()
            os.fsync(at)

    def remove(self, name: str) -> None:
        """Remove a file from the folder itself, if it is there."""
        try:
            os.unlink(name, dir_fd=self.fd)
        except FileNotFoundError:
            return
        except OSError as error:
            refuse(error, self._shown((name,)))

    def keep(self) -> None:
        """What was written is to stay."""
        self._kept = True

    @contextmanager
    def alone(self, cancel: Cancel, name: str) -> Iterator[None]:
        """Hold the folder's index for oneself: read, change, replace. Others wait a moment.

        :param name: a folder in it, which is locked: files are replaced, and with them their locks.
        :raises Cancelled, DeadlineExceeded: while waiting for them.
        """
        fd = open_beneath(name, _FOLDER | os.O_NOFOLLOW, self.fd, f"{self.path}/{name}")
        try:
            while True:
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    cancel.wait_readable(timeout=0.02)
            yield
        finally:
            os.close(fd)

    def close(self) -> None:
        """Give the descriptors back; see the class. May be called twice."""
        fd, self.fd = self.fd, -1
        if fd < 0:
            return
        try:
            if not self._kept:
                self._undo(fd)
        finally:
            os.close(fd)

    def _undo(self, fd: int) -> None:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # somebody else writes here too
        for names, mark in self._made.items():
            if _mark_of("/".join(names), fd) != mark:
                continue  # somebody else uses it, or made another
            for depth in range(len(names), 0, -1):
                try:
                    (os.unlink if depth == len(names) else os.rmdir)("/".join(names[:depth]), dir_fd=fd)
                except OSError:
                    break  # not empty, or gone
        for folder in self._made_folders:
            try:
                os.rmdir(folder)
            except OSError:
                break  # not empty, or gone

    @contextmanager
    def _within(self, names: tuple[str, ...], *, make: bool) -> Iterator[int]:
        at, shown = os.dup(self.fd), self.path
        try:
            for name in names[:-1]:
                shown += "/" + name
                if make:
                    _make(at, name, shown)
                below = open_beneath(name, _FOLDER | os.O_NOFOLLOW, at, shown)
                os.close(at)
                at = below
            yield at
        finally:
            os.close(at)

    def _shown(self, names: tuple[str, ...]) -> str:
        return "/".join((self.path, *names))


def _use(fd: int) -> None:
    """Let a file that somebody else made tell him that it is wanted, should he give up later: see :meth:`Filling.close`."""
    found = os.fstat(fd)
    try:
        os.utime(fd, ns=(found.st_atime_ns, found.st_mtime_ns + 1))
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EACCES, errno.EROFS):
            raise


def _mark(found: os.stat_result) -> tuple[int, int]:
    return found.st_ino, found.st_mtime_ns


def _mark_of(path: str, at: int) -> tuple[int, int] | None:
    try:
        return _mark(os.stat(path, dir_fd=at, follow_symlinks=False))
    except OSError:
        return None


def _make(at: int, name: str, shown: str) -> None:
    try:
        os.mkdir(name, 0o755, dir_fd=at)
    except FileExistsError:
        return
    except OSError as error:
        refuse(error, shown)


def _there(at: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=at, follow_symlinks=False)
    except OSError:
        return False
    return True


def _digest(piece: Piece, algorithm: str, cancel: Cancel) -> str:
    hasher = digests.new_hash(algorithm)
    at = piece.start
    while at < piece.start + piece.size:
        cancel.check()
        chunk = os.pread(piece.fd, min(CHUNK, piece.start + piece.size - at), at)
        if not chunk:
            return ""
        hasher.update(chunk)
        at += len(chunk)
    return f"{algorithm}:{hasher.hexdigest()}"
