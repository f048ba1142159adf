"""The words of a command line, as callers of the library give them."""

from __future__ import annotations

from ..errors import InvalidInput


def command_words(command: object) -> tuple[str, ...]:
    """A command line as it is kept.

    :param command: its words, in a list or tuple.
    :raises InvalidInput: it is one string, has words that are none, or holds a NUL.
    """
    if isinstance(command, (str, bytes)) or not isinstance(command, (list, tuple)):
        raise InvalidInput(f"a command is a list of words, not {command!r}",
                           hint='["sh", "-c", "..."] has a shell take a line apart')
    for word in command:
        if not isinstance(word, str):
            raise InvalidInput(f"a command's words are strings, not {word!r}")
        if "\0" in word:
            raise InvalidInput(f"no word of a command can hold a NUL: {word!r}")
    return tuple(command)
