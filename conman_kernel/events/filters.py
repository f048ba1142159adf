"""podman's filters of events."""

from __future__ import annotations

from typing import Callable, Mapping, Sequence

from ..errors import InvalidInput
from ..slots.events import Event

Test = Callable[[Event, str], bool]


def _of_type(type: str) -> Test:
    return lambda event, value: event.type == type and (event.name == value or (bool(value) and event.id.startswith(value)))


def _image(event: Event, value: str) -> bool:
    """A name with or without its registry and tag, or the beginning of an id."""
    if event.type != "image" or not value:
        return False
    path = event.name.rpartition("/")[2]
    return value in (event.name, path, path.partition(":")[0]) or event.id.startswith(value.removeprefix("sha256:")) or \
        event.name.endswith("/" + value) or event.name.rpartition(":")[0] == value


def _label(event: Event, value: str) -> bool:
    name, equals, wanted = value.partition("=")
    return any(key == name and (not equals or had == wanted) for key, had in event.attributes)


FILTERS: Mapping[str, Test] = {
    "container": _of_type("container"),
    "event": lambda event, value: event.status == value,
    "image": _image,
    "label": _label,
    "label!": lambda event, value: not _label(event, value),
    "network": _of_type("network"),
    "pod": _of_type("pod"),
    "type": lambda event, value: event.type == value,
    "volume": _of_type("volume"),
}
"""Key -> does the event fit the value."""


def matcher(filters: Sequence[tuple[str, str]]) -> Callable[[Event], bool]:
    """One test of them all: values of one key are alternatives (of ``label!`` all must hold), all keys must hold.

    :raises InvalidInput: an unknown key.
    """
    wanted: dict[str, list[str]] = {}
    for number, (key, value) in enumerate(filters):
        if key not in FILTERS:
            raise InvalidInput(f'"{key}" is an invalid filter', hint=f"events are filtered by {', '.join(FILTERS)}")
        wanted.setdefault(f"{key} {number}" if key == "label!" else key, []).append(value)
    tests = [(FILTERS[key.partition(" ")[0]], values) for key, values in wanted.items()]
    return lambda event: all(any(test(event, value) for value in values) for test, values in tests)
