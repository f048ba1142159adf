"""``-v``, ``--mount``, ``--tmpfs`` and ``--device``: texts to records of :mod:`conman_kernel.oci.runtime.options`."""

from __future__ import annotations

import posixpath
from typing import Iterable

from ..errors import InvalidInput
from ..oci.runtime.options import Device, MountOption
from ..record import Record
from .sizes import size

_PROPAGATION = frozenset(("shared", "rshared", "slave", "rslave", "private", "rprivate", "unbindable", "runbindable"))
_FLAGS = frozenset(("ro", "rw", "suid", "nosuid", "dev", "nodev", "exec", "noexec"))
_BIND = _PROPAGATION | _FLAGS | {"bind", "rbind", "U", "O"}
_VOLUME = _BIND | {"copy", "nocopy"}
_TMPFS = frozenset(("ro", "rw", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "tmpcopyup", "notmpcopyup", "U",
                    "noatime", "relatime", "strictatime", "nodiratime", "sync", "async"))
_TMPFS_KEYS = frozenset(("size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "huge", "mpol"))
_WITHOUT_EFFECT = frozenset(("z", "Z", "", "cached", "delegated", "consistent"))
"""SELinux labels, on a host without it; docker's words for the file sharing of its desktop."""

_GROUPS = (("ro", "rw"), ("suid", "nosuid"), ("dev", "nodev"), ("exec", "noexec"), ("bind", "rbind"), ("copy", "nocopy"),
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


def _options(words: Iterable[str], known: frozenset[str], text: str) -> tuple[str, ...]:
    kept: list[str] = []
    for word in words:
        if word in _WITHOUT_EFFECT:
            continue
        if word == "idmap" or word.startswith("idmap="):
            raise InvalidInput(f"invalid mount {text!r}: conman does not offer the option idmap")
        if word not in known:
            raise InvalidInput(f"invalid mount {text!r}: unknown option {word!r}")
        kept.append(word)
    return _agree(kept, text)


def _host_path(source: str, text: str) -> str:
    if not source.startswith("/"):
        raise InvalidInput(f"invalid mount {text!r}: a bind mount needs an absolute source on the host")
    return posixpath.normpath(source)


def _volume_name(source: str, text: str) -> str:
    """A volume's name; the empty one stands for an anonymous volume."""
    if source:
        from ..volumes.options import check_name

        try:
            check_name(source)
        except InvalidInput as error:
            raise InvalidInput(f"invalid mount {text!r}: {error.message}", hint=error.hint) from None
    return source


def volume(text: str) -> MountOption:
    """``-v``: ``/host:/container[:options]`` is a bind mount, ``NAME:/container[:options]`` a volume, ``/container`` alone an
    anonymous one.

    :raises InvalidInput: malformed, or a name that no volume can have.
    """
    parts = text.split(":")
    if len(parts) > 3 or not all(parts):
        raise InvalidInput(f"invalid volume {text!r}: [HOST-PATH|NAME:]CONTAINER-PATH[:OPTIONS]")
    if len(parts) == 1:
        return MountOption("volume", "", _target(text, text))
    source, target = parts[0], _target(parts[1], text)
    words = parts[2].split(",") if len(parts) == 3 else []
    if source.startswith("/"):
        return MountOption("bind", posixpath.normpath(source), target, _options(words, _BIND, text))
    if source.startswith((".", "~")):
        raise InvalidInput(f"invalid volume {text!r}: the host path must be absolute")
    return MountOption("volume", _volume_name(source, text), target, _options(words, _VOLUME, text))


def _tmpfs_options(words: Iterable[str], text: str) -> tuple[str, ...]:
    kept: list[str] = []
    for word in words:
        key, equals, value = word.partition("=")
        if word in _WITHOUT_EFFECT:
            continue
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
    if not equals or value.lower() in ("true", "1"):
        return True
    if value.lower() in ("false", "0"):
        return False
    raise InvalidInput(f"invalid mount {text!r}: {value!r} is neither true nor false")


_SWITCHES = {
    "ro": ("ro", "rw"), "readonly": ("ro", "rw"), "rw": ("rw", "ro"), "readwrite": ("rw", "ro"),
    "U": ("U", ""), "chown": ("U", ""),
    "suid": ("suid", "nosuid"), "nosuid": ("nosuid", "suid"), "dev": ("dev", "nodev"), "nodev": ("nodev", "dev"),
    "exec": ("exec", "noexec"), "noexec": ("noexec", "exec"), "bind-nonrecursive": ("bind", "rbind"),
    "volume-nocopy": ("nocopy", "copy"), "nocopy": ("nocopy", "copy"), "copy": ("copy", "nocopy"), "O": ("O", ""),
    "tmpcopyup": ("tmpcopyup", "notmpcopyup"), "notmpcopyup": ("notmpcopyup", "tmpcopyup"), "z": ("", ""), "Z": ("", ""),
}
"""Key of ``--mount`` that is true, false, or stands alone -> the option where it is true, and where it is false."""


def _option(key: str, equals: str, value: str, text: str) -> str:
    """One word of ``--mount`` that is an option, as fstab says it; empty for one without effect."""
    if key in _SWITCHES:
        return _SWITCHES[key][not _truth(value, equals, text)]
    if key in ("bind-propagation", "propagation"):
        if value not in _PROPAGATION:
            raise InvalidInput(f"invalid mount {text!r}: unknown propagation {value!r}")
        return value
    if key == "bind-recursive" and value in ("enabled", "disabled"):
        return "rbind" if value == "enabled" else "bind"
    if key in ("tmpfs-size", "tmpfs-mode"):
        return f"{key[6:]}={value}"
    if key == "relabel" and value in ("shared", "private"):
        return ""
    if key == "consistency" and value in ("default", "consistent", "cached", "delegated"):
        return ""
    if key == "subpath" or key == "volume-subpath":
        raise InvalidInput(f"invalid mount {text!r}: conman does not offer {key}", hint="mount the whole volume")
    return f"{key}={value}" if equals else key


class _Words(Record):
    """``--mount``, taken apart. ``volume_options`` and ``volume_labels``: of a volume that is made for it."""

    kind: str
    source: str
    target: str
    options: tuple[str, ...]
    volume_options: tuple[tuple[str, str], ...]
    volume_labels: tuple[tuple[str, str], ...]


def _words(text: str) -> _Words:
    kind, source, target = "volume", "", ""
    options: list[str] = []
    made: dict[str, dict[str, str]] = {"volume-opt": {}, "volume-label": {}}
    for word in _fields(text):
        key, equals, value = word.partition("=")
        if key == "type":
            kind = value
        elif key in ("source", "src"):
            source = value
        elif key in ("target", "destination", "dst"):
            target = value
        elif key in made:
            name, _, said = value.partition("=")
            if not name:
                raise InvalidInput(f"invalid mount {text!r}: {key}=NAME=VALUE")
            made[key][name] = said
        elif key == "volume-driver":
            if value != "local":
                raise InvalidInput(f"invalid mount {text!r}: no volume driver {value!r}", hint="there is local")
        elif key:
            options.append(_option(key, equals, value, text))
    if not target:
        raise InvalidInput(f"invalid mount {text!r}: must set volume destination", hint="target=/path")
    return _Words(kind, source, _target(target, text), tuple(option for option in options if option),
                  tuple(made["volume-opt"].items()), tuple(made["volume-label"].items()))


def _fields(text: str) -> list[str]:
    """The fields of one line of CSV, as docker and podman split it: a quoted one may hold commas (``"volume-opt=o=a,b"``)."""
    if '"' not in text:
        return text.split(",")
    import csv

    try:
        return next(csv.reader([text], strict=True))
    except csv.Error as error:
        raise InvalidInput(f"invalid mount {text!r}: {error}") from None


def mount(text: str) -> MountOption:
    """``--mount type=bind,source=/host,target=/container[,ro,bind-propagation=rslave]``,
    ``type=volume[,source=NAME],target=/x[,volume-opt=type=tmpfs,...]``, ``type=tmpfs,target=/x[,tmpfs-size=64m,tmpfs-mode=1777]``
    or ``type=devpts,target=/dev/pts``. Without a type it is a volume.

    :raises InvalidInput: malformed, or an unknown key.
    """
    words = _words(text)
    if words.kind != "volume" and (words.volume_options or words.volume_labels):
        raise InvalidInput(f"invalid mount {text!r}: volume-opt and volume-label are for type=volume")
    if words.kind in ("tmpfs", "devpts") and words.source:
        raise InvalidInput(f"invalid mount {text!r}: a {words.kind} has no source")
    if words.kind == "volume":
        return MountOption("volume", _volume_name(words.source, text), words.target, _options(words.options, _VOLUME, text),
                           words.volume_labels, words.volume_options)
    if words.kind == "tmpfs":
        return MountOption("tmpfs", "", words.target, _tmpfs_options(words.options, text))
    if words.kind == "devpts":
        return MountOption("devpts", "", words.target, _devpts_options(words.options, text))
    if words.kind != "bind":
        raise InvalidInput(f"invalid mount {text!r}: the type {words.kind!r} is not bind, volume, tmpfs or devpts")
    return MountOption("bind", _host_path(words.source, text), words.target, _options(words.options, _BIND, text))


def _devpts_options(words: Iterable[str], text: str) -> tuple[str, ...]:
    kept = []
    for word in words:
        key, _, value = word.partition("=")
        if word not in ("ro", "rw") and not (key in ("uid", "gid", "mode", "max") and value.isascii() and value.isdigit()):
            raise InvalidInput(f"invalid mount {text!r}: unknown option {word!r}")
        kept.append(word)
    return tuple(kept)


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
