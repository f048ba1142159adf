"""What is copied, and to where: docker's rules for ``cp``.

Source: docker's reference, "docker container cp": a file or a folder, ``SRC/.`` for what lies in it, a destination that is there,
is not there, or ends in a slash. Messages and the links at the end of a path are podman's.
"""

from __future__ import annotations

import errno
import os
import stat

from ...record import Record
from ..failure import Absent, Refused, explain
from ..inroot import Place, components, resolve


class Side(Record):
    """One side of a copy.

    :param root: descriptor of the root folder that paths start at, for links as well.
    :param path: the path from there, as it was written.
    :param shown: what the path is called in messages; on the host it may be written relative to somewhere.
    :param where: the side in messages: ``the host``, ``container NAME``.
    :param hidden: devices (``st_dev``) of the kernel's own file systems, which are not gone into from above.
    """

    root: int
    path: bytes
    shown: str
    where: str
    hidden: frozenset[int]

    def unfound(self, number: int) -> Absent | Refused:
        """The error where nothing of use lies there; podman's words."""
        text = os.strerror(number).lower()
        message = f"{quoted(self.shown)} could not be found on {self.where}: {text}"
        return Absent(message) if number == errno.ENOENT else Refused(message)

    def failed(self, error: OSError, doing: str) -> Exception:
        """A failed system call: ``doing`` is a verb with its preposition, such as ``copying to``."""
        return explain(error, f"{doing} {quoted(self.shown)} on {self.where}")


class Found(Record):
    """What is copied: an open folder (O_PATH), a name in it, what lies there, and the name it has at the other end, ``b""``
    where what lies in it is meant."""

    folder: int
    name: bytes
    state: os.stat_result
    base: bytes

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.state.st_mode)


class Target(Record):
    """Where it goes: an open folder (O_PATH) that is there, and the name in it; ``b""``: what is copied brings its names."""

    folder: int
    name: bytes


def quoted(path: str) -> str:
    """A path in a message: one line, in quotes."""
    return '"' + "".join(c if c.isprintable() else ascii(c)[1:-1] for c in path) + '"'


def find_source(side: Side, *, follow: bool, devices: bool = True) -> Found:
    """Find what is copied. The caller closes the folder.

    :param follow: a link itself is not meant, but what it leads to.
    :param devices: device nodes are copied.
    :raises Absent: nothing is there. :raises Refused: it is no folder and its path says so, or nothing that can be copied.
    """
    last = side.path.rstrip(b"/").rpartition(b"/")[2]
    contents = last in (b"", b".", b"..")
    folder = contents or side.path.endswith(b"/")
    place = _resolved(side, follow=follow or folder)
    state = place.state
    try:
        if state is None:
            raise side.unfound(errno.ENOENT)
        if folder and not place.is_folder():
            raise side.unfound(errno.ENOTDIR)
        kind = stat.S_IFMT(state.st_mode)
        if kind == stat.S_IFSOCK or (kind in (stat.S_IFCHR, stat.S_IFBLK) and not devices):
            what = "socket" if kind == stat.S_IFSOCK else "device"
            raise Refused(f"{quoted(side.shown)} on {side.where} is a {what}, which is not copied")
    except BaseException:
        place.close()
        raise
    return Found(place.folder, place.name, state, b"" if contents else last)


def find_target(side: Side, source: Found) -> Target:
    """Find where it goes. The caller closes the folder.

    :raises Absent: neither it nor its folder is there. :raises Refused: it is nothing that the source can go to.
    """
    slash = side.path.endswith((b"/", b"/."))
    place = _resolved(side, follow=True)
    try:
        if place.is_folder():
            return Target(os.open(place.name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place.folder),
                          source.base)
        if place.state is None:
            if slash and not source.is_folder:
                raise side.unfound(errno.ENOENT)
        elif slash:
            raise side.unfound(errno.ENOTDIR)
        elif source.is_folder:
            raise Refused(f"{quoted(side.shown)} on {side.where} is a file: "
                          "destination must be a directory when copying a directory")
        elif not stat.S_ISREG(place.state.st_mode):
            raise Refused(f"{quoted(side.shown)} on {side.where} is neither a folder nor a regular file")
        folder, place.folder = place.folder, -1
        return Target(folder, place.name)
    except OSError as error:
        raise side.failed(error, "copying to") from None
    finally:
        place.close()


def find_folder(side: Side) -> int:
    """Open the folder that an archive is unpacked into (O_PATH).

    :raises Absent, Refused: there is none.
    """
    with _resolved(side, follow=True) as place:
        if not place.is_folder():
            raise Refused(f"{quoted(side.shown)} on {side.where}: destination must be a directory when copying from stdin")
        return os.open(place.name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place.folder)


def _resolved(side: Side, *, follow: bool) -> Place:
    if b"\0" in side.path or any(len(part) > 255 for part in components(side.path)):
        raise side.unfound(errno.ENAMETOOLONG if b"\0" not in side.path else errno.EINVAL)
    try:
        return resolve(side.root, side.path, follow=follow)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise side.unfound(error.errno) from None
        raise side.failed(error, "looking at") from None
