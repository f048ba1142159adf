"""The jobs a worker does: their requests and results, as the kernel's callers see them."""

from __future__ import annotations

from typing import Callable

from ..cancel import Cancel
from ..record import Record
from ..slots.storage import Mount, Whiteouts


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


class PackRequest(Record):
    """Write a layer's tar of a folder.

    :param upper_fd: the folder that is packed (O_RDONLY | O_DIRECTORY). It may be in use: what vanishes meanwhile is left
        out, a file that shrinks is filled with zeros, one that grows is cut.
    :param lower_fd: what it is compared with; None packs the whole of it.
    :param form: what ``upper_fd`` shows. ``OVERLAY``: one layer of overlayfs, to be written as it is, and ``lower_fd`` the merged
        tree below it. ``APPLIED``: a whole tree; what is the same in ``lower_fd`` is left out, what is only there is deleted.
        Without ``lower_fd`` both mean the same, and deletions mean nothing.
    :param out_fd: where the (compressed) tar goes, from the current position; a file or the write end of a pipe.
    :param compression: ``none``, ``gzip`` or ``zstd``.
    :param exclude: paths beneath the root that are neither written nor deleted, with all in them. One with a slash at its end
        leaves the folder itself out, but not what lies in it.
    :param plain: an archive for people and not a layer: names such as ``.wh.x`` and devices 0/0 are written as they are.
    :param cancel: stops the worker at once; what was written stays for the caller to remove.
    :param progress: called with the bytes of the tar made so far, a few times a second, in the calling thread.
    """

    upper_fd: int
    lower_fd: int | None
    form: Whiteouts
    out_fd: int
    cancel: Cancel
    compression: str = "gzip"
    exclude: tuple[str, ...] = ()
    plain: bool = False
    progress: Callable[[int], None] | None = None


class PackResult(Record):
    """A layer that was made.

    :param digest: ``sha256:...`` of what was written to ``out_fd``; ``size`` its bytes.
    :param diff_id: ``sha256:...`` of the tar; ``tar_size`` its bytes.
    :param entries: entries of the tar, whiteouts included; 0 where nothing differs.
    :param skipped: sockets, which no tar can hold, and attributes whose names it cannot.
    """

    digest: str
    size: int
    diff_id: str
    tar_size: int
    entries: int
    skipped: int


class ChangesRequest(Record):
    """Tell what differs between two trees. Fields as in :class:`PackRequest`."""

    upper_fd: int
    lower_fd: int | None
    form: Whiteouts
    cancel: Cancel
    exclude: tuple[str, ...] = ()


class Change(Record):
    """One difference, as ``podman diff`` tells it.

    :param kind: ``A`` added, ``C`` changed (also the folder in which something was added or deleted), ``D`` deleted (without
        what lay in it).
    :param path: absolute, bytes that are no UTF-8 as surrogates (:func:`os.fsdecode`).
    """

    kind: str
    path: str


class CarryRequest(Record):
    """Write onto a tree what tells another from the one below both.

    :param upper_fd: what is carried, ``lower_fd`` what it is compared with and ``form`` as in :class:`PackRequest`. Nobody may
        write there meanwhile.
    :param target_fd: the mounted tree that equals ``lower_fd``'s, and is to equal the upper one; nothing outside is touched.
    """

    upper_fd: int
    lower_fd: int | None
    form: Whiteouts
    target_fd: int
    cancel: Cancel


class CopyRequest(Record):
    """Copy everything beneath a folder, and its own attributes, into an empty one; mounts beneath it stay empty folders.

    :param source_fd: the folder, ``target_fd`` the empty one (O_RDONLY | O_DIRECTORY); nothing outside both is touched.
    """

    source_fd: int
    target_fd: int
    cancel: Cancel


class OwnRequest(Record):
    """Give a folder, and everything beneath it in its file system, another owner. Symlinks are not followed.

    :param target_fd: the folder (O_RDONLY | O_DIRECTORY).
    """

    target_fd: int
    uid: int
    gid: int
    cancel: Cancel


class InflateRequest(Record):
    """Write a layer's uncompressed tar.

    :param blob_fd: the layer, read from its current position to its end; a file or the read end of a pipe.
    :param out_fd: where the tar goes; a file or the write end of a pipe.
    :param limits: ``size`` alone counts.
    """

    blob_fd: int
    out_fd: int
    cancel: Cancel
    limits: Limits = Limits()
    progress: Callable[[int], None] | None = None


class InflateResult(Record):
    """``sha256:...`` of the uncompressed stream and its bytes."""

    diff_id: str
    size: int


class RepackRequest(Record):
    """Write a layer in another compression. Fields as in :class:`InflateRequest` and :class:`PackRequest`."""

    blob_fd: int
    out_fd: int
    cancel: Cancel
    compression: str = "gzip"
    limits: Limits = Limits()
    progress: Callable[[int], None] | None = None


class CpSide(Record):
    """One side of a copy.

    :param root_fd: descriptor of the root folder (O_PATH does), where paths and links start.
    :param path: the path from there, in the file system's encoding. ``/.`` at its end means what lies in the folder.
    :param shown: what it is called in messages. :param where: ``the host`` or ``container NAME``.
    :param hidden: ``st_dev`` of file systems that are not gone into from above: the kernel's own.
    """

    root_fd: int
    path: str
    shown: str
    where: str
    hidden: tuple[int, ...] = ()


class CpRequest(Record):
    """Copy from one side to the other, by the rules of ``docker cp``.

    :param source: None: an archive is read from ``stream_fd``. :param target: None: one is written to it.
    :param token: names the folder in which copies are staged; see :mod:`.copying.staging`.
    :param owner: user and group that everything gets; None: what it has.
    :param follow: a link that the source's path ends in is followed. :param overwrite: see :mod:`.copying.publish`.
    :param devices: device nodes are copied.
    :param cancel: asks the worker to stop, which then takes back what it has staged.
    """

    source: CpSide | None
    target: CpSide | None
    token: str
    cancel: Cancel
    stream_fd: int = -1
    owner: tuple[int, int] | None = None
    follow: bool = True
    overwrite: bool = False
    devices: bool = True


class Copied(Record):
    """What was copied.

    :param entries: files, folders and everything else. :param size: bytes of the files; of an archive that was read, its own.
    :param skipped: sockets, and devices where they are not wanted.
    """

    entries: int
    size: int
    skipped: int


class InnerMount(Record):
    """What a container has in it. ``type``: ``bind`` or ``tmpfs``; ``make``: a target that is not there is made."""

    type: str
    source: str
    target: str
    options: tuple[str, ...]
    make: bool


class ViewRequest(Record):
    """Show a container that does not run.

    :param over: a folder that is covered for the worker alone.
    :param mounts: of the root file system. :param inner: what is mounted in it, parents first.
    :param read_only: nothing is written to the root file system itself.
    """

    over: str
    mounts: tuple[Mount, ...]
    inner: tuple[InnerMount, ...]
    read_only: bool
    cancel: Cancel
