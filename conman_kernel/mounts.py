"""mount(2) and umount2(2), as the storage drivers' :class:`~conman_kernel.slots.storage.Mount` records ask for them.

Sources: mount(2), umount2(2), fsopen(2), the kernel's Documentation/filesystems/overlayfs.rst.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Iterable, Sequence

from .errors import NotFound, Unavailable

if TYPE_CHECKING:
    import ctypes

    from .slots.storage import Mount

_FLAGS = {
    "ro": 1, "nosuid": 2, "nodev": 4, "noexec": 8, "sync": 16, "remount": 32, "noatime": 1024, "nodiratime": 2048,
    "bind": 4096, "rbind": 4096 | 16384, "relatime": 1 << 21, "strictatime": 1 << 24,
}
_PROPAGATION = {"unbindable": 1 << 17, "private": 1 << 18, "slave": 1 << 19, "shared": 1 << 20}
_NO_FLAG = frozenset(("rw", "defaults", "suid", "dev", "exec", "async"))
_RDONLY, _REMOUNT, _BIND, _REC = 1, 32, 4096, 16384
_DETACH, _NOFOLLOW = 2, 8
_PAGE = 4095  # mount(2) copies one page, its last byte is always zero
_MOVE_MOUNT, _FSOPEN, _FSCONFIG, _FSMOUNT = 429, 430, 431, 432  # of every architecture
_SET_FLAG, _SET_STRING, _CREATE = 0, 1, 6
_AT_FDCWD, _EMPTY_PATH = -100, 4
_SETTING = 256  # bytes of one value that fsconfig(2) takes, its last one zero
_CLONE_FS, _CLONE_NEWNS = 0x200, 0x20000
_MAX_STACK = 500  # OVL_MAX_STACK
_ATTRIBUTES = {1: 1, 2: 2, 4: 4, 8: 8, 1024: 0x10}  # MS_* -> MOUNT_ATTR_*


def mount_all(mounts: Sequence[Mount], target: str) -> None:
    """Make the mounts, in order, on the existing folder ``target``; if one fails, those before it are undone.

    :raises Unavailable: the kernel refuses; the message has its words. :raises NotFound: ``target`` does not exist.
    """
    done = 0
    try:
        for mount in mounts:
            _mount(mount, target)
            done += 1
    except BaseException:
        for _ in range(done):
            _umount(target, _DETACH | _NOFOLLOW)
        raise


def is_mounted(path: str) -> bool:
    """True where something is mounted at ``path``; False also where there is no such path."""
    try:
        here = os.open(path, os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return False
        raise Unavailable(f"cannot look at {path}: {os.strerror(error.errno or 0).lower()}") from error
    try:
        # ".." of a mount's root lies in the mount it stands on; elsewhere both are in one
        try:
            above = os.open("..", os.O_PATH | os.O_CLOEXEC, dir_fd=here)
        except NotADirectoryError:
            above = os.open(os.path.dirname(os.path.abspath(path)), os.O_PATH | os.O_CLOEXEC)
        try:
            return mount_id(here) != mount_id(above)
        finally:
            os.close(above)
    finally:
        os.close(here)


def unmount(path: str) -> None:
    """Take away every mount at ``path``, lazily where it is busy. Nothing mounted or no such path is no error.

    :raises Unavailable: the kernel refuses.
    """
    while True:
        number = _umount(path, _NOFOLLOW)
        if number == errno.EBUSY:
            number = _umount(path, _DETACH | _NOFOLLOW)
        if number in (errno.EINVAL, errno.ENOENT, errno.ENOTDIR):
            if number == errno.EINVAL and is_mounted(path):
                raise Unavailable(f"cannot unmount {path}: the mount belongs to another namespace")
            return
        if number:
            raise _refused(number, f"cannot unmount {path}")


def make_read_only(path: str) -> None:
    """Let nothing be written through the mount at ``path``, whoever else may write its file system.

    :raises Unavailable: the kernel refuses.
    """
    _call_mount("", path, "", _REMOUNT | _BIND | _RDONLY, "")


def private_namespace() -> None:
    """Give the calling thread a mount namespace of its own, in which it mounts what nobody else sees. For a worker's main thread:
    a library must not do that to its caller.

    :raises Unavailable: the kernel refuses.
    """
    import ctypes

    if _libc().unshare(_CLONE_NEWNS):
        raise _refused(ctypes.get_errno(), "cannot make a mount namespace")
    _call_mount("", "/", "", _REC | _PROPAGATION["private"], "")


def split_options(options: Iterable[str]) -> tuple[int, int, list[str]]:
    """fstab options as MS_* flags, MS_* propagation, and what is the file system's own."""
    flags, propagation, data = 0, 0, []
    for option in options:
        recursive = option.startswith("r") and option[1:] in _PROPAGATION
        name = option[1:] if recursive else option
        if name in _PROPAGATION:
            propagation = _PROPAGATION[name] | (_REC if recursive else 0)
        elif option in _FLAGS:
            flags |= _FLAGS[option]
        elif option not in _NO_FLAG:
            data.append(option)
    return flags, propagation, data


