"""What editors of runtime specs ask for, checked again: a plugin says what is to be added, the kernel says what may be.

Refused is what is of the wrong type or without measure, paths that are not absolute, device nodes and hooks that are not on this
host, and whatever would take the place of something that the caller asked for or that keeps the container in its bounds: its
``/proc``, ``/sys`` and standard devices, the files that conman shows in it, an environment variable or device of the caller's.
"""

from __future__ import annotations

import os
import posixpath
import stat
from typing import Sequence

from ..cancel import Cancel
from ..errors import ConmanError, InvalidInput, NotFound, PluginFailed
from ..oci.runtime.mounts import user_mount
from ..oci.runtime.options import ContainerOptions, MountOption
from ..oci.runtime.request import HostDevice
from ..oci.runtime.resources import RUNTIME_DEVICES
from ..record import Record
from ..slots import SPEC
from ..slots.spec import STAGES, DeviceNode, EditRequest, Hook, IntelRdt, SpecEdits
from .context import Context

MOST = {"handled": 256, "env": 256, "mounts": 256, "devices": 256, "groups": 256, "hooks": 64}
"""Items of one editor's edits."""

LONGEST_TEXT = 128 * 1024
"""Bytes of one text: what the kernel takes as one argument."""

_KEPT = ("/", "/dev", "/proc", "/sys", "/dev/pts", "/dev/shm", "/dev/mqueue", "/etc/hosts", "/etc/resolv.conf", "/etc/hostname",
         "/run/.containerenv", "/run/conman-init")
_KEPT_BELOW = ("/proc/", "/sys/")
_MOUNT_OPTIONS = frozenset((
    "ro", "rw", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "sync", "async", "atime", "noatime", "diratime", "nodiratime",
    "relatime", "norelatime", "strictatime", "nostrictatime", "bind", "rbind", "private", "rprivate", "slave", "rslave", "shared",
    "rshared", "unbindable", "runbindable"))
_TMPFS_OPTIONS = ("size=", "mode=", "uid=", "gid=", "nr_inodes=", "tmpcopyup")
_NO_ID = (1 << 32) - 1


class Checked(Record):
    """All editors' edits, checked, in the kernel's own terms."""

    env: tuple[tuple[str, str], ...] = ()
    mounts: tuple[MountOption, ...] = ()
    devices: tuple[HostDevice, ...] = ()
    groups: tuple[int, ...] = ()
    hooks: tuple[Hook, ...] = ()
    intel_rdt: IntelRdt | None = None


def edits_of(context: Context, id: str, options: ContainerOptions, cancel: Cancel) -> Checked:
    """Ask the selected editors, where the container asks for a device by name or was given annotations.

    :param id: empty: it is being made.
    :raises NotFound: a device that no editor knows.
    :raises PluginFailed: an editor raised, or asked for what it may not; nothing was changed.
    """
    if not (options.named_devices or options.annotations):
        return Checked()
    wanted, found = options.named_devices, Checked()
    for name in context.config.texts("spec.editors"):
        try:
            editor = context.plugins.get(SPEC, name)
        except ConmanError:
            if not wanted and context.config.entry("spec.editors").origin == "built in":
                continue  # a kernel without the stock plugins is complete without it
            raise
        edits = editor.edit(EditRequest(id, options, wanted, options.annotations, cancel))
        try:
            found = _added(found, edits, wanted, options)
        except InvalidInput as error:
            distribution = context.plugins.shipped(SPEC, name)
            raise PluginFailed(f"the editor {name} ({distribution}) asked for what it may not: {error.message}", slot=SPEC.group,
                               plugin=name, distribution=distribution, hint="nothing was changed") from None
        wanted = tuple(device for device in wanted if device not in edits.handled)
    if wanted:
        raise NotFound(f"no device {wanted[0]}: no selected editor knows it", hint="conman cdi ls; spec.editors in conman.toml")
    return found


