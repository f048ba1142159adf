"""One CDI file as records (CNCF Container Device Interface, SPEC.md, versions 0.3.0 to 1.0.0). Pure: no I/O.

A field that the specification does not have, or a value of another type, makes the whole file useless: half of what a device
needs is worse than nothing.
"""

from __future__ import annotations

import re
from typing import Callable, Mapping, Sequence, TypeVar

from conman_kernel.errors import InvalidInput
from conman_kernel.oci.runtime.options import MountOption
from conman_kernel.record import Record
from conman_kernel.slots.spec import DeviceNode, Hook, IntelRdt, SpecEdits

VERSIONS = ("0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0")
_VENDOR = re.compile(r"[A-Za-z](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?")
_CLASS = re.compile(r"[A-Za-z](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.:-]*[A-Za-z0-9])?")
_DEFAULT_MOUNT = ("ro", "nosuid", "nodev", "bind")

Table = Mapping[str, object]
T = TypeVar("T")


class CdiDevice(Record):
    """One device: its whole name, and what a container gets with it."""

    name: str
    edits: SpecEdits


class CdiDocument(Record):
    """One file.

    :param kind: ``vendor.com/class``.
    :param devices: in the order of the file. ``edits``: what a container gets with any of them.
    """

    version: str
    kind: str
    devices: tuple[CdiDevice, ...]
    edits: SpecEdits


def is_name(text: str) -> bool:
    """Whether it is ``vendor.com/class=name``."""
    kind, equals, name = text.partition("=")
    return bool(equals) and _is_kind(kind) and _NAME.fullmatch(name) is not None


def _is_kind(text: str) -> bool:
    vendor, slash, of_class = text.partition("/")
    return bool(slash and _VENDOR.fullmatch(vendor) and _CLASS.fullmatch(of_class))


def parse(document: object) -> CdiDocument:
    """Read a document that was JSON or YAML.

    :raises InvalidInput: it is none; the message goes on after the file's name.
    """
    top = _table(document, "it", ("cdiVersion", "kind", "annotations", "devices", "containerEdits"))
    version, kind = _text(top, "cdiVersion", "it").removeprefix("v"), _text(top, "kind", "it")
    if version not in VERSIONS:
        raise InvalidInput(f"has the version {version!r}, which is none of {', '.join(VERSIONS)}")
    if not _is_kind(kind):
        raise InvalidInput(f"has the kind {kind!r}, which is no vendor/class")
    devices: dict[str, CdiDevice] = {}
    for one in _items(top, "devices", "it"):
        table = _table(one, "a device", ("name", "annotations", "containerEdits"))
        name = _text(table, "name", "a device")
        if not _NAME.fullmatch(name):
            raise InvalidInput(f"has a device named {name!r}")
        if name in devices:
            raise InvalidInput(f"has the device {name} twice")
        devices[name] = CdiDevice(f"{kind}={name}", _edits(table.get("containerEdits", {}), f"device {name}"))
    if not devices:
        raise InvalidInput("has no device")
    return CdiDocument(version, kind, tuple(devices.values()), _edits(top.get("containerEdits", {}), "containerEdits"))


def _edits(value: object, where: str) -> SpecEdits:
    table = _table(value, where, ("env", "deviceNodes", "mounts", "hooks", "additionalGids", "intelRdt", "netDevices"))
    if table.get("netDevices"):
        raise InvalidInput(f"has network devices in {where}, which conman cannot move")
    env = [item.partition("=") for item in _texts(table, "env", where)]
    if not all(name and equals for name, equals, _ in env):
        raise InvalidInput(f"has an env in {where} that is no NAME=VALUE")
    groups = _items(table, "additionalGids", where)
    rdt = table.get("intelRdt")
    return SpecEdits(
        env=tuple((name, text) for name, _, text in env),
        mounts=_each(table, "mounts", where, _mount), devices=_each(table, "deviceNodes", where, _node),
        hooks=_each(table, "hooks", where, _hook),
        groups=tuple(_whole(group, f"additionalGids of {where}") for group in groups if group != 0),
        intel_rdt=None if rdt is None else _rdt(rdt, where))


