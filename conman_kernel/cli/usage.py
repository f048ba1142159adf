"""Usage errors: one clear line and a hint with the nearest match. Imported only where one is to be raised."""

from __future__ import annotations

import difflib
from typing import Sequence

from ..errors import InvalidInput
from .declare import Option, Verb


def nearest(word: str, known: Sequence[str]) -> str:
    """The known word nearest to ``word``; empty where none is near."""
    found = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if not found:
        begins = [name for name in known if len(word) > 3 and name.startswith(word)]
        found = begins[:1]
    return found[0] if found else ""


def _see(path: str) -> str:
    return f"see '{path} --help'"


def unknown_option(verb: Verb, name: str, word: str, path: str) -> InvalidInput:
    """An option that the verb does not have.

    :param name: the option; of a bundle, the letter that failed.
    :param word: the whole bundle, or empty.
    """
    if word:
        return InvalidInput(f"unknown shorthand flag: '{name[1:]}' in {word}", hint=_see(path))
    known = [option.long for option in verb.options if not option.hidden]
    near = nearest(name, [*known, "--help"])
    return InvalidInput(f"unknown flag: {name}", hint=f"did you mean {near}? {_see(path)}" if near else _see(path))


def value_missing(name: str, path: str) -> InvalidInput:
    """An option at the end of the line that needs a value."""
    return InvalidInput(f"flag needs an argument: {name}", hint=_see(path))


def bad_value(option: Option, text: str, why: str, path: str) -> InvalidInput:
    """A value that the option cannot take."""
    name = f"{option.short}, {option.long}" if option.short else option.long
    return InvalidInput(f'invalid argument "{text}" for "{name}" flag: {why}', hint=_see(path))


def too_few(verb: Verb, count: int, path: str) -> InvalidInput:
    """Fewer positional arguments than the verb needs."""
    message = verb.missing or f"requires at least {verb.minimum} arg(s), only received {count}"
    return InvalidInput(message, hint=_see(path))


def too_many(verb: Verb, most: int, arguments: Sequence[str], path: str) -> InvalidInput:
    """More positional arguments than the verb takes."""
    if most == 0:
        return InvalidInput(f"`{path}` takes no arguments", hint=f"{arguments[0]!r} is one too many; {_see(path)}")
    return InvalidInput(f"accepts at most {most} arg(s), received {len(arguments)}", hint=_see(path))


def unknown_command(word: str, known: Sequence[str], path: str) -> InvalidInput:
    """A verb (or a noun's verb) that does not exist."""
    near = nearest(word, known)
    return InvalidInput(f"unrecognized command `{path} {word}`",
                        hint=f"did you mean '{path} {near}'? {_see(path)}" if near else _see(path))


def command_missing(path: str) -> InvalidInput:
    """No verb at all."""
    return InvalidInput(f"missing command '{path} COMMAND'", hint=_see(path))
