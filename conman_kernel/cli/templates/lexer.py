"""A template's text as tokens."""

from __future__ import annotations

from typing import Callable

from ...record import Record
from .problem import Source

TEXT, LEFT, RIGHT, SPACE, END = "text", "{{", "}}", "space", "end of the template"
WORD, FIELD, VARIABLE, DOT = "word", "field", "variable", "."
NUMBER, CHARACTER, STRING, RAW = "number", "character", "string", "raw string"
OTHER = "other"
"""``( ) | , = :=`` are tokens whose kind is their text; OTHER is any other printable character."""

_SPACES = " \t\r\n"
_ENDS = " \t\r\n.,|:)("
"""What may follow a word, a field or a variable."""


class Token(Record):
    """A piece of a template.

    :param kind: one of the constants above, or the character itself.
    :param text: as written (of ``TEXT``: as printed).
    :param at: where it begins.
    """

    kind: str
    text: str
    at: int

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.at + len(self.text)


class Lexer:
    """Cuts one template.

    :param source: the template.
    :param begin: where it begins.
    :param plain: what is done to text outside of actions, before spaces are trimmed.
    :param ending: stands behind the last of it, and is trimmed like it.
    """

    def __init__(self, source: Source, begin: int, plain: Callable[[str], str], ending: str = "") -> None:
        self._source = source
        self._text = source.text
        self._at = begin
        self._plain = plain
        self._ending = ending
        self._found: list[Token] = []

    def tokens(self) -> list[Token]:
        """All of it, with one token ``END`` after it.

        :raises InvalidInput: an action, a string or a comment does not end; a character that means nothing.
        """
        trims = False
        while True:
            opened = self._text.find("{{", self._at)
            stop = opened if opened >= 0 else len(self._text)
            marked = opened >= 0 and self._text[opened + 2:opened + 3] == "-" and self._space_at(opened + 3)
            words = self._plain(self._text[self._at:stop]) + (self._ending if opened < 0 else "")
            words = words.lstrip(_SPACES) if trims else words
            words = words.rstrip(_SPACES) if marked else words
            if words:
                self._found.append(Token(TEXT, words, self._at))
            if opened < 0:
                self._found.append(Token(END, "", stop))
                return self._found
            self._at = opened + (4 if marked else 2)
            if self._text.startswith("/*", self._at):
                trims = self._comment(opened)
            else:
                self._found.append(Token(LEFT, "{{", opened))
                trims = self._action(opened)

    def _space_at(self, at: int) -> bool:
        return self._text[at:at + 1] in tuple(_SPACES)

    def _closed(self) -> int:
        """The length of the closing delimiter that stands here, with its trim marker; 0 where none does."""
        if self._text.startswith("}}", self._at):
            return 2
        return 4 if self._space_at(self._at) and self._text.startswith("-}}", self._at + 1) else 0

    def _comment(self, opened: int) -> bool:
        end = self._text.find("*/", self._at + 2)
        if end < 0:
            raise self._source.problem(opened, "unclosed comment")
        self._at = end + 2
        length = self._closed()
        if not length:
            raise self._source.problem(opened, "comment ends before closing delimiter")
        self._at += length
        return length == 4

    def _action(self, opened: int) -> bool:
        depth = 0
        while True:
            length = self._closed()
            if length:
                if depth:
                    raise self._source.problem(opened, "unclosed left paren")
                self._found.append(Token(RIGHT, "}}", self._at + length - 2))
                self._at += length
                return length == 4
            if self._at >= len(self._text):
                raise self._source.problem(opened, "unclosed action", hint="an action ends with }}")
            kind = self._next()
            depth += {"(": 1, ")": -1}.get(kind, 0)
            if depth < 0:
                raise self._source.problem(self._at - 1, "unexpected right paren")

    def _next(self) -> str:
        """Read one token inside an action. :returns: its kind."""
        first, at = self._text[self._at], self._at
        following = self._text[at + 1:at + 2]
        if first in _SPACES:
            return self._emit(SPACE, self._spaces())
        if first in "\"'`":
            return self._quoted(first)
        if first == ":":
            if following != "=":
                raise self._source.problem(at, "expected :=")
            return self._emit(":=", at + 2)
        if first in "=|(),":
            return self._emit(first, at + 1)
        if first == "$" or (first == "." and not ("0" <= following <= "9")):
            return self._name(VARIABLE if first == "$" else FIELD, at + 1)
        if first in "+-." or "0" <= first <= "9":
            return self._number()
        if first == "_" or first.isalnum():
            return self._name(WORD, at)
        if first.isascii() and first.isprintable():
            return self._emit(OTHER, at + 1)
        raise self._source.problem(at, f"unrecognized character in action: U+{ord(first):04X}")

    def _emit(self, kind: str, end: int) -> str:
        self._found.append(Token(kind, self._text[self._at:end], self._at))
        self._at = end
        return kind

    def _spaces(self) -> int:
        end = self._at
        while self._space_at(end) and not (end > self._at and self._text.startswith("-}}", end + 1)):
            end += 1
        return end

    def _name(self, kind: str, end: int) -> str:
        begin = end
        while end < len(self._text) and (self._text[end] == "_" or self._text[end].isalnum()):
            end += 1
        following = self._text[end:end + 1]
        if following and following not in _ENDS and not self._text.startswith("}}", end):
            raise self._source.problem(end, f"bad character U+{ord(following):04X} {following!r}")
        return self._emit(DOT if kind == FIELD and end == begin else kind, end)

    def _quoted(self, quote: str) -> str:
        what = {'"': "quoted string", "'": "character constant", "`": "raw quoted string"}[quote]
        end = self._at + 1
        while True:
            letter = self._text[end:end + 1]
            if not letter or (letter == "\n" and quote != "`"):
                raise self._source.problem(self._at, f"unterminated {what}")
            if letter == quote:
                return self._emit({'"': STRING, "'": CHARACTER, "`": RAW}[quote], end + 1)
            escaped = letter == "\\" and quote != "`" and self._text[end + 1:end + 2] not in ("", "\n")
            end += 2 if escaped else 1

    def _number(self) -> str:
        end = self._at + (self._text[self._at] in "+-")
        hexadecimal = self._text[end:end + 2].lower() == "0x"
        powers = "pP" if hexadecimal else "eE"
        while end < len(self._text):
            letter = self._text[end]
            signed = letter in "+-" and self._text[end - 1] in powers and end - 1 > self._at
            if not (letter.isalnum() or letter in "_." or signed):
                break
            end += 1
        return self._emit(NUMBER, end)
