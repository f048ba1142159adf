"""Who a container's process is: ``user[:group]`` against the passwd and group files of its own root file system."""

from __future__ import annotations

from ..errors import InvalidInput, NotFound
from ..oci.runtime.request import User
from ..record import Record
from .rootpath import read_in_root

MAX_BYTES = 1 << 20
MAX_ID = (1 << 31) - 1
_NOT_EXECUTABLE = 126


class _Passwd(Record):
    name: str
    uid: int
    gid: int
    home: str


class _Group(Record):
    name: str
    gid: int
    members: tuple[str, ...]


def _lines(root_fd: int, path: str) -> list[list[str]]:
    """The fields of each line that has any. A file that cannot be believed is an error, a missing one is empty.

    :raises InvalidInput: it is no regular file, larger than 1 MiB, or a loop of links.
    """
    try:
        data = read_in_root(root_fd, path, MAX_BYTES)
    except OSError as error:
        raise InvalidInput(f"{path} of the image cannot be read: {error.strerror}") from error
    text = (data or b"").decode("utf-8", "surrogateescape")
    return [line.strip().split(":") for line in text.split("\n") if line.strip() and not line.startswith("#")]


def _number(text: str) -> int | None:
    """A decimal number, or None.

    :raises InvalidInput: it is no id that Linux knows.
    """
    if not (text.isascii() and text.isdigit()):
        return None
    value = int(text[:20])
    if value > MAX_ID:
        raise InvalidInput(f"user and group ids must be in range 0-{MAX_ID}, not {text[:20]}")
    return value


def _id(text: str) -> int:
    """An id in one of the files, 0 where it is not written (as the C library reads it)."""
    return min(int(text[:20]), MAX_ID) if text.isascii() and text.isdigit() else 0


def _passwd(root_fd: int) -> list[_Passwd]:
    rows = [row + [""] * 7 for row in _lines(root_fd, "/etc/passwd")]
    return [_Passwd(row[0], _id(row[2]), _id(row[3]), row[5]) for row in rows]


def _groups(root_fd: int) -> list[_Group]:
    rows = [row + [""] * 4 for row in _lines(root_fd, "/etc/group")]
    return [_Group(row[0], _id(row[2]), tuple(m for m in row[3].split(",") if m)) for row in rows]


def names_in(root_fd: int) -> tuple[dict[int, str], dict[int, str]]:
    """Names by number: of users, and of groups, as the files of a root file system have them; the first of each number.

    :param root_fd: as for :func:`resolve_user`. Files that cannot be believed have no names.
    """
    try:
        users = {user.uid: user.name for user in _passwd(root_fd)[::-1]}
        groups = {group.gid: group.name for group in _groups(root_fd)[::-1]}
    except InvalidInput:
        return {}, {}
    return users, groups


def _unknown(what: str, name: str) -> NotFound:
    """The command cannot be executed as that user: podman's words and its exit code."""
    error = NotFound(f"unable to find {what} {name}: no matching entries in {'passwd' if what == 'user' else what} file")
    error.exit_code = _NOT_EXECUTABLE
    return error


def _gid(name: str, groups: list[_Group]) -> int:
    number = _number(name)
    found = next((g for g in groups if g.name == name or g.gid == number), None)
    if found is not None:
        return found.gid
    if number is None:
        raise _unknown("group", name)
    return number


def resolve_user(root_fd: int, user: str, groups: tuple[str, ...] = ()) -> User:
    """Find ids, home folder and additional groups.

    :param root_fd: descriptor of the mounted root file system; nothing outside of it is read.
    :param user: ``name``, ``uid``, ``name:group``, ``uid:gid``, ...; empty is root. An id need not be in passwd.
    :param groups: ``--group-add``: names or ids.
    :returns: the user; without ``:group`` it is also in the groups that list it, and always in its own (so that a file
        that shuts out a group shuts it out).
    :raises NotFound: a name that passwd or group does not know, in podman's words.
    :raises InvalidInput: an id out of range, or a file that cannot be read.
    """
    name, colon, group = (user or "0").partition(":")
    if colon and not group:
        raise InvalidInput(f"the user {user!r} ends in a colon")
    number = _number(name or "0")
    known = next((p for p in _passwd(root_fd) if p.name == name or p.uid == number), None)
    if known is None and number is None:
        raise _unknown("user", name)
    uid = known.uid if known is not None else number or 0
    listed = _groups(root_fd) if group or groups or known is not None else []
    if group:
        gid, own = _gid(group, listed), set[int]()
    else:
        gid = known.gid if known is not None else 0
        own = {g.gid for g in listed if known is not None and known.name in g.members}
    own.update(_gid(extra, listed) for extra in groups)
    return User(uid=uid, gid=gid, groups=tuple(sorted(own | {gid})), home=(known.home if known else "") or "/",
                name=known.name if known else "")
