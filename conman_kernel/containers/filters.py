"""``ps --filter``: podman's keys. Filters of one key are alternatives, different keys must all hold; ``label``, ``label!``
and ``before`` must all hold, too."""

from __future__ import annotations

import re
from typing import Callable, Sequence

from ..errors import InvalidInput, NotFound
from ..patterns import searcher
from .rows import ContainerRow

Test = Callable[[ContainerRow], bool]

KEYS = ("ancestor", "before", "exited", "health", "id", "label", "label!", "name", "network", "pod", "restart-policy", "runtime",
        "since", "status", "storage", "until", "volume")
_STATES = ("created", "running", "paused", "restarting", "exited", "removing", "stopped", "initialized", "configured", "unknown")

_HEALTH = ("starting", "healthy", "unhealthy", "none")


def build(filters: Sequence[tuple[str, str]], *, all_rows: Sequence[ContainerRow],
          images_of: Callable[[str], frozenset[str]], networks_of: Callable[[str], frozenset[str]],
          health_of: Callable[[ContainerRow], str]) -> Test:
    """One test from all filters, of rows as :func:`.state.outward` has them.

    :param filters: key and value, as written.
    :param all_rows: every container; ``before`` and ``since`` name one of them.
    :param images_of: image ids that a name or id prefix means, for ``ancestor``.
    :param networks_of: names and ids of the networks that a container, by its id, is in.
    :param health_of: the status that a container's health check has found, ``none`` where it has none.
    :raises InvalidInput: an unknown key or a value that makes no sense.
    """
    groups: dict[str, list[Test]] = {}
    for number, (key, value) in enumerate(filters):
        test = _test(key, value, all_rows, images_of, networks_of, health_of)
        groups.setdefault(f"{key}{number}" if key in ("label", "label!", "before") else key, []).append(test)
    return lambda row: all(any(test(row) for test in group) for group in groups.values())


def _test(key: str, value: str, all_rows: Sequence[ContainerRow], images_of: Callable[[str], frozenset[str]],
          networks_of: Callable[[str], frozenset[str]], health_of: Callable[[ContainerRow], str]) -> Test:
    if key == "id":
        in_id = searcher(value)
        return lambda row: row.id.startswith(value) or in_id(row.id)
    if key == "name":
        in_name = searcher(value)
        return lambda row: in_name(row.name)
    if key in ("label", "label!"):
        name, _, wanted = value.partition("=")
        return lambda row: _has_label(row, name, wanted) is (key == "label")
    if key == "status":
        if value not in _STATES:
            raise InvalidInput(f'"{value}" is not a valid container status', hint=f"one of {', '.join(_STATES)}")
        wanted_state = "exited" if value == "stopped" else value
        return lambda row: row.state == wanted_state
    if key == "health":
        if value not in _HEALTH:
            raise InvalidInput(f'"{value}" is not a valid health status', hint=f"one of {', '.join(_HEALTH)}")
        return lambda row: health_of(row) == value
    if key == "exited":
        code = _number(key, value)
        return lambda row: row.state == "exited" and row.exit_code == code
    if key == "ancestor":
        images = images_of(value)
        return lambda row: row.image_id in images or value in (row.image_name, row.image_name.rpartition(":")[0])
    if key in ("before", "since"):
        other = _named(value, all_rows, key)
        return (lambda row: row.num < other.num) if key == "before" else (lambda row: row.num > other.num)
    if key == "until":
        limit = _time(value)
        return lambda row: row.created < limit
    if key == "network":
        # Modes are no networks, in podman's eyes.
        return lambda row: value in networks_of(row.id)
    if key == "restart-policy":
        return lambda row: (row.parsed_options().restart or "no") == value
    if key == "pod":
        return lambda row: False
    if key == "volume":
        return lambda row: any(value in (mount.source, mount.target) for mount in row.parsed_options().mounts)
    if key == "storage":
        return lambda row: row.storage == value
    if key == "runtime":
        return lambda row: row.runtime == value
    raise InvalidInput(f'"{key}" is an invalid filter', hint=f"filters: {', '.join(KEYS)}")


def _has_label(row: ContainerRow, name: str, wanted: str) -> bool:
    """As podman: an empty value matches any, and the name may hold ``*``."""
    shape = re.compile(".*".join(map(re.escape, name.split("*"))), re.DOTALL)
    return any(shape.fullmatch(key) and wanted in ("", value) for key, value in row.parsed_options().labels)


def _number(key: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise InvalidInput(f"filter {key}: {value!r} is no number") from None


def _named(value: str, all_rows: Sequence[ContainerRow], key: str) -> ContainerRow:
    found = [row for row in all_rows if value in (row.name, row.id)] or [row for row in all_rows if row.id.startswith(value)]
    if not found:
        raise NotFound(f'no container with name or ID "{value}" found: no such container')
    if len(found) > 1:
        raise InvalidInput(f'filter {key}: more than one container has an id that begins with "{value}"')
    return found[0]


def _time(value: str) -> float:
    from ..times import parse_time

    return parse_time(value)
