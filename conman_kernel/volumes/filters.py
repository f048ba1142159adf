"""``volume ls --filter`` and ``volume prune --filter``: podman's keys. Values of one key are alternatives, different keys must
all hold; every ``label`` and ``label!`` must, too."""

from __future__ import annotations

import re
from typing import Callable, Mapping, Sequence

from ..errors import InvalidInput
from . import rows
from .records import VolumeRecord

Fits = Callable[[VolumeRecord], bool]

KEYS = ("after", "dangling", "driver", "label", "label!", "name", "opt", "scope", "since", "until")
_ALL_HOLD = ("label", "label!", "opt")


def matcher(filters: Mapping[str, Sequence[str]], *, everything: Sequence[VolumeRecord], used: Mapping[str, object]) -> Fits:
    """One test made of all filters.

    :param everything: every volume; ``since`` names one of them. ``used``: the names of those that a container has.
    :raises InvalidInput: an unknown filter, or a value that it cannot take.
    :raises NotFound: ``since`` names no volume.
    """
    groups: list[list[Fits]] = []
    for key, values in filters.items():
        tests = [_test(key, value, everything, used) for value in values]
        groups += [[test] for test in tests] if key in _ALL_HOLD else [tests]
    return lambda record: all(any(test(record) for test in group) for group in groups)


def _test(key: str, value: str, everything: Sequence[VolumeRecord], used: Mapping[str, object]) -> Fits:
    if key == "dangling":
        if value.lower() not in ("true", "false", "1", "0"):
            raise InvalidInput(f'"{value}" is not a valid value for the "dangling" filter - must be true or false')
        wanted = value.lower() in ("true", "1")
        return lambda record: (record.name not in used) is wanted
    if key == "driver":
        return lambda record: record.driver == value
    if key == "name":
        shape = _pattern(value)
        return lambda record: shape.search(record.name) is not None
    if key == "scope":
        return lambda record: value == "local"
    if key == "until":
        from ..times import parse_time

        limit = parse_time(value)
        return lambda record: record.created < limit
    if key in ("since", "after"):
        pivot = rows.among(everything, value).created
        return lambda record: record.created > pivot
    if key in ("label", "label!", "opt"):
        name, equals, text = value.partition("=")

        def pair(record: VolumeRecord) -> bool:
            had = dict(record.options if key == "opt" else record.labels)
            return (name in had and (not equals or had[name] == text)) is (key != "label!")

        return pair
    raise InvalidInput(f'"{key}" is an invalid volume filter', hint=f"filters: {', '.join(KEYS)}")


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise InvalidInput(f"filter: {text!r} is no regular expression: {error}") from None
