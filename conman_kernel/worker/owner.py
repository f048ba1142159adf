"""Another owner for a whole tree, over descriptors: what is renamed meanwhile leads nowhere else."""

from __future__ import annotations

import os
import stat

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def give(top: int, uid: int, gid: int) -> None:
    """Change the owner of a folder and of everything beneath it; symlinks themselves, not what they lead to. Other file systems
    that are mounted there are left alone. What vanishes meanwhile is no error.

    :param top: the folder's descriptor.
    """
    device = os.fstat(top).st_dev
    levels = [(os.open(".", _FOLDER, dir_fd=top), iter(sorted(os.listdir(top))))]
    try:
        while levels:
            folder, names = levels[-1]
            name = next(names, None)
            if name is None:
                os.fchown(folder, uid, gid)
                os.close(levels.pop()[0])
                continue
            try:
                state = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if stat.S_ISDIR(state.st_mode) and state.st_dev == device:
                    inner = os.open(name, _FOLDER, dir_fd=folder)
                    levels.append((inner, iter(sorted(os.listdir(inner)))))
                elif state.st_dev == device and (state.st_uid, state.st_gid) != (uid, gid):
                    os.chown(name, uid, gid, dir_fd=folder, follow_symlinks=False)
            except (FileNotFoundError, NotADirectoryError):
                continue
    finally:
        for folder, _ in levels:
            os.close(folder)
