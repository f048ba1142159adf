"""``-v``, ``--mount``, ``--tmpfs`` and ``--device``: texts to records of :mod:`conman_kernel.oci.runtime.options`."""

from __future__ import annotations

import posixpath

from ..errors import InvalidInput
from ..oci.runtime.options import Device, MountOption
from .sizes import size

_LATER = "named volumes arrive with conman 0.2 (the release with volumes and networks); use an absolute host path"
_PROPAGATION = frozenset(("shared", "rshared", "slave", "rslave", "private", "rprivate"))
_BIND = _PROPAGATION | {"ro", "rw", "bind", "rbind", "suid", "nosuid", "dev", "nodev", "exec", "noexec"}
_TMPFS = frozenset(("ro", "rw", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "tmpcopyup", "notmpcopyup",
                    "noatime", "relatime", "strictatime", "nodiratime", "sync", "async"))
_TMPFS_KEYS = frozenset(("size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "huge", "mpol"))
_GROUPS = (("ro", "rw"), ("suid", "nosuid"), ("dev", "nodev"), ("exec", "noexec"), ("bind", "rbind"),
           tuple(sorted(_PROPAGATION)))


def _target(path: str, text: str) -> str:
    clean = posixpath.normpath(path) if path else ""
    if not path.startswith("/") or clean in ("/", "//") or "\0" in path:
        raise InvalidInput(f"invalid mount {text!r}: the path in the container must be absolute and not /")
    return clean


def _agree(options: list[str], text: str) -> tuple[str, ...]:
    for group in _GROUPS:
        both = [o for o in dict.fromkeys(options) if o in group]
        if len(both) > 1:
            raise InvalidInput(f"invalid mount {text!r}: {both[0]} and {both[1]} exclude each other")
    return tuple(dict.fromkeys(options))


def _bind_options(words: list[str], text: str) -> tuple[str, ...]:
    kept: list[str] = []
    for word in words:
        if word in ("z", "Z", ""):
            # SELinux labels: nothing to do on a host without it.
            continue
        if word in ("U", "O", "idmap", "copy", "nocopy"):
            raise InvalidInput(f"invalid mount {text!r}: conman does not offer the option {word}")
        if word not in _BIND:
            raise InvalidInput(f"invalid mount {text!r}: unknown option {word!r}")
        kept.append(word)
    return _agree(kept, text)


def volume(text: str) -> MountOption:
    """``-v /host:/container[:options]``: a bind mount.

    :raises InvalidInput: malformed, or a named or anonymous volume.
    """
    parts = text.split(":")
    if len(parts) > 3 or not all(parts):
        raise InvalidInput(f"invalid volume {text!r}: HOST-PATH:CONTAINER-PATH[:OPTIONS]")
    if len(parts) == 1:
        raise InvalidInput(f"cannot make an anonymous volume for {text!r}: {_LATER}")
    source, target = parts[0], parts[1]
    if not source.startswith("/"):
        if source.startswith((".", "~")):
            raise InvalidInput(f"invalid volume {text!r}: the host path must be absolute")
        raise InvalidInput(f"cannot use the named volume {source!r}: {_LATER}")
    words = parts[2].split(",") if len(parts) == 3 else []
    return MountOption("bind", posixpath.normpath(source), _target(target, text), _bind_options(words, text))


def _tmpfs_options(words: list[str], text: str) -> tuple[str, ...]:
    kept: list[str] = []
    for word in words:
        key, equals, value = word.partition("=")
        if key == "size" and not value.endswith("%"):
            try:
                kept.append(f"size={size(value)}")
            except InvalidInput as error:
                raise InvalidInput(f"invalid tmpfs {text!r}: {error}") from error
        elif word in _TMPFS or word in _PROPAGATION or (key in _TMPFS_KEYS and equals and value):
            if key == "mode" and (not value.isascii() or value.strip("01234567")):
                raise InvalidInput(f"invalid tmpfs {text!r}: mode must be octal, such as 1777")
            kept.append(word)
        else:
            raise InvalidInput(f"invalid tmpfs {text!r}: unknown option {word!r}")
    return _agree(kept, text)


def tmpfs(text: str) -> MountOption:
    """``--tmpfs /path[:size=64m,mode=1777,ro,...]``."""
    target, _, options = text.partition(":")
    return MountOption("tmpfs", "", _target(target, text), _tmpfs_options(options.split(",") if options else [], text))


def _truth(value: str, equals: str, text: str) -> bool:
    if not equals or value in ("true", "1"):
        return True
    if value in ("false", "0"):
        return False
    raise InvalidInput(f"invalid mount {text!r}: {value!r} is neither true nor false")


def _option(key: str, equals: str, value: str, text: str) -> list[str]:
    """One word of ``--mount`` that is an option, as fstab says it."""
    if key in ("ro", "readonly"):
        return ["ro" if _truth(value, equals, text) else "rw"]
    if key in ("rw",):
        return ["rw" if _truth(value, equals, text) else "ro"]
    if key in ("bind-propagation", "propagation"):
        if value not in _PROPAGATION:
            raise InvalidInput(f"invalid mount {text!r}: unknown propagation {value!r}")
        return [value]
    if key == "bind-nonrecursive":
        return ["bind" if _truth(value, equals, text) else "rbind"]
    if key in ("tmpfs-size", "tmpfs-mode"):
        return [f"{key[6:]}={value}"]
    if key in ("z", "Z", "relabel"):
        return []
    return [f"{key}={value}" if equals else key]


def mount(text: str) -> MountOption:
    """``--mount type=bind,source=/host,target=/container[,ro,bind-propagation=rslave]`` or
    ``type=tmpfs,target=/x[,tmpfs-size=64m,tmpfs-mode=1777]``. Without a type it is a volume.

    :raises InvalidInput: malformed, an unknown key, or a volume.
    """
    kind, source, target = "volume", "", ""
    words: list[str] = []
    for word in text.split(","):
        key, equals, value = word.partition("=")
        if key == "type":
            kind = value
        elif key in ("source", "src"):
            source = value
        elif key in ("target", "destination", "dst"):
            target = value
        elif key:
            words += _option(key, equals, value, text)
    if kind == "volume":
        raise InvalidInput(f"cannot use {text!r}: {_LATER}", hint="write type=bind")
    if kind == "tmpfs":
        if source:
            raise InvalidInput(f"invalid mount {text!r}: a tmpfs has no source")
        return MountOption("tmpfs", "", _target(target, text), _tmpfs_options(words, text))
    if kind != "bind":
        raise InvalidInput(f"invalid mount {text!r}: the type {kind!r} is not bind or tmpfs")
    if not source.startswith("/"):
        raise InvalidInput(f"invalid mount {text!r}: a bind mount needs an absolute source on the host")
    return MountOption("bind", posixpath.normpath(source), _target(target, text), _bind_options(words, text))


def is_named(text: str) -> bool:
    """Whether ``--device`` names a device instead of a path: ``vendor.com/class=name`` (Container Device Interface)."""
    kind, equals, name = text.partition("=")
    return bool(equals and name) and "/" in kind and not text.startswith("/")


def device(text: str) -> Device:
    """``--device /dev/host[:/dev/container][:rwm]``. A folder stands for the devices in it."""
    parts = text.split(":")
    if not 1 <= len(parts) <= 3 or not parts[0].startswith("/"):
        raise InvalidInput(f"invalid device {text!r}: HOST-PATH[:CONTAINER-PATH][:rwm]")
    source, rest = parts[0], parts[1:]
    permissions = "rwm"
    if rest and not rest[-1].startswith("/"):
        permissions = rest.pop()
    if not permissions or set(permissions) - set("rwm") or len(set(permissions)) != len(permissions) or len(rest) > 1:
        raise InvalidInput(f"invalid device {text!r}: permissions are made of r, w and m")
    return Device(posixpath.normpath(source), _target(rest[0] if rest else source, text), permissions)
