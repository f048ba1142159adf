"""What clients write: values out of JSON documents, signals, filters."""

from __future__ import annotations

import json
import signal
from typing import Mapping

from conman_kernel.errors import InvalidInput


def text(document: Mapping[str, object], key: str) -> str:
    """A string; empty where there is none.

    :raises InvalidInput: it is something else.
    """
    value = document.get(key) or ""
    if not isinstance(value, str):
        raise InvalidInput(f"{key} is not a string")
    return value


def flag(document: Mapping[str, object], key: str) -> bool:
    """A boolean; false where there is none.

    :raises InvalidInput: it is something else.
    """
    value = document.get(key) or False
    if not isinstance(value, bool):
        raise InvalidInput(f"{key} is not a boolean")
    return value


def texts(document: Mapping[str, object], key: str) -> tuple[str, ...]:
    """A list of strings; empty where there is none. A string is a list of one.

    :raises InvalidInput: it is something else.
    """
    value = document.get(key) or []
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list):
        raise InvalidInput(f"{key} is not a list of strings")
    found = tuple(item for item in value if isinstance(item, str))
    if len(found) != len(value):
        raise InvalidInput(f"{key} is not a list of strings")
    return found


def table(document: Mapping[str, object], key: str) -> dict[str, object]:
    """An object; empty where there is none.

    :raises InvalidInput: it is something else.
    """
    value = document.get(key) or {}
    if not isinstance(value, dict):
        raise InvalidInput(f"{key} is not an object")
    return value


def pairs(document: Mapping[str, object], key: str) -> tuple[tuple[str, str], ...]:
    """``NAME=VALUE`` strings. A name without a value takes nothing away here, as there is no environment to take it from."""
    return tuple((name, value) for name, equals, value in (item.partition("=") for item in texts(document, key)) if equals)


def size(document: Mapping[str, object], key: str) -> tuple[int, int]:
    """Rows and columns; zeros where there are none.

    :raises InvalidInput: it is something else.
    """
    match document.get(key) or [0, 0]:
        case [int(rows), int(columns)] if 0 <= rows < 1 << 16 and 0 <= columns < 1 << 16:
            return rows, columns
    raise InvalidInput(f"{key} is not a terminal's height and width")


def signal_number(word: str) -> int:
    """``9``, ``KILL`` or ``SIGKILL``.

    :raises InvalidInput: no such signal.
    """
    if word.isascii() and word.isdigit() and 0 < int(word[:4]) < signal.NSIG:
        return int(word)
    name = word.upper() if word.upper().startswith("SIG") else f"SIG{word.upper()}"
    if name not in signal.Signals.__members__:
        raise InvalidInput(f"invalid signal: {word}")
    return int(signal.Signals[name])


def filters(given: str) -> list[tuple[str, str]]:
    """Docker's filters, ``{"name": ["box"]}`` or ``{"name": {"box": true}}``, as keys and values.

    :raises InvalidInput: they are something else.
    """
    try:
        found = json.loads(given or "{}")
        return [(str(key), str(value)) for key, values in found.items() for value in values]
    except (ValueError, RecursionError, AttributeError, TypeError):
        raise InvalidInput("filters: an object of lists is wanted") from None
