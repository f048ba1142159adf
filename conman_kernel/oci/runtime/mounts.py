"""The mounts of a container (runtime-spec, config.md, "Mounts"): podman's defaults, the bundle's files, the
caller's."""

from __future__ import annotations

import posixpath

from ...errors import InvalidInput
from .options import ContainerOptions, MountOption
from .process import INIT_TARGET
from .request import SpecRequest

DEFAULT_SHM_SIZE = 64 << 20
READ_ONLY_TMPFS = ("/run", "/tmp", "/var/tmp")
TMPFS_DEFAULTS = ("rw", "rprivate", "nosuid", "nodev", "tmpcopyup")
BIND_DEFAULTS = ("rw", "rprivate", "rbind")
VOLUME_DEFAULTS = ("rw", "rprivate", "nosuid", "nodev", "rbind")
_NOT_THE_RUNTIMES = frozenset(("copy", "nocopy", "U", "O", "z", "Z"))
PROPAGATIONS = frozenset(("shared", "rshared", "slave", "rslave", "private", "rprivate", "unbindable", "runbindable"))
_OPPOSITES = (("ro", "rw"), ("suid", "nosuid"), ("dev", "nodev"), ("exec", "noexec"), ("tmpcopyup", "notmpcopyup"))

Mount = dict[str, object]


def _mount(target: str, kind: str, source: str, *options: str) -> Mount:
    return {"destination": target, "type": kind, "source": source, "options": list(options)}


def _shm(request: SpecRequest) -> Mount:
    options = request.options
    if request.shm_path or options.ipc == "host":
        return _mount("/dev/shm", "bind", request.shm_path or "/dev/shm",
                      "bind", "rprivate", "nosuid", "noexec", "nodev")
    size = options.shm_size or DEFAULT_SHM_SIZE
    return _mount("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777", f"size={size}")


def default_mounts(request: SpecRequest) -> list[Mount]:
    """What every container has: kernel file systems, devices, shared memory, its cgroup."""
    access = "rw" if request.options.privileged else "ro"
    return [
        _mount("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
        _mount("/dev", "tmpfs", "tmpfs", "nosuid", "noexec", "strictatime", "mode=755", "size=65536k"),
        _mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", access),
        _mount("/dev/pts", "devpts", "devpts",
               "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
        _mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
        _shm(request),
        _mount("/sys/fs/cgroup", "cgroup", "cgroup", "rprivate", "nosuid", "noexec", "nodev", "relatime", access),
    ]


def _bundle_mounts(request: SpecRequest) -> list[Mount]:
    extra = ("ro", "nosuid", "noexec", "nodev") if request.options.read_only else ()
    mounts = [_mount(f.target, "bind", f.source, "bind", "rprivate", *extra) for f in request.files]
    if request.options.init:
        if not request.init_path:
            raise InvalidInput("an init was asked for, and no init binary was found",
                               hint="apt-get install catatonit (or tini)")
        mounts.append(_mount(INIT_TARGET, "bind", request.init_path, "bind", "rprivate", "ro"))
    return mounts


def _with_defaults(asked: tuple[str, ...], defaults: tuple[str, ...]) -> list[str]:
    """Add the defaults that the asked options do not speak about."""
    has = set(asked)
    result = list(asked)
    for default in defaults:
        if default == "rprivate":
            silent = not has & PROPAGATIONS
        elif default == "rbind":
            silent = not has & {"bind", "rbind"}
        else:
            pair = next((p for p in _OPPOSITES if default in p), (default,))
            silent = not has & set(pair)
        if silent:
            result.append(default)
    return result


def mount_options(mount: MountOption) -> list[str]:
    """A mount's options with podman's defaults: bind ``rw rprivate rbind``, a volume ``rw rprivate nosuid nodev rbind``, tmpfs
    ``rw rprivate nosuid nodev tmpcopyup``; without those that are conman's own affair (``nocopy``, ``U``, ``O``)."""
    options = tuple(option for option in mount.options if option not in _NOT_THE_RUNTIMES)
    if mount.type == "tmpfs":
        return [option for option in _with_defaults(options, TMPFS_DEFAULTS) if option != "notmpcopyup"]
    if mount.type == "devpts":
        return _devpts(options)
    return _with_defaults(options, VOLUME_DEFAULTS if mount.type == "volume" else BIND_DEFAULTS)


def _devpts(options: tuple[str, ...]) -> list[str]:
    defaults = ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5")
    given = {option.partition("=")[0] for option in options}
    return [*options, *(default for default in defaults if default.partition("=")[0] not in given)]


def user_mount(mount: MountOption) -> Mount:
    """One mount that the caller asked for, with podman's defaults.

    :param mount: the source of a volume is its folder on the host by now.
    :raises InvalidInput: a relative path, the target ``/``, or an unknown type.
    """
    target = posixpath.normpath(mount.target)
    if not mount.target.startswith("/") or target in ("/", "//"):
        raise InvalidInput(f"invalid container path {mount.target!r}: it must be absolute and not /")
    if mount.type in ("tmpfs", "devpts"):
        return _mount(target, mount.type, mount.type, *mount_options(mount))
    if mount.type not in ("bind", "volume"):
        raise InvalidInput(f"invalid mount type {mount.type!r}: bind, volume, tmpfs or devpts")
    if mount.type == "bind" and not mount.source.startswith("/"):
        raise InvalidInput(f"invalid mount source {mount.source!r}: it must be an absolute path on the host")
    return _mount(target, "bind", mount.source, *mount_options(mount))


def build_mounts(request: SpecRequest) -> list[Mount]:
    """All mounts, a parent before what lies in it. The caller's win over conman's at the same target.

    :raises InvalidInput: see :func:`user_mount`; two of the caller's mounts have one target.
    """
    asked: dict[str, Mount] = {}
    for option in request.options.mounts:
        mount = user_mount(option)
        target = str(mount["destination"])
        if target in asked:
            raise InvalidInput(f"{target}: duplicate mount destination")
        asked[target] = mount
    # A caller's own /dev, /proc or /sys comes with whatever it has inside; conman adds nothing to it.
    covered = tuple(t + "/" for t in ("/dev", "/proc", "/sys") if t in asked and asked[t]["type"] == "bind")
    chosen: dict[str, Mount] = {}
    for mount in default_mounts(request) + _bundle_mounts(request):
        if not str(mount["destination"]).startswith(covered):
            chosen[str(mount["destination"])] = mount
    if request.options.read_only:
        for target in READ_ONLY_TMPFS:
            chosen[target] = _mount(target, "tmpfs", "tmpfs", *TMPFS_DEFAULTS)
    chosen.update(asked)
    return sorted(chosen.values(), key=lambda m: str(m["destination"]).count("/"))


def rootfs_propagation(options: ContainerOptions) -> str:
    """What the root mount must be for the caller's mounts to propagate as asked; empty: the runtime's default."""
    asked = {o for m in options.mounts for o in m.options}
    if asked & {"shared", "rshared"}:
        return "shared"
    return "rslave" if asked & {"slave", "rslave"} else ""