def _node(value: object, where: str) -> DeviceNode:
    table = _table(value, where, ("path", "hostPath", "type", "major", "minor", "fileMode", "permissions", "uid", "gid"))
    numbers = {key: _whole(table[key], f"{key} of {where}") if key in table else -1
               for key in ("major", "minor", "fileMode", "uid", "gid")}
    if table.get("type") == "p":
        raise InvalidInput(f"has a pipe in {where}")
    return DeviceNode(path=_text(table, "path", where), host_path=_text(table, "hostPath", where, ""),
                      type=_text(table, "type", where, ""), major=numbers["major"], minor=numbers["minor"],
                      permissions=_text(table, "permissions", where, "") or "rwm", mode=numbers["fileMode"], uid=numbers["uid"],
                      gid=numbers["gid"])


def _mount(value: object, where: str) -> MountOption:
    table = _table(value, where, ("hostPath", "containerPath", "options", "type"))
    type = _text(table, "type", where, "") or "bind"
    source = _text(table, "hostPath", where)
    return MountOption("tmpfs" if type == "tmpfs" else "bind" if type in ("bind", "none") else type,
                       "" if type == "tmpfs" else source, _text(table, "containerPath", where),
                       _texts(table, "options", where) or _DEFAULT_MOUNT)


def _hook(value: object, where: str) -> Hook:
    table = _table(value, where, ("hookName", "path", "args", "env", "timeout"))
    return Hook(_text(table, "hookName", where), _text(table, "path", where), _texts(table, "args", where),
                _texts(table, "env", where), _whole(table.get("timeout", 0), f"timeout of {where}"))


def _rdt(value: object, where: str) -> IntelRdt:
    table = _table(value, f"intelRdt of {where}", ("closID", "l3CacheSchema", "memBwSchema", "enableCMT", "enableMBM"))
    cmt, mbm = table.get("enableCMT", False), table.get("enableMBM", False)
    if not isinstance(cmt, bool) or not isinstance(mbm, bool):
        raise InvalidInput(f"has an intelRdt in {where} whose switches are none")
    return IntelRdt(_text(table, "closID", where, ""), _text(table, "l3CacheSchema", where, ""),
                    _text(table, "memBwSchema", where, ""), cmt, mbm)


def _table(value: object, what: str, known: Sequence[str]) -> Table:
    if not isinstance(value, dict):
        raise InvalidInput(f"is no CDI specification: {what} is no table")
    other = next((str(key) for key in value if key not in known), None)
    if other is not None:
        raise InvalidInput(f"has the unknown field {other!r} in {what}")
    return value


def _items(table: Table, key: str, what: str) -> list[object]:
    value = table.get(key)
    if value is not None and not isinstance(value, list):
        raise InvalidInput(f"has {key} in {what} that is no list")
    return value or []


def _each(table: Table, key: str, what: str, one: Callable[[object, str], T]) -> tuple[T, ...]:
    return tuple(one(item, f"{key} of {what}") for item in _items(table, key, what))


def _text(table: Table, key: str, what: str, default: str | None = None) -> str:
    value = table.get(key, default)
    if not isinstance(value, str):
        raise InvalidInput(f"lacks {key} in {what}" if value is None else f"has a {key} in {what} that is no text")
    return value


def _texts(table: Table, key: str, what: str) -> tuple[str, ...]:
    found = _items(table, key, what)
    if not all(isinstance(item, str) for item in found):
        raise InvalidInput(f"has {key} in {what} that are no texts")
    return tuple(str(item) for item in found)


def _whole(value: object, what: str) -> int:
    if type(value) is not int or value < 0:
        raise InvalidInput(f"has {what} that is no whole number")
    return value