def _added(found: Checked, edits: SpecEdits, wanted: Sequence[str], options: ContainerOptions) -> Checked:
    _shape(edits)
    for name in edits.handled:
        if name not in wanted:
            raise InvalidInput(f"the device {name!r}, which nobody asked it for")
    devices = {device.path: device for device in found.devices}
    mine = {device.target for device in options.devices}
    for node in edits.devices:
        device = _device(node)
        if device.path in RUNTIME_DEVICES or device.path in mine or devices.setdefault(device.path, device) != device:
            raise InvalidInput(f"the device {device.path}, which is there already")
    given = dict(options.env)
    for key, value in edits.env:
        if not key or "=" in key or given.get(key, value) != value:
            raise InvalidInput(f"the environment variable {key!r}" + (", which was given otherwise" if key in given else ""))
    taken = {posixpath.normpath(mount.target) for mount in (*options.mounts, *found.mounts)}
    mounts = tuple(mount for mount in edits.mounts if mount not in found.mounts)
    for mount in mounts:
        _mount(mount, taken)
    for hook in edits.hooks:
        _hook(hook)
    for group in edits.groups:
        if not 0 < group < _NO_ID:
            raise InvalidInput(f"the group {group}")
    if found.intel_rdt is not None and edits.intel_rdt not in (None, found.intel_rdt):
        raise InvalidInput("another class of Intel RDT than an editor before")
    return Checked(tuple({**dict(found.env), **dict(edits.env)}.items()), (*found.mounts, *mounts), tuple(devices.values()),
                   tuple(dict.fromkeys((*found.groups, *edits.groups))), (*found.hooks, *edits.hooks),
                   edits.intel_rdt or found.intel_rdt)


def _shape(edits: SpecEdits) -> None:
    """Types and measure of everything, before anything is looked at more closely."""
    values = edits._asdict()
    kinds: dict[str, type] = {"handled": str, "env": tuple, "mounts": MountOption, "devices": DeviceNode, "groups": int,
                              "hooks": Hook}
    for name, kind in kinds.items():
        items: object = values[name]
        if not isinstance(items, tuple) or not all(isinstance(item, kind) and not isinstance(item, bool) for item in items):
            raise InvalidInput(f"{name} that is no tuple of {kind.__name__}")
        if len(items) > MOST[name]:
            raise InvalidInput(f"{len(items)} {name}, more than {MOST[name]}")
        for item in items:
            _same_types(name, item)
    if any(len(pair) != 2 for pair in edits.env):
        raise InvalidInput("env that is no tuple of pairs")
    if edits.intel_rdt is not None:
        if not isinstance(edits.intel_rdt, IntelRdt):
            raise InvalidInput("intel_rdt that is no IntelRdt")
        _same_types("intel_rdt", edits.intel_rdt)


def _same_types(name: str, item: object) -> None:
    """Each field of a record has the type of its default; every text has an end and no NUL."""
    if isinstance(item, str):
        if "\0" in item or len(item.encode("utf-8", "surrogateescape")) > LONGEST_TEXT:
            raise InvalidInput(f"a text in {name} that holds a NUL or is longer than {LONGEST_TEXT} bytes")
        return
    if not isinstance(item, tuple):
        return
    defaults: dict[str, object] = getattr(item, "_field_defaults", {})
    fields: Sequence[str] = getattr(item, "_fields", ())
    for field, value in zip(fields, item):
        wanted = type(defaults[field]) if field in defaults else str
        if type(value) is not wanted:
            raise InvalidInput(f"{name} whose {field} is no {wanted.__name__}")
    for value in item:
        if not fields and not isinstance(value, str):
            raise InvalidInput(f"{name} with a {type(value).__name__} in it")
        _same_types(name, value)


