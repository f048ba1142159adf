"""Write a new plugin's distribution: everything that needs no author works, and what does need one says so."""

from __future__ import annotations

import os
import re
import tempfile
from string import Template
from typing import Mapping

from ..errors import AlreadyExists, InvalidInput, Unavailable
from ..record import Record

_TEMPLATES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates")
_KITS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "testing", "kits")
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST = 60


class Kind(Record):
    """What can be written.

    :param hook: its hook's name. ``protocol``: of the object it opens; ``module``: of the file that holds that.
    :param method: where the author begins.
    """

    hook: str
    protocol: str
    module: str
    method: str


KINDS: Mapping[str, Kind] = {
    "storage": Kind("conman_storage_driver", "StorageDriver", "driver", "prepare"),
    "transport": Kind("conman_image_transport", "ImageTransport", "source", "resolve"),
    "runtime": Kind("conman_runtime", "Runtime", "program", "exit_code"),
    "attach": Kind("conman_attach", "Attach", "person", "run"),
    "network": Kind("conman_network", "NetworkDriver", "driver", "join"),
    "events": Kind("conman_event_sink", "EventSink", "sink", "emit"),
}
"""By slot."""


def new(slot: str, name: str, folder: str) -> str:
    """Write the distribution of a plugin.

    :param slot: a key of :data:`KINDS`.
    :param name: of the plugin: lower case letters, digits and single dashes.
    :param folder: gets a folder of the plugin's name; made where it is not there.
    :returns: the path of that folder.
    :raises InvalidInput: no such slot, or no such name.
    :raises AlreadyExists: there is something of that name; nothing of it is touched.
    :raises Unavailable: it cannot be written; nothing is left.
    """
    kind = KINDS.get(slot)
    if kind is None:
        raise InvalidInput(f"there is no slot {slot}", hint=f"there are {', '.join(KINDS)}")
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise InvalidInput(f"{name!r} is no plugin's name", hint="lower case letters, digits and single dashes, such as "
                                                                f"sand-{slot}; at most {_LONGEST}")
    if name.startswith("conman-"):
        raise InvalidInput(f"{name!r} is no plugin's name: the distribution would be conman-{name}",
                           hint=f"conman plugin new {slot} {name.removeprefix('conman-')}")
    target = os.path.join(os.path.abspath(folder), name)
    if os.path.lexists(target):
        raise AlreadyExists(f"{target} is there already", hint="choose another name, or --dir")
    files = _files(slot, name, kind)
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder) as half:
            whole = os.path.join(half, name)
            for path, text in files.items():
                os.makedirs(os.path.dirname(os.path.join(whole, path)), exist_ok=True)
                with open(os.path.join(whole, path), "x", encoding="utf-8") as stream:
                    stream.write(text)
            os.rename(whole, target)
    except OSError as error:
        raise Unavailable(f"{target} cannot be written: {error.strerror}") from None
    return target


def _files(slot: str, name: str, kind: Kind) -> dict[str, str]:
    package = "conman_" + name.replace("-", "_")
    title = "".join(part.capitalize() for part in name.split("-"))
    imports = sorted((f"from conman_kernel.slots.{slot} import {kind.protocol}",
                      "from conman_kernel.slots.provider import PluginContext, Provider, Unavailable, provider"))
    names = {"imports": "\n".join(imports), "name": name, "slot": slot, "package": package, "title": title, "hook": kind.hook,
             "protocol": kind.protocol, "module": kind.module, "method": kind.method}
    source = f"src/{package}"
    # A slot without a kit of its own has tests that ask the same of it in a few lines.
    kit = os.path.join(_KITS, slot)
    tests = f"{slot}_kit" if os.path.isdir(kit) or os.path.isfile(f"{kit}.py") else f"{slot}_tests"
    files = {"pyproject.toml": "pyproject", "README.md": "readme", f"{source}/__init__.py": "package",
             f"{source}/{kind.module}.py": slot, f"{source}/not_written.py": "not_written",
             "tests/test_declared.py": "declared", "tests/test_contract.py": tests}
    made = {path: Template(_template(template)).substitute(names) for path, template in files.items()}
    return {**made, f"{source}/py.typed": "", ".gitignore": "__pycache__/\nbuild/\ndist/\n*.egg-info/\n"}


def _template(name: str) -> str:
    with open(f"{_TEMPLATES}/{name}.tmpl", encoding="utf-8") as stream:
        return stream.read()
