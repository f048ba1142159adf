"""``events --filter``."""

from __future__ import annotations

import pytest

from conman_kernel.errors import InvalidInput
from conman_kernel.events.filters import FILTERS, matcher
from conman_kernel.slots.events import Event

TOLD = (Event(1, "image", "pull", "a1" * 32, "host.test/team/bb:one"),
        Event(2, "container", "create", "b2" * 32, "web", "host.test/team/bb:one", (("app", "web"), ("tier", "front"))),
        Event(3, "container", "died", "c3" * 32, "db", "host.test/team/bb:one", (("app", "db"),)),
        Event(4, "network", "create", "d4" * 32, "web"), Event(5, "volume", "create", "", "data"))


@pytest.mark.parametrize(("filters", "times"), [
    ((), [1, 2, 3, 4, 5]), ((("type", "container"),), [2, 3]), ((("event", "create"),), [2, 4, 5]),
    ((("event", "create"), ("event", "died")), [2, 3, 4, 5]), ((("event", "create"), ("type", "container")), [2]),
    ((("container", "web"),), [2]), ((("container", "c3c3"),), [3]), ((("network", "web"),), [4]), ((("network", "d4"),), [4]),
    ((("volume", "data"),), [5]), ((("image", "bb"),), [1]), ((("image", "a1a1"),), [1]), ((("pod", "x"),), []),
    ((("label", "app"),), [2, 3]), ((("label", "app=db"),), [3]), ((("label", "app=db"), ("label", "tier")), [2, 3]),
    ((("label!", "tier"),), [1, 3, 4, 5]), ((("label!", "tier"), ("label!", "app=db")), [1, 4, 5]),
    ((("label", "app"), ("label!", "tier")), [3]),
])
def test_filters(filters: tuple[tuple[str, str], ...], times: list[int]) -> None:
    fits = matcher(filters)
    assert [event.time_ns for event in TOLD if fits(event)] == times


def test_an_unknown_key_names_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match='"scope" is an invalid filter') as caught:
        matcher([("scope", "local")])
    assert all(key in caught.value.hint for key in FILTERS)
