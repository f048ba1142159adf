"""Write the entries of a layer beneath a folder, deletions included.

Source: OCI image-spec, "Image Layer Filesystem Changeset". The result depends on the layers alone, not on the clock:
a folder that a layer does not describe keeps the mtime it had, one that nobody describes gets the epoch. Left out are
overlayfs's own attributes and ``security.selinux``; attributes that the file system does not support are dropped and
counted, except ``security.capability``, without which a program may lose its meaning.
"""

from __future__ import annotations

import errno
import os
import stat

from ..support.trees import remove_entry
from .archive import BLOCK_DEVICE, CHARACTER, FIFO, FOLDER, LINK, REGULAR, SYMLINK, Archive, Entry
from .beneath import Beneath, Folder, change_mode
from .failure import NeedsParent, Refused, explain, show
from .paths import Paths

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_SPECIAL_BITS = 0o6000
_MOST_ACLS = 1 << 24
_OPAQUE = "trusted.overlay.opaque"
_IGNORED = (b"trusted.overlay.", b"user.overlay.")
_CAPABILITY = b"security.capability"
_SELINUX = b"security.selinux"


class Unpacker:
    """Writes one layer.

    :param fd: descriptor of the folder.
    :param overlay: deletions are written as overlayfs has them, for a folder that shows this layer ``alone``.
    :param alone: see :class:`~.beneath.Beneath`.
    :param base: nothing lies below the layer: its whiteouts mean nothing.
    :param plain: an archive of people and not a layer: names such as ``.wh.x`` and devices 0/0 are what they are.
    """

    def __init__(self, fd: int, *, overlay: bool, alone: bool, base: bool, depth: int, path: int, plain: bool = False) -> None:
        self._tree = Beneath(fd, alone=alone, depth=depth, replaceable=self._is_from_below)
        self._overlay = overlay
        self._alone = alone
        self._base = base
        self._plain = plain
        self._max_path = path
        self._written = None if overlay or base else Paths()
        self._touched = Paths()
        self._default_acls: dict[bytes, bytes] = {}
        self._acls_room = _MOST_ACLS
        self._uid, self._gid = os.geteuid(), os.getegid()
        self.xattrs_dropped = 0

    def run(self, archive: Archive) -> None:
        """Write every entry, then the folders' times. To be called once.

        :raises NeedsParent: where the layer cannot be written alone. :raises Refused, Failed: it cannot be written.
        """
        try:
            while (entry := archive.next()) is not None:
                try:
                    self._entry(entry, archive)
                except OSError as error:
                    raise explain(error, f"unpacking {show(entry.name)}") from None
            try:
                self._finish()
            except OSError as error:
                raise explain(error, "setting the times of folders") from None
        finally:
            self._touched.close()
            if self._written is not None:
                self._written.close()

    def _entry(self, entry: Entry, archive: Archive) -> None:
        name = entry.name
        if len(name) > self._max_path or len(entry.link) > self._max_path:
            raise Refused(f"{show(name)} or its link target is longer than {self._max_path} bytes")
        self._tree.tidy()
        where, _, base = name.rpartition(b"/")
        if base in (b"", b".", b".."):
            parts = self._tree.parts(name)
            if not parts:
                self._root(entry)
                return
            where, base = b"/".join(parts[:-1]), parts[-1]
        if not self._plain and self._deletes(entry, where, base):
            return
        folder = self._tree.folder(where)
        assert folder is not None
        if entry.kind == REGULAR:
            self._file(entry, folder, base, archive)
        elif entry.kind == FOLDER:
            self._folder(entry, folder, base)
        elif entry.kind == LINK:
            self._link(entry, folder, base)
        else:
            self._node(entry, folder, base)
        if self._written is not None:
            self._written.add(self._remember(folder.path) + base)

    def _deletes(self, entry: Entry, where: bytes, base: bytes) -> bool:
        """Do what an entry does that stands for a deletion; False where it is none."""
        if base.startswith(b".wh."):
            self._special_name(where, base)
        elif b".wh..wh." not in where:
            if entry.kind != CHARACTER or entry.major or entry.minor:
                return False
            self._whiteout(where, base)
        return True

    def _remember(self, path: bytes) -> bytes:
        """Note that a folder and all above it hold something of this layer; returns the prefix of what it holds."""
        above = path
        while above and above not in self._touched:
            self._touched.add(above)
            above = above.rpartition(b"/")[0]
        return path + b"/" if path else b""

    # regular files

    def _file(self, entry: Entry, folder: Folder, base: bytes, archive: Archive) -> None:
        mode = entry.mode
        try:
            fd = os.open(base, _CREATE, mode, dir_fd=folder.fd)
        except FileExistsError:
            self._clear(folder, base)
            folder = self._again(folder)
            fd = os.open(base, _CREATE, mode, dir_fd=folder.fd)
        try:
            if entry.size:
                self._data(fd, entry, archive)
            if entry.uid != self._uid or entry.gid != self._gid or folder.setgid:
                os.fchown(fd, entry.uid, entry.gid)
                if mode & _SPECIAL_BITS:
                    os.fchmod(fd, mode)
            if entry.xattrs:
                self._xattrs(fd, entry)
            os.utime(fd, ns=(entry.mtime, entry.mtime))
        finally:
            os.close(fd)

    def _data(self, fd: int, entry: Entry, archive: Archive) -> None:
        if entry.segments is not None:
            self._segments(fd, entry, archive)
            return
        data = archive.whole()
        if data is not None:
            if os.write(fd, data) != len(data):
                _write(fd, data, None)
            return
        for piece in archive.pieces():
            _write(fd, piece, None)

    def _segments(self, fd: int, entry: Entry, archive: Archive) -> None:
        pieces = archive.pieces()
        piece = memoryview(b"")
        os.ftruncate(fd, entry.size)
        for offset, length in entry.segments or ():
            while length:
                piece = piece or next(pieces)
                part = piece[:length]
                _write(fd, part, offset)
                offset, length, piece = offset + len(part), length - len(part), piece[len(part):]

    # everything else that can be made

    def _folder(self, entry: Entry, folder: Folder, base: bytes) -> None:
        path, opaque, merge = folder.join(base), False, False
        try:
            os.mkdir(base, entry.mode & 0o1777, dir_fd=folder.fd)
        except FileExistsError:
            merge = stat.S_ISDIR(os.stat(base, dir_fd=folder.fd, follow_symlinks=False).st_mode)
            if not merge:
                self._clear(folder, base)
                folder = self._again(folder)
                os.mkdir(base, entry.mode & 0o1777, dir_fd=folder.fd)
                opaque = self._overlay and not self._base
        self._tree.times.setdefault(path, 0)
        if merge or entry.uid != self._uid or entry.gid != self._gid or folder.setgid:
            os.chown(base, entry.uid, entry.gid, dir_fd=folder.fd, follow_symlinks=False)
        if merge or entry.mode & _SPECIAL_BITS or folder.setgid:
            os.fchmod(self._tree.reopen(path).fd, entry.mode)
        if merge or opaque or entry.xattrs or entry.mode & stat.S_ISGID:
            found = self._tree.reopen(path)
            found.setgid = bool(entry.mode & stat.S_ISGID)
            self._attributes(found, entry, clear=merge)
            if opaque:
                os.setxattr(found.fd, _OPAQUE, b"y")
        self._tree.times[path] = entry.mtime

    def _root(self, entry: Entry) -> None:
        root = self._tree.root
        if entry.kind != FOLDER:
            return  # nothing can stand in the root's place: other engines pass by as well
        os.fchown(root.fd, entry.uid, entry.gid)
        os.fchmod(root.fd, entry.mode)
        root.setgid = bool(entry.mode & stat.S_ISGID)
        self._attributes(root, entry, clear=True)
        self._tree.times[b""] = entry.mtime

    def _attributes(self, folder: Folder, entry: Entry, *, clear: bool) -> None:
        if clear:
            for name in os.listxattr(folder.fd):
                raw = os.fsencode(name)
                if raw not in entry.xattrs and raw != _SELINUX and not raw.startswith(_IGNORED):
                    os.removexattr(folder.fd, name)
        if entry.xattrs:
            self._xattrs(folder.fd, entry, folder.path)

    def _link(self, entry: Entry, folder: Folder, base: bytes) -> None:
        parts = self._tree.parts(entry.link)
        source = self._tree.folder(b"/".join(parts[:-1]), make=False) if parts else None
        try:
            if source is None:
                raise FileNotFoundError
            state = os.stat(parts[-1], dir_fd=source.fd, follow_symlinks=False)
            if stat.S_ISDIR(state.st_mode) or (source.join(parts[-1]) == folder.join(base)):
                raise Refused(f"{show(entry.name)} is a hard link to itself or a folder")
            if stat.S_ISCHR(state.st_mode) and state.st_rdev == 0:
                raise Refused(f"{show(entry.name)} is a hard link to {show(entry.link)}, which the layer deletes")
            for attempt in (1, 2):
                try:
                    os.link(parts[-1], base, src_dir_fd=source.fd, dst_dir_fd=folder.fd, follow_symlinks=False)
                    return
                except FileExistsError:
                    if attempt == 2:
                        raise
                    self._clear(folder, base)
                    folder, source = self._again(folder), self._again(source)
        except FileNotFoundError:
            if self._alone:
                raise NeedsParent(f"{show(entry.name)} is a hard link to {show(entry.link)}, "
                                  "which is not in the layer") from None
            raise Refused(f"{show(entry.name)} is a hard link to {show(entry.link)}, which is not there") from None

    def _node(self, entry: Entry, folder: Folder, base: bytes) -> None:
        for attempt in (1, 2):
            try:
                self._make_node(entry, folder.fd, base)
                break
            except FileExistsError:
                if attempt == 2:
                    raise
                self._clear(folder, base)
                folder = self._again(folder)
        if entry.uid != self._uid or entry.gid != self._gid or folder.setgid:
            os.chown(base, entry.uid, entry.gid, dir_fd=folder.fd, follow_symlinks=False)
            if entry.kind != SYMLINK and entry.mode & _SPECIAL_BITS:
                change_mode(folder.fd, base, entry.mode)
        if entry.xattrs:
            self._xattrs(b"/proc/self/fd/%d/%b" % (folder.fd, base), entry)
        os.utime(base, ns=(entry.mtime, entry.mtime), dir_fd=folder.fd, follow_symlinks=False)

    def _make_node(self, entry: Entry, fd: int, base: bytes) -> None:
        if entry.kind == SYMLINK:
            if not entry.link:
                raise Refused(f"the symlink {show(entry.name)} has no target")
            os.symlink(entry.link, base, dir_fd=fd)
        elif entry.kind == FIFO:
            os.mkfifo(base, entry.mode, dir_fd=fd)
        else:
            assert entry.kind in (CHARACTER, BLOCK_DEVICE)
            if not 0 <= entry.major < 1 << 12 or not 0 <= entry.minor < 1 << 20:
                raise Refused(f"the device {show(entry.name)} has numbers out of range")
            kind = stat.S_IFCHR if entry.kind == CHARACTER else stat.S_IFBLK
            os.mknod(base, kind | entry.mode, os.makedev(entry.major, entry.minor), dir_fd=fd)

    def _xattrs(self, target: int | bytes, entry: Entry, folder: bytes | None = None) -> None:
        for name, value in entry.xattrs.items():
            if name.startswith(_IGNORED) or name == _SELINUX:
                continue
            if folder is not None and name == b"system.posix_acl_default":
                self._acls_room -= len(folder) + len(value)
                if self._acls_room < 0:
                    raise Refused(f"the default ACLs of the layer's folders take more than {_MOST_ACLS} bytes")
                self._default_acls[folder] = value  # at the end: until then it would change what is created inside
                continue
            try:
                if isinstance(target, int):
                    os.setxattr(target, name, value)
                else:
                    os.setxattr(target, name, value, follow_symlinks=False)
            except OSError as error:
                # a symlink takes no user.* attribute anywhere (EPERM)
                if error.errno not in (errno.ENOTSUP, errno.EPERM) or name == _CAPABILITY:
                    raise
                self.xattrs_dropped += 1

    # deletions

    def _special_name(self, where: bytes, base: bytes) -> None:
        if b".wh..wh." in where:
            return
        if base == b".wh..wh..opq":
            self._opaque(where)
        elif not base.startswith(b".wh..wh."):
            gone = base[4:]
            if gone in (b"", b".", b".."):
                raise Refused(f"the whiteout {show(where + b'/' + base)} names no entry")
            self._whiteout(where, gone)

    def _whiteout(self, where: bytes, base: bytes) -> None:
        folder = None if self._base else self._deleted_in(where)
        if folder is None:
            return
        if not self._overlay:
            self._delete_below(folder, base)
            return
        try:
            os.mknod(base, stat.S_IFCHR, 0, dir_fd=folder.fd)
        except FileExistsError:
            # the layer has an entry of this name itself; the whiteout means the one below
            if stat.S_ISDIR(os.stat(base, dir_fd=folder.fd, follow_symlinks=False).st_mode):
                os.setxattr(self._tree.reopen(folder.join(base)).fd, _OPAQUE, b"y")

    def _opaque(self, where: bytes) -> None:
        folder = None if self._base else self._deleted_in(where)
        if folder is None:
            return
        if not self._overlay:
            for name in os.listdir(folder.fd):
                self._delete_below(folder, os.fsencode(name))
                folder = self._again(folder)
        elif not folder.path:
            raise NeedsParent("the root is opaque, which overlayfs does not know")
        else:
            os.setxattr(folder.fd, _OPAQUE, b"y")

    def _deleted_in(self, where: bytes) -> Folder | None:
        """The folder something is deleted in; None where that is gone itself, so that nothing is left to do."""
        return self._tree.folder(where, make=False)

    def _delete_below(self, folder: Folder, base: bytes) -> None:
        """Delete an entry except what this layer has written there."""
        assert self._written is not None
        path = folder.join(base)
        try:
            state = os.stat(base, dir_fd=folder.fd, follow_symlinks=False)
        except FileNotFoundError:
            return
        if stat.S_ISDIR(state.st_mode) and (path in self._written or path in self._touched):
            inner = self._tree.reopen(path)
            for name in os.listdir(inner.fd):
                self._delete_below(self._tree.reopen(path), os.fsencode(name))
        elif path not in self._written:
            self._clear(folder, base)

    # helpers

    def _is_from_below(self, path: bytes) -> bool:
        """True where an entry that is there is known not to be this layer's own."""
        return self._written is not None and path not in self._written

    def _clear(self, folder: Folder, base: bytes) -> None:
        """Remove what is in the way (or deleted). Folders found before are invalid afterwards."""
        path = folder.join(base)
        kind = remove_entry(folder.fd, base)
        if kind in (stat.S_IFDIR, stat.S_IFLNK):
            self._default_acls = {p: acl for p, acl in self._default_acls.items()
                                  if p != path and not p.startswith(path + b"/")}
            self._tree.lost(path)

    def _again(self, folder: Folder) -> Folder:
        return self._tree.reopen(folder.path)

    def _finish(self) -> None:
        tree = self._tree
        for path, acl in self._default_acls.items():
            try:
                os.setxattr(tree.reopen(path).fd, "system.posix_acl_default", acl)
            except OSError as error:
                if error.errno != errno.ENOTSUP:
                    raise
                self.xattrs_dropped += 1
        tree.settle()


def _write(fd: int, data: memoryview, offset: int | None) -> None:
    while data:
        count = os.write(fd, data) if offset is None else os.pwrite(fd, data, offset)
        data = data[count:]
        if offset is not None:
            offset += count
