"""The fast parser: argv and a verb's declaration -> values, by the rules of podman's own parser (pflag).

``--opt value``, ``--opt=value``, ``-e value``, ``-eVALUE``, ``-e=VALUE``, bundles such as ``-it``, switches with
``=true`` or ``=false``, ``--`` ends the options. Imports nothing that costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Sequence

from .declare import ARRAY, FLAG, INTEGER, LIST, NUMBER, Option, Verb
from .values import Value, Values, defaults

if TYPE_CHECKING:
    from ..errors import InvalidInput

_TRUE = ("1", "t", "T", "true", "TRUE", "True")
_FALSE = ("0", "f", "F", "false", "FALSE", "False")


class HelpWanted(Exception):
    """``--help`` stood on the command line (or ``-h``, where the verb has no such option of its own)."""


def parse(verb: Verb, argv: Sequence[str], path: str) -> Values:
    """Read a verb's command line.

    :param verb: its declaration.
    :param argv: what followed the verb.
    :param path: the verb as typed, such as ``conman run``; for messages.
    :raises HelpWanted: help was asked for.
    :raises InvalidInput: unknown option, value missing or malformed, too few or too many arguments.
    """
    reader = _Reader(verb, argv, path)
    arguments = reader.read()
    return Values(reader.given, defaults(verb), tuple(arguments))


def check_arguments(verb: Verb, values: Values, path: str) -> None:
    """Refuse too few or too many positional arguments.

    :raises InvalidInput: with the verb's own words.
    """
    count, most = len(values.arguments), verb.maximum
    if count < verb.minimum:
        from .usage import too_few

        raise too_few(verb, count, path)
    if most is not None and count > most:
        from .usage import too_many

        raise too_many(verb, most, values.arguments, path)


class _Reader:
    """One pass over one argv."""

    def __init__(self, verb: Verb, argv: Sequence[str], path: str) -> None:
        self.verb = verb
        self.argv = argv
        self.path = path
        self.given: dict[str, Value] = {}
        self.next = 0
        self.names: dict[str, Option] = {}
        for option in verb.options:
            self.names[option.long] = option
            for alias in option.aliases:
                self.names[alias] = option
            if option.short:
                self.names[option.short] = option

    def read(self) -> list[str]:
        arguments: list[str] = []
        while self.next < len(self.argv):
            word = self.argv[self.next]
            self.next += 1
            if word == "--":
                return arguments + list(self.argv[self.next:])
            if word.startswith("--"):
                self._long(word)
            elif word.startswith("-") and len(word) > 1:
                self._bundle(word)
            else:
                arguments.append(word)
                if not self.verb.interspersed:
                    return arguments + list(self.argv[self.next:])
        return arguments

    def _long(self, word: str) -> None:
        name, equals, text = word.partition("=")
        option = self._find(name)
        if option.kind == FLAG:
            self._store(option, name, text if equals else "true")
        else:
            self._store(option, name, text if equals else self._following(option, name))

    def _bundle(self, word: str) -> None:
        letters = word[1:]
        while letters:
            name, letters = "-" + letters[0], letters[1:]
            option = self._find(name, word)
            if letters.startswith("="):
                return self._store(option, name, letters[1:])
            if option.kind != FLAG:
                return self._store(option, name, letters or self._following(option, name))
            self._store(option, name, "true")
        return None

    def _find(self, name: str, word: str = "") -> Option:
        option = self.names.get(name)
        if option is None:
            if name in ("--help", "-h"):
                raise HelpWanted
            from .usage import unknown_option

            raise unknown_option(self.verb, name, word, self.path)
        return option

    def _following(self, option: Option, name: str) -> str:
        if self.next >= len(self.argv):
            from .usage import value_missing

            raise value_missing(name, self.path)
        self.next += 1
        return self.argv[self.next - 1]

    def _store(self, option: Option, name: str, text: str) -> None:
        key = option.key
        if option.kind == FLAG:
            if text not in _TRUE and text not in _FALSE:
                raise self._bad(option, text, "must be true or false")
            self.given[key] = text in _TRUE
        elif option.kind in (ARRAY, LIST):
            before = self.given.get(key, ())
            parts = split_commas(text) if option.kind == LIST else (text,)
            self.given[key] = (before if isinstance(before, tuple) else ()) + parts
        elif option.kind == INTEGER:
            try:
                self.given[key] = int(text)
            except ValueError:
                raise self._bad(option, text, "must be a whole number") from None
        elif option.kind == NUMBER:
            try:
                self.given[key] = float(text)
            except ValueError:
                raise self._bad(option, text, "must be a number") from None
        else:
            if option.choices and text not in option.choices:
                raise self._bad(option, text, f"must be one of {', '.join(option.choices)}")
            self.given[key] = text

    def _bad(self, option: Option, text: str, why: str) -> InvalidInput:
        from .usage import bad_value

        return bad_value(option, text, why, self.path)


def split_commas(text: str) -> tuple[str, ...]:
    """The parts of a ``LIST`` value; a part in double quotes keeps its commas."""
    if not text:
        return ()
    if '"' not in text:
        return tuple(text.split(","))
    import csv

    return tuple(next(csv.reader([text]), []))
