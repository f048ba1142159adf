"""The CDI files of this host: found, read, and which device of a name counts (CDI SPEC.md, "CDI Spec directories").

Of the devices of one name the one in the last folder counts. Two in files of one folder are a conflict, and none of them counts.
A file that cannot be read, or is no CDI specification, starves no other; it is named where a device is looked for in vain.
"""

from __future__ import annotations

import json
import os
import stat
from importlib import import_module
from typing import Iterator, Mapping, Protocol, cast

from conman_kernel.errors import InvalidInput, NotFound
from conman_kernel.record import Record

from .document import CdiDevice, CdiDocument, parse

LARGEST = 4 << 20
"""Bytes of one file."""

_ENDINGS = (".json", ".yaml", ".yml")


class Placed(Record):
    """A device, and the file it is of."""

    device: CdiDevice
    document: CdiDocument
    path: str


class _Yaml(Protocol):
    YAMLError: type[Exception]

    def safe_load(self, text: bytes) -> object: ...

    def scan(self, text: bytes) -> Iterator[object]: ...


class Registry:
    """What the files say now. Reads them when it is made.

    :ivar devices: by whole name, ``vendor.com/class=name``.
    :ivar problems: what is wrong, one line each, with the file.
    """

    def __init__(self, folders: tuple[str, ...]) -> None:
        self.devices: dict[str, Placed] = {}
        self.problems: list[str] = []
        for folder in folders:
            self._read_folder(folder)

    def find(self, name: str) -> tuple[Placed, ...]:
        """The devices that a name stands for: one; or all of its kind, where it ends in ``=all`` and none is called that.

        :raises NotFound: there is none.
        """
        found = self.devices.get(name)
        if found is not None:
            return (found,)
        kind, _, last = name.partition("=")
        every = tuple(placed for placed in self.devices.values() if placed.document.kind == kind)
        if last == "all" and every:
            return every
        why = "; ".join(problem for problem in self.problems[:3])
        raise NotFound(f"no CDI device {name}" + (f": {why}" if why else ""), hint="conman cdi ls shows those that there are")

    def _read_folder(self, folder: str) -> None:
        try:
            names = sorted(os.listdir(folder))
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            self.problems.append(f"{folder}: {error.strerror}")
            return
        mine: dict[str, list[Placed]] = {}
        for name in names:
            path = f"{folder}/{name}"
            if not name.endswith(_ENDINGS):
                continue
            try:
                document = parse(_content(path))
            except InvalidInput as error:
                self.problems.append(f"{path} {error.message}")
                continue
            for device in document.devices:
                mine.setdefault(device.name, []).append(Placed(device, document, path))
        for whole, places in mine.items():
            if len(places) == 1:
                self.devices[whole] = places[0]
            else:
                self.devices.pop(whole, None)
                self.problems.append(f"{whole} is in {' and in '.join(placed.path for placed in places)}")


def _content(path: str) -> object:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise InvalidInput(f"cannot be read: {error.strerror}") from None
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
            raise InvalidInput(f"is no file of up to {LARGEST} bytes")
        if found.st_uid not in (0, os.geteuid()) or found.st_mode & 0o022:
            # It names programs that run as root, and devices.
            raise InvalidInput("can be written by others than root, and is not read")
        data = os.read(fd, LARGEST + 1)
    finally:
        os.close(fd)
    return _json(data) if path.endswith(".json") else _yaml(data)


def _json(data: bytes) -> object:
    try:
        document: object = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"is no JSON: {error}") from None
    return document


def _yaml(data: bytes) -> object:
    try:
        yaml = cast("_Yaml", import_module("yaml"))
    except ImportError:
        raise InvalidInput("is YAML, for which PyYAML is missing: pip install 'conman-cdi-devices[yaml]'") from None
    try:
        if b"*" in data and any(type(token).__name__ == "AliasToken" for token in yaml.scan(data)):
            raise InvalidInput("has YAML aliases, by which a small file can be a huge one")
        return yaml.safe_load(data)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidInput(f"is no YAML: {' '.join(str(error).split())}") from None


def summary(placed: Placed) -> Mapping[str, object]:
    """A device for people and programs: its name, file, and what a container gets, with what all of its kind get."""
    common, own = placed.document.edits, placed.device.edits
    rdt = own.intel_rdt or common.intel_rdt
    return {"Name": placed.device.name, "File": placed.path, "CdiVersion": placed.document.version,
            "Env": [f"{key}={value}" for key, value in (*common.env, *own.env)],
            "DeviceNodes": [node.path for node in (*common.devices, *own.devices)],
            "Mounts": [f"{mount.source}:{mount.target}" for mount in (*common.mounts, *own.mounts)],
            "Hooks": [f"{hook.stage}: {hook.path}" for hook in (*common.hooks, *own.hooks)],
            "AdditionalGids": list(dict.fromkeys((*common.groups, *own.groups))),
            "IntelRdt": None if rdt is None else dict(rdt._asdict())}
