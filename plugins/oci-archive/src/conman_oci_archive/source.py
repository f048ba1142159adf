"""The two forms a layout comes in: a folder, and a tar of one. Both hand out files by fixed or digest-derived names."""

from __future__ import annotations

import errno
import os
import stat
from typing import IO, TYPE_CHECKING, Mapping, NamedTuple, NoReturn, Protocol

from conman_kernel.errors import InvalidInput, NotFound, Unavailable

if TYPE_CHECKING:
    from conman_kernel.cancel import Cancel

MAX_MEMBERS = 100_000
MAX_HEADER = 1 << 20
"""Bytes of one extended header of a tar; real ones have some hundred."""

_PACKED = {b"\x1f\x8b": "gunzip", b"BZh": "bunzip2", b"\xfd7zXZ": "unxz", b"\x28\xb5\x2f\xfd": "unzstd"}


class Piece(NamedTuple):
    """A file, or a part of one. Whoever got it closes ``fd``."""

    fd: int
    start: int
    size: int


class Source(Protocol):
    """A layout's files."""

    def open(self, *names: str) -> Piece:
        """Open ``index.json``, ``oci-layout``, or ``blobs, <algorithm>, <hex>``. :raises NotFound: it is not there."""
        ...


class Folder:
    """A layout folder. Opened step by step beneath its root; symbolic links and special files are refused."""

    def __init__(self, path: str) -> None:
        self._path = path

    def open(self, *names: str) -> Piece:
        """See :class:`Source`."""
        at = _open(self._path, os.O_PATH | os.O_DIRECTORY, None, self._path)
        shown = self._path
        try:
            for name in names[:-1]:
                shown += "/" + name
                below = _open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, at, shown)
                os.close(at)
                at = below
            shown += "/" + names[-1]
            # O_NONBLOCK: a FIFO in place of a blob must not make anybody wait.
            fd = _open(names[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, at, shown)
        finally:
            os.close(at)
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            os.close(fd)
            raise InvalidInput(f"{shown} is no regular file")
        return Piece(fd, 0, found.st_size)


class Archive:
    """An uncompressed tar of a layout folder: its table of members is read once, nothing is ever extracted.

    :param cancel: may end the reading of the table.
    :raises InvalidInput: it is compressed, no tar, or not one of a layout.
    """

    def __init__(self, path: str, cancel: Cancel) -> None:
        self._path = path
        fd = _open(path, os.O_RDONLY | os.O_NONBLOCK, None, path)
        with os.fdopen(fd, "rb") as stream:
            self.identity = identity(os.fstat(fd))
            self._members = _members(stream, path, cancel)
        if "index.json" not in self._members:
            docker = "manifest.json" in self._members
            raise InvalidInput(f"{path} is no OCI archive: it has no index.json",
                               hint=f"skopeo copy docker-archive:{path} oci-archive:NEW converts it" if docker else "")

    def open(self, *names: str) -> Piece:
        """See :class:`Source`."""
        place = self._members.get("/".join(names))
        if place is None:
            raise NotFound(f"{self._path} has no {'/'.join(names)}", hint="the archive is not complete")
        fd = _open(self._path, os.O_RDONLY | os.O_NONBLOCK, None, self._path)
        if identity(os.fstat(fd)) != self.identity:
            os.close(fd)
            raise Unavailable(f"{self._path} was changed while it was read", hint="try again")
        return Piece(fd, *place)


def identity(found: os.stat_result) -> tuple[int, int, int, int]:
    """What tells one version of a file from the next."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


class _Bounded:
    """A file for ``tarfile`` whose reads are bounded, so that a header cannot ask for all memory."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, size: int) -> bytes:
        if not 0 <= size <= MAX_HEADER:
            raise InvalidInput(f"a header of the archive has {size} bytes, more than {MAX_HEADER}")
        return self._stream.read(size)

    def seek(self, position: int) -> int:
        return self._stream.seek(position)

    def tell(self) -> int:
        return self._stream.tell()


def _members(stream: IO[bytes], path: str, cancel: Cancel) -> Mapping[str, tuple[int, int]]:
    """Name -> offset and size of every regular file; of several with one name, the last, as tar extracts them."""
    import tarfile

    head = stream.read(8)
    stream.seek(0)
    for magic, tool in _PACKED.items():
        if head.startswith(magic):
            raise InvalidInput(f"{path} is a compressed archive", hint=f"unpack it first: {tool} -c {path} > NEW.tar")
    end = os.fstat(stream.fileno()).st_size
    found: dict[str, tuple[int, int]] = {}
    try:
        with tarfile.open(fileobj=_Bounded(stream), mode="r:") as archive:  # type: ignore[call-overload]
            for number, member in enumerate(archive):
                cancel.check()
                if number >= MAX_MEMBERS:
                    raise InvalidInput(f"{path} has more than the {MAX_MEMBERS} members that are accepted")
                if not member.isreg() or member.sparse is not None:
                    continue
                if member.size < 0 or member.offset_data + member.size > end:
                    raise InvalidInput(f"{path} ends within its member {member.name[:100]!r}", hint="it is truncated")
                found[member.name.removeprefix("./")] = (member.offset_data, member.size)
    except (tarfile.TarError, ValueError, EOFError, OverflowError) as error:
        raise InvalidInput(f"{path} is not a tar archive: {error}") from None
    return found


def _open(name: str, flags: int, at: int | None, shown: str) -> int:
    try:
        return os.open(name, flags | os.O_CLOEXEC, dir_fd=at)
    except OSError as error:
        _refuse(error, shown)


def _refuse(error: OSError, shown: str) -> NoReturn:
    if error.errno == errno.ENOENT:
        raise NotFound(f"{shown} does not exist") from None
    if error.errno == errno.ENOTDIR:
        raise InvalidInput(f"{shown} is not a folder, as it must be in a layout") from None
    if error.errno == errno.ELOOP:
        raise InvalidInput(f"{shown} is a symbolic link, which a layout must not have") from None
    raise Unavailable(f"cannot open {shown}: {error.strerror}") from None
