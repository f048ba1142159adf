"""A container's file systems: mounted beneath its root, whose symlinks lead nowhere else, then made the only ones there are."""

from __future__ import annotations

import os
import shutil
import stat

from . import linux
from .failure import Failure
from .spec import Json

FLAGS = {"ro": linux.RDONLY, "nosuid": linux.NOSUID, "nodev": linux.NODEV, "noexec": linux.NOEXEC, "sync": 16, "noatime": 1024,
         "nodiratime": 2048, "relatime": 1 << 21, "strictatime": 1 << 24, "bind": linux.BIND, "rbind": linux.BIND | linux.REC}
NO_FLAG = {"rw", "suid", "dev", "exec", "async", "defaults", "private", "rprivate", "slave", "rslave", "nocopy"}
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
         "ptmx": "pts/ptmx"}


def enter(spec: Json, bundle: str) -> None:
    """Mount everything, and make it this process's root. In a mount namespace of its own."""
    root = os.path.join(bundle, spec["root"]["path"])
    linux.mount("", "/", "", linux.SLAVE | linux.REC)
    linux.mount(root, root, "", linux.BIND | linux.REC)
    linux.mount("", root, "", linux.PRIVATE | linux.REC)
    fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    for one in spec.get("mounts") or ():
        _mount(fd, one)
    _devices(fd, spec)
    os.fchdir(fd)
    os.close(fd)
    linux.pivot_root(".", ".")
    linux.umount(".", linux.DETACH)
    os.chdir("/")


def finish(spec: Json) -> None:
    """What is hidden and what is read only; after `enter`."""
    found = spec.get("linux") or {}
    for key, value in (found.get("sysctl") or {}).items():
        fd = os.open(f"/proc/sys/{key.replace('.', '/')}", os.O_WRONLY | os.O_CLOEXEC)  # not open(): it may want to import
        os.write(fd, value.encode())
        os.close(fd)
    for path in found.get("readonlyPaths") or ():
        if os.path.exists(path):
            linux.mount(path, path, "", linux.BIND | linux.REC)
            _remount_read_only(path)
    for path in found.get("maskedPaths") or ():
        if os.path.isdir(path):
            linux.mount("tmpfs", path, "tmpfs", linux.RDONLY, "size=0")
        elif os.path.exists(path):
            linux.mount("/dev/null", path, "", linux.BIND)
    if spec["root"].get("readonly"):
        _remount_read_only("/")


def _remount_read_only(path: str) -> None:
    kept = os.statvfs(path).f_flag & (linux.NOSUID | linux.NODEV | linux.NOEXEC)
    linux.mount("", path, "", linux.BIND | linux.REMOUNT | linux.RDONLY | kept)


def _mount(root: int, one: Json) -> None:
    flags, data, copy_up = 0, [], False
    for option in one.get("options") or ():
        if option in FLAGS:
            flags |= FLAGS[option]
        elif option in ("shared", "rshared", "unbindable", "runbindable") or option.startswith(("idmap", "ridmap")):
            raise Failure(f"cannot mount {one['destination']} with the option {option}")
        elif option == "tmpcopyup":
            copy_up = True
        elif option not in NO_FLAG:
            data.append(option)
    kind, source = one.get("type") or "bind", one.get("source") or "none"
    if kind == "cgroup":  # no hierarchy is this container's: an empty folder says so
        kind, source, data = "tmpfs", "tmpfs", ["size=0"]
    bind = bool(flags & linux.BIND) or kind == "bind"
    folder = not bind or os.path.isdir(source)
    target = _target(root, one["destination"], folder=folder)
    try:
        shown = f"/proc/self/fd/{target}"
        if not bind:
            linux.mount(source, shown, kind, flags, ",".join(data))
            if copy_up:  # through the old descriptor one still sees what lies below the mount
                above = _target(root, one["destination"], folder=True)
                _copy(shown, f"/proc/self/fd/{above}")
                os.close(above)
            return
        linux.mount(source, shown, "", linux.BIND | (flags & linux.REC))
    finally:
        os.close(target)
    target = _target(root, one["destination"], folder=folder)  # what is mounted now, not what lay there
    try:
        shown = f"/proc/self/fd/{target}"
        linux.mount("", shown, "", linux.PRIVATE | linux.REC)
        if flags & ~(linux.BIND | linux.REC):
            linux.mount("", shown, "", (flags & ~linux.REC) | linux.BIND | linux.REMOUNT)
    finally:
        os.close(target)


def _copy(source: str, target: str) -> None:
    """Copy what a folder holds, and its own attributes."""
    for entry in os.scandir(source):
        new, state = f"{target}/{entry.name}", entry.stat(follow_symlinks=False)
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), new)
        elif entry.is_dir():
            os.mkdir(new)
            _copy(entry.path, new)
            continue
        elif entry.is_file():
            shutil.copyfile(entry.path, new)
        else:
            os.mknod(new, state.st_mode, state.st_rdev)
        os.chown(new, state.st_uid, state.st_gid, follow_symlinks=False)
        if not entry.is_symlink():
            shutil.copystat(entry.path, new)
    state = os.stat(source)
    os.chown(target, state.st_uid, state.st_gid)
    shutil.copystat(source, target)


def _target(root: int, path: str, *, folder: bool) -> int:
    """The place beneath the root, made where it does not exist."""
    try:
        return linux.open_in_root(root, path, os.O_PATH)
    except FileNotFoundError:
        pass
    above, name = os.path.split(path.rstrip("/"))
    parent = _target(root, above, folder=True) if above not in ("", "/") else os.dup(root)
    try:
        inside = linux.open_in_root(root, above or "/", os.O_RDONLY | os.O_DIRECTORY)
        try:
            if folder:
                os.mkdir(name, 0o755, dir_fd=inside)
            else:
                os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=inside))
        finally:
            os.close(inside)
    finally:
        os.close(parent)
    return linux.open_in_root(root, path, os.O_PATH)


def _devices(root: int, spec: Json) -> None:
    dev = linux.open_in_root(root, "/dev", os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name, (major, minor) in DEVICES.items():
            _node(dev, name, stat.S_IFCHR | 0o666, os.makedev(major, minor))
        for name, target in LINKS.items():
            if name != "ptmx" or os.path.isdir(f"/proc/self/fd/{dev}/pts"):
                try:
                    os.symlink(target, name, dir_fd=dev)
                except FileExistsError:
                    continue
    finally:
        os.close(dev)
    for one in (spec.get("linux") or {}).get("devices") or ():
        kind = {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}[one["type"]]
        above = _target(root, os.path.dirname(one["path"]), folder=True)
        try:
            name = f"{os.path.basename(one['path'])}"
            _node(above, name, kind | one.get("fileMode", 0o666), os.makedev(one.get("major", 0), one.get("minor", 0)))
            os.chown(name, one.get("uid", 0), one.get("gid", 0), dir_fd=above, follow_symlinks=False)
        finally:
            os.close(above)


def _node(folder: int, name: str, mode: int, device: int) -> None:
    before = os.umask(0)
    try:
        os.mknod(name, mode, device, dir_fd=folder)
    except FileExistsError:
        return
    finally:
        os.umask(before)
