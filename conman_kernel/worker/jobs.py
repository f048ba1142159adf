"""The jobs a worker does: their requests and results, as the kernel's callers see them."""

from __future__ import annotations

from typing import Callable

from ..cancel import Cancel
from ..record import Record
from ..slots.storage import Whiteouts


class Limits(Record):
    """What a layer may ask for before it is refused as :class:`~conman_kernel.errors.InvalidInput`.

    :param size: bytes of the uncompressed tar stream; sparse files count with what they would read as.
    :param entries: entries of the archive.
    :param path: bytes of one entry's name or link target.
    :param depth: components of one entry's name.
    :param header: bytes of one extended (PAX, GNU long name) header.
    """

    size: int = 1 << 40
    entries: int = 10_000_000
    path: int = 4095
    depth: int = 256
    header: int = 1 << 20


class UnpackRequest(Record):
    """Write one layer beneath a folder.

    :param blob_fd: the layer, read from its current position to its end; a file or the read end of a pipe. A worker
        moves the position: seek back before the job is repeated.
    :param target_fd: descriptor of the folder (opened with O_RDONLY | O_DIRECTORY); nothing outside it is touched.
    :param media_type: the descriptor's media type, for messages; the compression is told by the bytes, as podman does.
    :param whiteouts: the form of deletions; ``APPLIED`` needs ``merged`` or ``base``.
    :param merged: the folder shows the whole tree (a mounted snapshot, or a plain copy), not this layer alone.
    :param base: the layer is the first of its image: nothing lies below it.
    :param limits: what is refused.
    :param cancel: stops the worker at once; what was written stays for the caller to remove.
    :param progress: called with the bytes of the blob read so far, a few times a second, in the calling thread.
    """

    blob_fd: int
    target_fd: int
    media_type: str
    whiteouts: Whiteouts
    cancel: Cancel
    merged: bool = False
    base: bool = False
    limits: Limits = Limits()
    progress: Callable[[int], None] | None = None


class UnpackResult(Record):
    """How an unpack ended.

    :param diff_id: ``sha256:...`` of the uncompressed stream; ``""`` where ``needs_parent``.
    :param size: bytes of the uncompressed stream.
    :param entries: entries of the archive, whiteouts included.
    :param needs_parent: the layer cannot be unpacked alone: clear the folder (or take a new snapshot) and repeat with
        ``merged=True, whiteouts=APPLIED`` on the mounted snapshot. Never set where ``merged`` or ``base``.
    :param why: the entry that needs its parent and why, for the log; ``""`` otherwise.
    :param xattrs_dropped: extended attributes that the file system does not support (left out, as podman does).
    """

    diff_id: str
    size: int
    entries: int
    needs_parent: bool
    why: str
    xattrs_dropped: int