def split_lower(value: str) -> list[str]:
    """The folders of an overlay's ``lowerdir=`` value, unescaped."""
    folders, current, escaped = [], "", False
    for character in value:
        if escaped or character not in "\\:":
            current += character
            escaped = False
        elif character == "\\":
            escaped = True
        else:
            folders.append(current)
            current = ""
    return [*folders, current]


def _mount(mount: Mount, target: str) -> None:
    if "loop" in mount.options:
        from .loop import attached

        options = tuple(option for option in mount.options if option != "loop")
        with attached(mount.source, read_only="ro" in options) as device:
            _mount(mount._replace(source=device, options=options), target)
        return
    flags, propagation, data = split_options(mount.options)
    kind = mount.type
    if kind == "bind":
        flags |= 0 if flags & _BIND else _BIND
        kind = ""
    text = ",".join(data)
    if kind == "overlay" and len(os.fsencode(text)) > _PAGE:
        _mount_long_overlay(mount.source, target, flags, data)
    else:
        _call_mount(mount.source, target, kind, flags & (_BIND | _REC) if flags & _BIND else flags, text)
    try:
        if flags & _BIND and flags & ~(_BIND | _REC):
            _call_mount("", target, "", (flags & ~_REC) | _REMOUNT, "")
        if propagation:
            _call_mount("", target, "", propagation, "")
    except BaseException:
        _umount(target, _DETACH | _NOFOLLOW)
        raise


