"""Content-addressed blobs: ``<root>/blobs/<algorithm>/<hex>``, each verified (digest and size) before it has that name.

Content on its way lies in ``<root>/ingest/``, named after its digest, so that whoever wants the same content next can
go on from there; its holder has an exclusive flock on it. It is unverified, never longer than its descriptor says, and
becomes a blob by rename. Blobs are not synced: who reads one back checks it again, by its digest or its diffID.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from types import TracebackType
from typing import TYPE_CHECKING, Collection, NoReturn

from ..cancel import Cancel
from ..errors import DigestMismatch, InvalidInput, NotFound, Unavailable
from ..oci import digest as digests
from ..oci.descriptor import Descriptor
from .layout import Layout, unusable

if TYPE_CHECKING:
    from hashlib import _Hash

_CHUNK = 1 << 20
_RETRY_SECONDS = 0.05


class Blobs:
    """The blobs of one store. Thread-safe; any number of processes may share it."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def path(self, digest: str) -> str:
        """Where a blob lies, or would. :raises InvalidInput: no digest."""
        algorithm, digits = digests.split(digest)
        return f"{self._layout.blobs}/{algorithm}/{digits}"

    def has(self, digest: str) -> bool:
        """True where the blob is here."""
        return os.path.exists(self.path(digest))

    def open(self, digest: str) -> int:
        """A descriptor for reading a blob from its beginning; it stays good when the blob is removed meanwhile.

        :raises NotFound: it is not here.
        """
        try:
            return os.open(self.path(digest), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            raise NotFound(f"the blob {digest} is not in the store") from None

    def read_bytes(self, digest: str, limit: int) -> bytes:
        """A small blob as a whole, checked again.

        :param limit: bytes; more is refused.
        :raises NotFound: it is not here.
        :raises InvalidInput: it is longer than ``limit``.
        :raises DigestMismatch: the disk no longer holds what was stored.
        """
        fd = self.open(digest)
        try:
            if os.fstat(fd).st_size > limit:
                raise InvalidInput(f"the blob {digest} has more than {limit} bytes")
            with os.fdopen(os.dup(fd), "rb") as stream:
                data = stream.read(limit + 1)
        finally:
            os.close(fd)
        if digests.digest_of(data, digests.split(digest)[0]) != digest:
            raise DigestMismatch(f"the stored blob {digest} is damaged")
        return data

    def verify(self, descriptor: Descriptor, cancel: Cancel) -> bool:
        """True where the blob is here and its bytes are still what its digest says; a damaged one is removed."""
        try:
            fd = self.open(descriptor.digest)
        except NotFound:
            return False
        try:
            hasher = digests.new_hash(digests.split(descriptor.digest)[0])
            size = _hash_file(fd, hasher, cancel)
        finally:
            os.close(fd)
        good = size == descriptor.size and hasher.hexdigest() == digests.split(descriptor.digest)[1]
        if not good:
            self.remove(descriptor.digest)
        return good

    def unnamed(self) -> int:
        """A descriptor of a new file without a name, for content that is made here; :meth:`adopt` may let it be a blob.

        :raises Unavailable: the store cannot be written.
        """
        folder = self._layout.ensure(self._layout.ingest)
        try:
            return os.open(folder, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise unusable(folder, error) from None

    def adopt(self, fd: int, descriptor: Descriptor, cancel: Cancel) -> None:
        """Let an unnamed file be a blob. The caller made its bytes, and knows that they are what ``descriptor`` says.

        :raises Unavailable: it cannot be named.
        """
        final = self.path(descriptor.digest)
        folder = os.open(self._layout.ensure(os.path.dirname(final)), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for _ in range(2):
                try:
                    # With a folder's descriptor Python calls linkat(2), which alone follows to a file without a name.
                    os.link(f"/proc/self/fd/{fd}", os.path.basename(final), dst_dir_fd=folder, follow_symlinks=True)
                    return
                except FileExistsError:
                    if self.verify(descriptor, cancel):
                        return
        except OSError as error:
            raise unusable(final, error) from None
        finally:
            os.close(folder)

    def remove(self, digest: str) -> None:
        """Remove a blob; nothing there is no error."""
        try:
            os.unlink(self.path(digest))
        except FileNotFoundError:
            return

    def demote(self, digest: str) -> None:
        """Let a blob that nobody needs be partial content again: the next pull uses or drops it. None there is no error."""
        self._layout.ensure(self._layout.ingest)
        try:
            os.rename(self.path(digest), self._partial(digest))
        except FileNotFoundError:
            return

    def ingest(self, descriptor: Descriptor, cancel: Cancel) -> Ingest:
        """Begin (or go on) to take a blob in. Waits while another thread or process takes the same one in.

        :returns: a context manager; its ``present`` is True where the blob was finished by somebody else meanwhile.
        :raises Cancelled, DeadlineExceeded: while waiting.
        :raises Unavailable: the store cannot be written.
        """
        self._layout.ensure(self._layout.ingest)
        final = self.path(descriptor.digest)
        self._layout.ensure(os.path.dirname(final))
        partial = self._partial(descriptor.digest)
        while True:
            cancel.check()
            fd = _open_partial(partial)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_file(fd, partial):
                    break
            except BlockingIOError:
                # A flock has no descriptor to wait on: it is tried again until the deadline.
                os.close(fd)
                cancel.wait_readable(timeout=_RETRY_SECONDS)
                continue
            os.close(fd)
        try:
            return Ingest(fd, partial, final, descriptor, cancel)
        except BaseException:
            os.close(fd)
            raise

    def drop_partials(self, wanted: Collection[str] = (), *, older: float = 0.0) -> None:
        """Drop partial content that nobody is taking in now and that is not among the ``wanted`` digests.

        :param older: seconds: only what was not written to for longer.
        """
        names = {os.path.basename(self._partial(digest)) for digest in wanted}
        try:
            found = os.listdir(self._layout.ingest)
        except FileNotFoundError:
            return
        for name in found:
            path = f"{self._layout.ingest}/{name}"
            if name in names:
                continue
            try:
                fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_file(fd, path) and time.time() - os.fstat(fd).st_mtime >= older:
                    os.unlink(path)
            except BlockingIOError:
                continue
            finally:
                os.close(fd)

    def _partial(self, digest: str) -> str:
        algorithm, digits = digests.split(digest)
        return f"{self._layout.ingest}/{algorithm}-{digits}"


class Ingest:
    """One blob on its way in; a context manager. Used by one thread.

    Left without :meth:`commit`, what was written stays as partial content for the next try, unless there is nothing or
    it was found to be wrong.
    """

    def __init__(self, fd: int, partial: str, final: str, descriptor: Descriptor, cancel: Cancel) -> None:
        self._fd = fd
        self._partial = partial
        self._final = final
        self._descriptor = descriptor
        self._algorithm, self._digits = digests.split(descriptor.digest)
        self._hasher = digests.new_hash(self._algorithm)
        self.offset = 0
        self.present = os.path.exists(final)
        if not self.present:
            if os.fstat(fd).st_size > descriptor.size:
                os.ftruncate(fd, 0)
            self.offset = _hash_file(fd, self._hasher, cancel)

    def __enter__(self) -> Ingest:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            if self.offset == 0:
                _unlink(self._partial)
            os.close(fd)

    def write(self, chunk: bytes) -> None:
        """Append some bytes.

        :raises DigestMismatch: this is more than the descriptor's size; nothing is kept.
        :raises Unavailable: no space, or an I/O error.
        """
        if self.offset + len(chunk) > self._descriptor.size:
            self._mismatch(f"has more than the {self._descriptor.size} bytes that were announced")
        self._hasher.update(chunk)
        view = memoryview(chunk)
        try:
            while view:
                view = view[os.write(self._fd, view):]
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                self.restart()
                raise Unavailable(f"cannot store {self._descriptor.digest}: {error.strerror}",
                                  hint="free some space, or put --root on a larger file system") from None
            raise unusable(self._partial, error) from None
        self.offset += len(chunk)

    def restart(self) -> None:
        """Forget what was written so far."""
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        self._hasher = digests.new_hash(self._algorithm)
        self.offset = 0

    def commit(self) -> None:
        """All bytes are written: check them, and let them be a blob.

        :raises DigestMismatch: they are not what the descriptor says; nothing is kept.
        """
        if self.offset != self._descriptor.size:
            self._mismatch(f"ended after {self.offset} of {self._descriptor.size} bytes")
        if self._hasher.hexdigest() != self._digits:
            self._mismatch(f"has the digest {self._algorithm}:{self._hasher.hexdigest()}")
        os.rename(self._partial, self._final)
        fd, self._fd = self._fd, -1
        os.close(fd)

    def _mismatch(self, what: str) -> NoReturn:
        self.restart()
        raise DigestMismatch(f"content of {self._descriptor.digest} {what}",
                             hint="the source or something on the way altered it; pull again, or ask who serves it")


def _open_partial(path: str) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise unusable(path, error) from None


def _is_file(fd: int, path: str) -> bool:
    # Between open and flock the holder may have renamed or unlinked it.
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _hash_file(fd: int, hasher: _Hash, cancel: Cancel) -> int:
    size = 0
    while data := os.read(fd, _CHUNK):
        cancel.check()
        hasher.update(data)
        size += len(data)
    return size


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
