"""What the methods of each slot must answer: checked for every call, since a plugin need not have been type-checked.

Names are those of the slot's own file or of Python; ``tuple of X`` looks at each item, ``iterator of X`` too, as it is read; of a
protocol the members are looked for. A method that is not listed answers nothing, or nothing that the kernel relies on.
"""

from __future__ import annotations

import builtins
from importlib import import_module
from typing import Mapping

from .record import Record

_FILES: Mapping[str, str] = {"conman.storage": ".slots.storage", "conman.transport": ".slots.transport",
                             "conman.runtime": ".slots.runtime", "conman.attach": ".slots.attach",
                             "conman.network": ".slots.network", "conman.events": ".slots.events",
                             "conman.spec": ".slots.spec"}

_ANSWERS: Mapping[str, Mapping[str, str]] = {
    "conman.storage": {
        "whiteouts": "Whiteouts", "independent_layers": "bool", "prepare": "Snapshot", "view": "Snapshot",
        "mounts": "tuple of Mount", "layer": "str | None", "stat": "Info", "walk": "iterator of Info", "usage": "Usage",
        "acquire": "bool", "leftovers": "tuple of str"},
    "conman.transport": {"resolve": "Resolved", "open": "BlobStream of bytes | bytearray | memoryview",
                         "write": "ImageWriter", "images": "tuple of Contained", "login": "str", "logout": "bool",
                         "account": "str | None", "tags": "iterator of str", "repositories": "iterator of str"},
    "conman.runtime": {"binary": "str", "commands": "RuntimeCommands", "exit_code": "int", "features": "Features"},
    "conman.attach": {"direct": "bool", "run": "End"},
    "conman.network": {"drivers": "tuple of str", "define": "Network", "join": "Joined"},
    "conman.events": {"read": "iterator of Event"},
    "conman.spec": {"edit": "SpecEdits"},
}

_FIELDS: Mapping[str, Mapping[str, str]] = {
    "Snapshot": {"key": "str", "layer_path": "str | None"},
    "Mount": {"type": "str", "source": "str", "options": "tuple of str"},
    "Info": {"name": "str", "parent": "str | None"},
    "Usage": {"size": "int", "inodes": "int"},
    "Resolved": {"descriptor": "Descriptor", "content": "bytes | None"},
    "Contained": {"location": "str", "names": "tuple of str"},
    "Features": {"version": "str", "oci_version": "str"},
    "RuntimeCommands": dict.fromkeys(("create", "start", "state", "kill", "delete", "force_delete", "exec", "pause", "resume",
                                      "checkpoint", "restore", "update", "run"), "tuple"),
    "Network": {"name": "str", "id": "str", "driver": "str", "subnets": "tuple of Subnet", "interface": "str"},
    "Joined": {"addresses": "tuple of str", "gateways": "tuple of str", "mac": "str", "state": "str", "dns": "tuple of str"},
    "End": {"outcome": "Outcome"},
    "Event": {"time_ns": "int", "type": "str", "status": "str"},
}


class Expected(Record):
    """What one answer must be.

    :param words: for messages. ``types``: any of them.
    :param items: what each item must be; None: they are not looked at. ``later``: they come one by one, as they are read.
    :param fields: what of a record is looked at, too. ``members``: what a protocol asks for.
    """

    words: str
    types: tuple[type, ...]
    items: Expected | None
    later: bool
    fields: tuple[tuple[str, Expected], ...] = ()
    members: tuple[str, ...] = ()

    def problem(self, answer: object) -> str:
        """What is wrong with an answer, such as ``a Usage, not int``; empty where nothing is."""
        if self.members:
            lacks = [name for name in self.members if not hasattr(answer, name)]
            return f"{self.words}, not {type(answer).__name__}: it lacks {', '.join(lacks)}" if lacks else ""
        if not isinstance(answer, self.types) or (isinstance(answer, bool) and bool not in self.types):
            return f"{self.words}, not {type(answer).__name__}"
        if self.items is not None and isinstance(answer, tuple):
            for item in answer:
                problem = self.items.problem(item)
                if problem:
                    return f"{self.words}; one of them must be {problem}"
        for name, expected in self.fields:
            problem = expected.problem(getattr(answer, name))
            if problem:
                return f"{self.words} whose {name} must be {problem}"
        return ""


def expected(group: str, method: str) -> Expected | None:
    """What a method of a slot must answer; None where that is not looked at."""
    words = _ANSWERS.get(group, {}).get(method)
    return None if words is None else _parsed(words, vars(import_module(_FILES[group], __package__)))


def _parsed(words: str, names: Mapping[str, object]) -> Expected:
    kind, of, item = words.partition(" of ")
    items = _parsed(item, names) if of else None
    if kind == "tuple":
        return Expected(words, (tuple,), items, later=False)
    if kind == "iterator":
        return Expected(words, (), items, later=True, members=("__iter__",))
    types: list[type] = []
    for name in kind.split(" | "):
        found = type(None) if name == "None" else names.get(name, getattr(builtins, name, None))
        assert isinstance(found, type), name
        if getattr(found, "_is_protocol", False):
            members = [*(m for m in vars(found) if not m.startswith("_") or m == "__iter__"), *found.__annotations__]
            return Expected(kind, (), items, later=True, members=tuple(members))
        types.append(found)
    fields = tuple((field, _parsed(text, names)) for field, text in _FIELDS.get(kind, {}).items())
    return Expected(kind, tuple(types), None, later=False, fields=fields)