def _mount_long_overlay(source: str, target: str, flags: int, data: list[str]) -> None:
    """More than a page of options: one fsconfig per lower folder (Linux 6.5), or the shortest names there are."""
    folders: list[tuple[str, str]] = []
    other: list[str] = []
    for option in data:
        key, _, value = option.partition("=")
        if key in ("lowerdir", "upperdir", "workdir"):
            folders += [(key, folder) for folder in split_lower(value)]
        else:
            other.append(option)
    lower = sum(key == "lowerdir" for key, _ in folders)
    if lower > _MAX_STACK:
        raise Unavailable(f"cannot mount overlay on {target}: {lower} lower folders are more than the {_MAX_STACK} that "
                          "overlayfs takes", hint="use the vfs-storage driver")
    fds: list[int] = []
    where = target
    try:
        for _, folder in folders:
            where = folder
            fds.append(os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
        opened = [(key, folder, fd) for (key, folder), fd in zip(folders, fds)]
        number = _fsmount_overlay(source, target, flags, opened, other)
        if number in (errno.EINVAL, errno.ENOSYS, errno.EPERM):
            number = _mount_by_numbers(source, target, flags, opened, other)
    except OSError as error:
        raise _refused(error.errno or 0, f"cannot mount overlay on {target}: {where}") from error
    finally:
        for fd in fds:
            os.close(fd)
    if number == errno.E2BIG:
        raise Unavailable(f"cannot mount overlay on {target}: {len(folders)} folders are more than this kernel takes",
                          hint="use Linux 6.5 or newer, or the vfs-storage driver")
    if number:
        raise _refused(number, f"cannot mount overlay on {target}")


def _fsmount_overlay(source: str, target: str, flags: int, folders: list[tuple[str, str, int]], other: list[str]) -> int:
    """Through fsopen(2) and its kin. Returns an errno, 0 for done."""
    import ctypes

    libc = _libc()
    fds: list[int] = []

    def call(number: int, *arguments: int | bytes | None) -> int:
        result = int(libc.syscall(ctypes.c_long(number), *arguments))
        if result < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return result

    settings = [("source", source)]
    for key, folder, fd in folders:
        short = folder if len(os.fsencode(folder)) < _SETTING else f"/proc/self/fd/{fd}"
        settings.append(("lowerdir+" if key == "lowerdir" else key, short))
    try:
        context = call(_FSOPEN, b"overlay", 1)
        fds.append(context)
        for option in other:
            key, equals, value = option.partition("=")
            if equals:
                settings.append((key, value))
            else:
                call(_FSCONFIG, context, _SET_FLAG, os.fsencode(key), None, 0)
        for key, value in settings:
            call(_FSCONFIG, context, _SET_STRING, key.encode(), os.fsencode(value), 0)
        call(_FSCONFIG, context, _CREATE, None, None, 0)
        attributes = sum(new for old, new in _ATTRIBUTES.items() if flags & old)
        made = call(_FSMOUNT, context, 1, attributes)
        fds.append(made)
        call(_MOVE_MOUNT, made, b"", _AT_FDCWD, os.fsencode(target), _EMPTY_PATH)
    except OSError as error:
        return error.errno or errno.EINVAL
    finally:
        for fd in fds:
            os.close(fd)
    return 0


def _mount_by_numbers(source: str, target: str, flags: int, folders: list[tuple[str, str, int]], other: list[str]) -> int:
    """With mount(2), the folders named by their descriptors' numbers alone, relative to /proc/self/fd: 500 layers take half a
    page. A thread of its own has that working directory, the process keeps its own. Returns an errno, 0 for done."""
    import ctypes
    import threading

    settings = list(other)
    for key in ("lowerdir", "upperdir", "workdir"):
        numbers = ":".join(str(fd) for kind, _, fd in folders if kind == key)
        settings += [f"{key}={numbers}"] if numbers else []
    text = os.fsencode(",".join(settings))
    if len(text) > _PAGE:
        return errno.E2BIG
    target = os.path.abspath(target)
    result = [errno.EINVAL]

    def act() -> None:
        libc = _libc()
        failed = (libc.unshare(_CLONE_FS) or libc.chdir(b"/proc/self/fd")
                  or libc.mount(os.fsencode(source), os.fsencode(target), b"overlay", ctypes.c_ulong(flags), text))
        result[0] = ctypes.get_errno() if failed else 0

    thread = threading.Thread(target=act)
    thread.start()
    thread.join()
    return result[0]


def _libc() -> ctypes.CDLL:
    import ctypes  # 4 ms that only those pay who mount

    return ctypes.CDLL(None, use_errno=True)


def _call_mount(source: str, target: str, kind: str, flags: int, data: str) -> None:
    import ctypes

    failed = _libc().mount(os.fsencode(source), os.fsencode(target), kind.encode() or None,
                           ctypes.c_ulong(flags), os.fsencode(data) or None)
    if failed:
        what = kind or ("bind" if flags & _BIND else "change")
        raise _refused(ctypes.get_errno(), f"cannot mount {what} {source} on {target}".replace("  ", " "), target)


def _umount(path: str, flags: int) -> int:
    import ctypes

    return ctypes.get_errno() if _libc().umount2(os.fsencode(path), flags) else 0


def _refused(number: int, doing: str, target: str = "") -> Unavailable | NotFound:
    message = f"{doing}: {os.strerror(number).lower()}"
    if number == errno.ENOENT and target and not os.path.lexists(target):
        return NotFound(message)
    hints = {
        errno.EPERM: "mounting needs root with CAP_SYS_ADMIN",
        errno.ENODEV: "the kernel does not know this file system: is its module loaded?",
        errno.EINVAL: "the kernel's log (dmesg) may say which option or folder it does not take",
    }
    return Unavailable(message, hint=hints.get(number, ""))


def mount_id(fd: int) -> bytes:
    """A line that tells the mount in which an open file or folder lies from others (proc(5), fdinfo)."""
    with open(f"/proc/self/fdinfo/{fd}", "rb") as info:
        return next(line for line in info if line.startswith(b"mnt_id:"))
