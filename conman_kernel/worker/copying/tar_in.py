"""An archive of people, unpacked into a folder where nobody else's entries are: what ``cp - CONTAINER:PATH`` reads.

Paths of the archive stay beneath that folder, its own links included (:mod:`..beneath`); the bounds are those of layers.
"""

from __future__ import annotations

import os
import stat
import time

from ...cancel import Cancel
from ..archive import Archive, Entry
from ..failure import Refused
from ..jobs import Limits
from ..source import Source
from ..unpack import Unpacker
from .described import Owner


class TarReader(Unpacker):
    """Unpacks one archive.

    :param fd: the open folder.
    :param owner: whose everything becomes; None: what the archive says.

    :ivar entries: of the archive; ``size``: its bytes, inflated.
    """

    def __init__(self, fd: int, owner: Owner, cancel: Cancel) -> None:
        limits = Limits()
        super().__init__(fd, overlay=False, alone=False, base=True, depth=limits.depth, path=limits.path, plain=True)
        self._owner = owner
        self._cancel = cancel
        self._limits = limits
        self._tree.implied = self._implied = set[bytes]()
        self.entries = self.size = 0

    def read(self, stream: int) -> frozenset[bytes]:
        """Unpack everything.

        :param stream: where the archive comes from; plain, or compressed with gzip or zstd.
        :returns: paths of folders that the archive does not describe.
        :raises Refused: it is none, broken, or over a limit. :raises Failed: it cannot be read or written.
        """
        limits = self._limits
        source = Source(stream, limits.size, None)
        archive = Archive(source, limits.header, limits.entries, limits.size)
        try:
            self.run(archive)
            source.finish()
        except Refused as error:
            text = str(error).replace("the layer's archive", "the archive").replace("the layer", "the archive")
            if not archive.count:
                text = f"source must be a (compressed) tar archive when copying from stdin: {text}"
            raise Refused(text, "compress it with gzip or zstd" if error.hint else "") from None
        if not source.size:
            raise Refused("source must be a (compressed) tar archive when copying from stdin: it is empty")
        self._describe_implied()
        self.entries, self.size = archive.count, source.size
        return frozenset(self._implied)

    def _entry(self, entry: Entry, archive: Archive) -> None:
        self._cancel.check()
        if self._owner is not None:
            uid, gid = self._owner
            if entry.kind != b"5":  # see owned()
                entry.mode &= ~((stat.S_ISUID if uid != entry.uid else 0) | (stat.S_ISGID if gid != entry.gid else 0))
            if uid != entry.uid:
                entry.xattrs = {name: value for name, value in entry.xattrs.items() if name != b"security.capability"}
            entry.uid, entry.gid = uid, gid
        super()._entry(entry, archive)
        if self._implied:
            self._implied.discard(b"/".join(self._tree.parts(entry.name)))

    def _describe_implied(self) -> None:
        now = time.time_ns()
        for path in sorted(self._implied, reverse=True):
            where, _, base = path.rpartition(b"/")
            try:
                folder = self._tree.reopen(where)
            except (FileNotFoundError, NotADirectoryError):
                continue  # a later entry took its place
            if self._owner is not None:
                os.chown(base, *self._owner, dir_fd=folder.fd, follow_symlinks=False)
            os.utime(base, ns=(now, now), dir_fd=folder.fd, follow_symlinks=False)
        self._tree.forget()
