"""Everything is copied into a folder of its own beside its place first, and gets there by rename: what can fail has failed by
then, and whoever uses the place sees whole files and whole folders.

The folder is called after a token that the caller knows, lies where the copies are to go, and nobody but root enters it.
"""

from __future__ import annotations

import errno
import os
import stat

from ...support.trees import remove_entry
from ..inroot import resolve
from ..tree import FOLDER_FLAGS

_ATTEMPTS = 5
#: paths that lead nowhere, now at least
_NOWHERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)


def stage_name(token: str) -> bytes:
    """The name of the folder. :param token: hexadecimal digits that nobody guesses."""
    return b".conman-cp-%b" % token.encode()


class Staging:
    """The folder, open as ``fd``.

    :param target: the open folder (O_PATH) that gets what is staged.
    :raises OSError: it cannot be made: a read-only mount, say.
    """

    def __init__(self, target: int, token: str) -> None:
        self.target = target
        self._name = stage_name(token)
        os.mkdir(self._name, 0o700, dir_fd=target)
        self.fd = os.open(self._name, FOLDER_FLAGS, dir_fd=target)
        # What the folder around it hands on (group, default ACL) is for what is made there by its owners, not for copies.
        os.fchown(self.fd, os.geteuid(), os.getegid())
        for name in os.listxattr(self.fd):
            if name == "system.posix_acl_default":
                os.removexattr(self.fd, name)
        os.fchmod(self.fd, 0o700)
        state = os.fstat(self.fd)
        self.identity = state.st_dev, state.st_ino

    def remove(self) -> None:
        """Take it away with all that is still in it. May be called twice."""
        if self.fd < 0:
            return
        os.close(self.fd)
        self.fd = -1
        _removed(self.target, self._name)


def clear(root: int, path: bytes, token: str) -> None:
    """Take away what a killed copy has left: in the folder that ``path`` leads to, or in the one where it would be.

    :raises OSError: it cannot be removed.
    """
    name = stage_name(token)
    try:
        place = resolve(root, path, follow=True)
    except OSError as error:
        if error.errno not in _NOWHERE:
            raise
        return
    with place:
        _removed(place.folder, name)
        if place.is_folder():
            inner = os.open(place.name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place.folder)
            try:
                _removed(inner, name)
            finally:
                os.close(inner)


def _removed(folder: int, name: bytes) -> None:
    """Remove a staging folder. A process of the container may move things in it about while we do."""
    for attempt in range(_ATTEMPTS):
        try:
            state = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISDIR(state.st_mode):
                remove_entry(folder, name)
            return
        except FileNotFoundError:
            return
        except OSError:
            if attempt == _ATTEMPTS - 1:
                raise
