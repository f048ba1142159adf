"""Reading JSON documents that came from elsewhere: bounded in bytes and depth, typed, every refusal naming the key.

``null`` counts as absent everywhere, as Go's decoder has it; unknown keys are accepted and, of a key given twice,
the last one holds: podman does the same with image documents.
"""

from __future__ import annotations

import json
from typing import Mapping, NoReturn

from ..errors import InvalidInput

MAX_DOCUMENT_BYTES = 4 * 1024 * 1024
"""What registries take at least, so clients may rely on it (OCI distribution-spec v1.1, "Pushing Manifests")."""

MAX_DEPTH = 64
"""How deep objects and lists may be nested; real documents stay below 10."""


def parse_object(data: bytes, what: str, max_bytes: int = MAX_DOCUMENT_BYTES) -> Mapping[str, object]:
    """Parse one JSON object.

    :param data: UTF-8; malformed sequences become U+FFFD, as in Go.
    :param what: names the document in error messages, such as ``the manifest of docker.io/library/alpine:latest``.
    :raises InvalidInput: too long, too deep, no JSON, not an object.
    """
    value = _parse(data, what, max_bytes)
    if not isinstance(value, dict):
        raise InvalidInput(f"{what} is not a JSON object")
    return {str(key): item for key, item in value.items()}


def parse_list(data: bytes, what: str, max_bytes: int = MAX_DOCUMENT_BYTES) -> tuple[object, ...]:
    """Parse one JSON list. As :func:`parse_object`."""
    value = _parse(data, what, max_bytes)
    if not isinstance(value, list):
        raise InvalidInput(f"{what} is not a JSON list")
    return tuple(value)


def _parse(data: bytes, what: str, max_bytes: int) -> object:
    if len(data) > max_bytes:
        raise InvalidInput(f"{what} has {len(data)} bytes, more than the {max_bytes} that are accepted")
    try:
        value: object = json.loads(data.decode("utf-8", "replace"), parse_constant=_no_constant)
    except RecursionError:
        raise InvalidInput(f"{what} is nested deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:
        raise InvalidInput(f"{what} is not valid JSON: {error}") from None
    _check_depth(value, what)
    return _without_lone_surrogates(value) if b"\\u" in data else value


def get_str(obj: Mapping[str, object], key: str, what: str, default: str = "") -> str:
    """A string, or ``default`` where the key is absent. :raises InvalidInput: it is something else, or holds NUL."""
    value = obj.get(key)
    if value is None:
        return default
    return _text(value, key, what)


def get_int(obj: Mapping[str, object], key: str, what: str, default: int = 0) -> int:
    """An integer of 64 bits, or ``default`` where the key is absent. :raises InvalidInput: it is something else."""
    value = obj.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not -(1 << 63) <= value < 1 << 63:
        _refuse(key, what, "an integer")
    return value


def get_bool(obj: Mapping[str, object], key: str, what: str) -> bool:
    """A boolean, False where the key is absent. :raises InvalidInput: it is something else."""
    value = obj.get(key)
    if value is None:
        return False
    if not isinstance(value, bool):
        _refuse(key, what, "true or false")
    return value


def get_list(obj: Mapping[str, object], key: str, what: str) -> tuple[object, ...]:
    """A list, empty where the key is absent. :raises InvalidInput: it is something else."""
    value = obj.get(key)
    if value is None:
        return ()
    if not isinstance(value, list):
        _refuse(key, what, "a list")
    return tuple(value)


def get_map(obj: Mapping[str, object], key: str, what: str) -> Mapping[str, object]:
    """An object, empty where the key is absent. :raises InvalidInput: it is something else."""
    value = obj.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        _refuse(key, what, "an object")
    return {str(name): item for name, item in value.items()}


def get_strings(obj: Mapping[str, object], key: str, what: str) -> tuple[str, ...]:
    """A list of strings, empty where the key is absent. :raises InvalidInput: it or an element is something else."""
    return tuple(_text(item, key, what) for item in get_list(obj, key, what))


def get_string_map(obj: Mapping[str, object], key: str, what: str) -> Mapping[str, str]:
    """An object whose values are strings, empty where the key is absent. :raises InvalidInput: otherwise."""
    found = get_map(obj, key, what)
    return {name: "" if item is None else _text(item, f"{key}.{name}", what) for name, item in found.items()}


def as_object(value: object, what: str) -> Mapping[str, object]:
    """Narrow a value to an object. :raises InvalidInput: it is something else."""
    if not isinstance(value, dict):
        raise InvalidInput(f"{what} is not a JSON object")
    return {str(key): item for key, item in value.items()}


def _text(value: object, key: str, what: str) -> str:
    if not isinstance(value, str):
        _refuse(key, what, "a string")
    if "\0" in value:
        # It could not be passed on as an argument, a path or a variable anyway.
        raise InvalidInput(f"{what}: {key!r} holds a NUL character")
    return value


def _refuse(key: str, what: str, wanted: str) -> NoReturn:
    raise InvalidInput(f"{what}: {key!r} is not {wanted}")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _check_depth(value: object, what: str) -> None:
    level: list[object] = [value]
    for _ in range(MAX_DEPTH):
        below: list[object] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(child for child in item.values() if isinstance(child, (dict, list)))
            elif isinstance(item, list):
                below.extend(child for child in item if isinstance(child, (dict, list)))
        if not below:
            return
        level = below
    raise InvalidInput(f"{what} is nested deeper than {MAX_DEPTH} levels")


def _without_lone_surrogates(value: object) -> object:
    # JSON can spell half of a surrogate pair; such a string could be neither stored nor printed. Go puts U+FFFD there.
    text = json.dumps(value, ensure_ascii=False)
    if text.isascii():
        return value
    cleaned: object = json.loads(text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))
    return cleaned
