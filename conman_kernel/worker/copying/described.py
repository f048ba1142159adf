"""What describes an entry besides its content, put onto its copy: owner, attributes, mode, times."""

from __future__ import annotations

import errno
import os
import stat

from .. import attributes

Owner = tuple[int, int] | None
"""User and group that everything gets; None: what it has."""

_CAPABILITY = b"security.capability"
_UNSUPPORTED = (errno.ENOTSUP, errno.EPERM)


def owned(state: os.stat_result, owner: Owner) -> tuple[int, int, int]:
    """Mode, user and group of a copy. As with chown(2), a set-user-id or set-group-id bit stays with the user or group whose
    rights it gives: it never begins to give those of another."""
    uid, gid = owner if owner is not None else (state.st_uid, state.st_gid)
    mode = state.st_mode
    if not stat.S_ISDIR(mode):
        if uid != state.st_uid:
            mode &= ~stat.S_ISUID
        if gid != state.st_gid:
            mode &= ~stat.S_ISGID
    return mode, uid, gid


def described(source: int, target: int, state: os.stat_result, owner: Owner) -> None:
    """Describe a folder as another one is, times last. Both are open for reading."""
    mode, uid, gid = owned(state, owner)
    os.fchown(target, uid, gid)
    with_attributes(source, target, same_owner=uid == state.st_uid)
    os.fchmod(target, stat.S_IMODE(mode))
    os.utime(target, ns=(state.st_mtime_ns, state.st_mtime_ns))


def with_attributes(source: int | bytes, target: int | bytes, *, same_owner: bool) -> None:
    """Copy the extended attributes. What the other file system does not know is left out, but for a capability, without which a
    program is not what it was; that goes with the owner, as in chown(2).

    :param source: open file or folder, or a path of /proc that stands for one.
    :param target: the same, or a path at whose end no link is followed.
    """
    for name, value in attributes.read(source, follow=True).items():
        if name == _CAPABILITY and not same_owner:
            continue
        try:
            os.setxattr(target, name, value, follow_symlinks=isinstance(target, int))
        except OSError as error:
            if error.errno not in _UNSUPPORTED or name == _CAPABILITY:
                raise
