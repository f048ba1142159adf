"""What templates work on: Python's values, and the few that Go tells apart and Python does not.

``bool int float str list tuple dict None`` are Go's ``bool int float64 string slice map nil``; :class:`Fields` is a struct.
Strings count and are cut by their bytes in UTF-8, as Go's; bytes that are none are surrogates.
"""

from __future__ import annotations

from typing import Callable, Mapping, Sequence

from ...record import Record
from .problem import Wrong

LARGEST = 16 * 2**20
"""Characters that a string, or what one row prints, may have."""


class Fields(dict[str, object]):
    """A struct: a field that it does not have is an error, and case does not matter in fields' names."""

    __slots__ = ()


class Method(Record):
    """A field that takes arguments, or is worked out when it is asked for.

    :param call: takes them in order.
    :param takes: how many; they are strings.
    """

    call: Callable[[Sequence[str]], object]
    takes: int = 0


class Missing:
    """What a map says of a key that it does not have; a struct's field that is nil; and one that is a map and nil."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


NO_VALUE = Missing("<no value>")
NIL = Missing("<nil>")
NIL_MAP = Missing("map[]")


def is_nil(value: object) -> bool:
    """None, or one of the three above."""
    return value is None or isinstance(value, Missing)


def true(value: object) -> bool:
    """Go's truth: not the zero value of its type; structs are always true."""
    if is_nil(value):
        return False
    return isinstance(value, (Fields, Method)) or bool(value)


def kind(value: object) -> str:
    """The name of its type, as errors say it."""
    if is_nil(value):
        return "nil"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    if isinstance(value, float):
        return "float64"
    if isinstance(value, str):
        return "string"
    if isinstance(value, (list, tuple)):
        return "[]string" if value and all(isinstance(item, str) for item in value) else "[]interface {}"
    if isinstance(value, Fields):
        return "struct"
    return "map[string]interface {}" if isinstance(value, Mapping) else "func"


def bounded(text: str) -> str:
    """The same text. :raises Wrong: it is longer than what is allowed."""
    if len(text) > LARGEST:
        raise Wrong(f"the text is longer than {LARGEST} characters")
    return text


def as_bytes(text: str) -> bytes:
    """A string as Go has it."""
    return text.encode("utf-8", "surrogateescape")


def from_bytes(data: bytes) -> str:
    """The reverse of :func:`as_bytes`."""
    return data.decode("utf-8", "surrogateescape")


def plain(value: object) -> object:
    """A value as JSON has it: without methods, with None where a struct's field is nil."""
    if isinstance(value, Fields):
        return {key: plain(item) for key, item in value.items() if not isinstance(item, Method)}
    if isinstance(value, Mapping):
        return {key: plain(value[key]) for key in sorted(value)}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return None if isinstance(value, Missing) else value
