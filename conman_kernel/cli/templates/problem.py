"""What is wrong with a template, and where: one line with line, column and the words that are meant."""

from __future__ import annotations

from ...errors import InvalidInput

_SHOWN = 60
"""How many characters of a template an error shows."""


class Wrong(Exception):
    """A function or a value said no; whoever knows the place adds it.

    :param words: what is wrong.
    :param hint: what to do next, or empty.
    """

    def __init__(self, words: str, hint: str = "") -> None:
        super().__init__(words)
        self.words = words
        self.hint = hint


class Source:
    """A template's text.

    :param text: all of it, as the caller wrote it.
    :param name: what it is called in errors, such as ``--format``.
    """

    __slots__ = ("name", "text")

    def __init__(self, text: str, name: str) -> None:
        self.text = text
        self.name = name

    def problem(self, at: int, words: str, *, end: int = 0, hint: str = "") -> InvalidInput:
        """An error at a place; lines and columns (in characters) count from 1.

        :param end: the end of what is shown after ``at``; without it, the action around the place is.
        """
        line = self.text.count("\n", 0, at) + 1
        column = at - self.text.rfind("\n", 0, at)
        shown = self.text[at:end] if end else self._action(at)
        shown = " ".join(shown.split())
        if len(shown) > _SHOWN:
            shown = shown[:_SHOWN] + "..."
        place = f" at <{shown}>" if shown else ""
        return InvalidInput(f"{self.name}: template {line}:{column}{place}: {words}", hint=hint)

    def _action(self, at: int) -> str:
        opened = self.text.rfind("{{", 0, at + 2)
        if opened < 0:
            return ""
        closed = self.text.find("}}", max(at - 1, opened))
        return self.text[opened:closed + 2 if closed >= 0 else len(self.text)]