def _device(node: DeviceNode) -> HostDevice:
    source = node.host_path or node.path
    if not (_absolute(node.path) and _absolute(source)):
        raise InvalidInput(f"the device {source} at {node.path}: paths must be absolute and plain")
    if not node.permissions or set(node.permissions) - set("rwm") or len(set(node.permissions)) != len(node.permissions):
        raise InvalidInput(f"the device {node.path} with the permissions {node.permissions!r}")
    try:
        found = os.stat(source)
    except OSError as error:
        raise InvalidInput(f"the device {source}: {error.strerror}") from None
    kind = "c" if stat.S_ISCHR(found.st_mode) else "b" if stat.S_ISBLK(found.st_mode) else ""
    major, minor = os.major(found.st_rdev), os.minor(found.st_rdev)
    if not kind:
        raise InvalidInput(f"{source}, which is no device node")
    if node.type.replace("u", "c") not in ("", kind) or node.major not in (-1, major) or node.minor not in (-1, minor):
        raise InvalidInput(f"the device {source} as {node.type or kind} {node.major}:{node.minor}, and it is "
                           f"{kind} {major}:{minor}")
    if node.mode > 0o7777 or max(node.uid, node.gid) >= _NO_ID or min(node.mode, node.uid, node.gid) < -1:
        raise InvalidInput(f"the device {node.path} with a mode or owner that cannot be")
    return HostDevice(node.path, kind, major, minor, stat.S_IMODE(found.st_mode) if node.mode < 0 else node.mode,
                      found.st_uid if node.uid < 0 else node.uid, found.st_gid if node.gid < 0 else node.gid, node.permissions)


def _mount(mount: MountOption, taken: set[str]) -> None:
    user_mount(mount)
    target = posixpath.normpath(mount.target)
    if target in _KEPT or target.startswith(_KEPT_BELOW) or target in taken:
        raise InvalidInput(f"a mount at {target}, which is there already")
    taken.add(target)
    if mount.type == "bind" and not os.path.exists(mount.source):
        raise InvalidInput(f"a mount of {mount.source}, which does not exist")
    for option in mount.options:
        if option not in _MOUNT_OPTIONS and not (mount.type == "tmpfs" and option.startswith(_TMPFS_OPTIONS)):
            raise InvalidInput(f"a mount at {target} with the option {option!r}")


def _hook(hook: Hook) -> None:
    if hook.stage not in STAGES:
        raise InvalidInput(f"a hook at {hook.stage!r}, which is no stage")
    if not _absolute(hook.path) or not os.path.isfile(hook.path) or not os.access(hook.path, os.X_OK):
        raise InvalidInput(f"the hook {hook.path}, which is no absolute path of an executable file")
    if os.stat(hook.path).st_mode & 0o002:
        raise InvalidInput(f"the hook {hook.path}, which anybody can write")
    if hook.timeout < 0 or any("=" not in item for item in hook.env):
        raise InvalidInput(f"the hook {hook.path} with a timeout or environment that cannot be")


def _absolute(path: str) -> bool:
    return path.startswith("/") and posixpath.normpath(path) == path and path != "/"


def with_edits(spec: dict[str, object], checked: Checked) -> None:
    """Put what no option has words for into a runtime document: ``hooks``, and ``intelRdt`` of its ``linux``."""
    hooks: dict[str, list[dict[str, object]]] = {}
    for hook in checked.hooks:
        one: dict[str, object] = {"path": hook.path, "args": list(hook.args or (hook.path,))}
        if hook.env:
            one["env"] = list(hook.env)
        if hook.timeout:
            one["timeout"] = hook.timeout
        hooks.setdefault(hook.stage, []).append(one)
    if hooks:
        spec["hooks"] = hooks
    rdt, linux = checked.intel_rdt, spec["linux"]
    if rdt is not None and isinstance(linux, dict):
        words = {"closID": rdt.clos_id, "l3CacheSchema": rdt.l3_cache_schema, "memBwSchema": rdt.mem_bw_schema,
                 "enableCMT": rdt.enable_cmt, "enableMBM": rdt.enable_mbm}
        linux["intelRdt"] = {key: value for key, value in words.items() if value}
