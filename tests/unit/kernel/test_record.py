"""Records behave as typing's named tuples do."""

from __future__ import annotations

import pickle
from typing import NamedTuple

import pytest

from conman_kernel.record import Record


class Ours(Record):
    """What it is."""

    name: str
    size: int = 3
    parts: tuple[str, ...] = ()

    @property
    def doubled(self) -> int:
        """Twice the size."""
        return self.size * 2

    @classmethod
    def plain(cls) -> Ours:
        return cls("plain")


class Typings(NamedTuple):
    name: str
    size: int = 3
    parts: tuple[str, ...] = ()


def test_like_typings() -> None:
    assert Ours._fields == Typings._fields and Ours._field_defaults == Typings._field_defaults
    assert Ours("a") == Typings("a") == ("a", 3, ()) and Ours("a")._replace(size=4)._asdict() == {"name": "a", "size": 4, "parts": ()}
    assert repr(Ours("a")) == repr(Typings("a")).replace("Typings", "Ours")
    assert Ours.__mro__[1:] == (tuple, object)


def test_members_and_documentation_stay() -> None:
    assert Ours("a").doubled == 6 and Ours.plain().name == "plain" and Ours.__doc__ == "What it is."
    assert Ours.__module__ == __name__ and Ours.__qualname__ == "Ours"


def test_it_can_be_pickled_and_not_changed() -> None:
    assert pickle.loads(pickle.dumps(Ours("a", 1, ("b",)))) == ("a", 1, ("b",))
    with pytest.raises(AttributeError):
        Ours("a").name = "b"  # type: ignore[misc]


def test_a_gap_in_the_defaults_is_refused() -> None:
    with pytest.raises(TypeError):
        class Wrong(Record):
            first: int = 1
            second: int  # type: ignore[misc]


def test_a_missing_field_is_refused() -> None:
    with pytest.raises(TypeError):
        Ours()  # type: ignore[call-arg]
