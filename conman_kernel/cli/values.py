"""What was given on a command line, by option key, with typed readers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Mapping

if TYPE_CHECKING:
    from .declare import Verb

Value = str | int | float | bool | tuple[str, ...] | None


class Values:
    """The options and arguments of one command line. Immutable by convention.

    :param given: option key -> value, only of the options that were given.
    :param defaults: option key -> value, of all options of the verb.
    :param arguments: the positional arguments in order.
    """

    __slots__ = ("_defaults", "_given", "arguments")

    def __init__(self, given: Mapping[str, Value], defaults: Mapping[str, Value], arguments: tuple[str, ...]) -> None:
        self._given = given
        self._defaults = defaults
        self.arguments = arguments

    def given(self, key: str) -> bool:
        """True where the option was on the command line."""
        return key in self._given

    def value(self, key: str) -> Value:
        """The value, or the default. KeyError where the verb declares no such option: a defect of the verb."""
        return self._given[key] if key in self._given else self._defaults[key]

    def text(self, key: str) -> str:
        """A text option; empty where neither given nor defaulted."""
        value = self.value(key)
        return "" if value is None else str(value)

    def flag(self, key: str) -> bool:
        """A switch."""
        return self.value(key) is True

    def many(self, key: str) -> tuple[str, ...]:
        """A repeatable option, in order."""
        value = self.value(key)
        return value if isinstance(value, tuple) else ()

    def integer(self, key: str) -> int | None:
        """A whole number, or None."""
        value = self.value(key)
        return value if isinstance(value, int) else None

    def number(self, key: str) -> float | None:
        """A decimal number, or None."""
        value = self.value(key)
        return float(value) if isinstance(value, (int, float)) else None

    def without_arguments(self) -> Values:
        """The same options, and nothing besides."""
        return Values(self._given, self._defaults, ())

    def everything(self) -> dict[str, Value]:
        """Every option of the verb with its value in force."""
        return {**self._defaults, **self._given}


def defaults(verb: Verb) -> dict[str, Value]:
    """The values of a verb's options where none is given."""
    found: dict[str, Value] = {}
    for option in verb.options:
        value: Value = option.default
        if value is None and option.kind in ("array", "list"):
            value = ()
        elif value is None and option.kind == "flag":
            value = False
        found[option.key] = value
    return found
