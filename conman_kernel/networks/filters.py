"""``network ls --filter``: podman's keys. Filters of one key are alternatives, all keys must hold; each ``label`` must."""

from __future__ import annotations

from typing import Callable, Sequence

from ..errors import InvalidInput
from ..patterns import searcher
from ..times import parse_time
from .network import Network

Test = Callable[[Network], bool]

KEYS = ("dangling", "driver", "id", "label", "name", "until")


def build(filters: Sequence[tuple[str, str]]) -> Test:
    """One test from all filters.

    :raises InvalidInput: an unknown key or a value that makes no sense.
    """
    groups: dict[str, list[Test]] = {}
    for number, (key, value) in enumerate(filters):
        groups.setdefault(f"{key}{number}" if key.startswith("label") else key, []).append(_test(key, value))
    return lambda network: all(any(test(network) for test in group) for group in groups.values())


def _test(key: str, value: str) -> Test:
    if key == "name":
        in_name = searcher(value)
        return lambda network: in_name(network.name)
    if key == "id":
        in_id = searcher(value)
        return lambda network: network.id.startswith(value) or in_id(network.id)
    if key == "driver":
        return lambda network: network.driver == value
    if key in ("label", "label!"):
        name, _, wanted = value.partition("=")
        has: Test = lambda network: name in network.labels and wanted in ("", network.labels[name])  # noqa: E731
        return has if key == "label" else lambda network: not has(network)
    if key == "dangling":
        if value not in ("true", "false", "1", "0"):
            raise InvalidInput(f'invalid value "{value}" for the filter dangling: true or false')
        return lambda network: (not network.container_ids()) is (value in ("true", "1"))
    if key == "until":
        limit = parse_time(value)
        return lambda network: network.created < limit
    raise InvalidInput(f'invalid filter "{key}"', hint=f"filters: {', '.join(KEYS)}")
