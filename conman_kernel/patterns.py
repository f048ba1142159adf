"""Regular expressions of filters, which people write as Go reads them (RE2 syntax)."""

from __future__ import annotations

import re
from typing import Callable

from .errors import InvalidInput

_CLASSES = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "ascii": r"\x00-\x7f", "blank": r"\t ", "cntrl": r"\x00-\x1f\x7f", "digit": "0-9",
    "graph": "!-~", "lower": "a-z", "print": " -~", "punct": r"!-/:-@\[-`{-~", "space": r"\t\n\v\f\r ", "upper": "A-Z",
    "word": "0-9A-Za-z_", "xdigit": "0-9A-Fa-f",
}
_PARTS = re.compile(r"\\Q(?P<literal>.*?)(?:\\E|$)|(?P<end>\\z)|(?P<escape>\\.)"
                    r"|(?P<set>\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\])|(?P<open>\[)", re.DOTALL)
_IN_SET = re.compile(r"\[:(?P<not>\^?)(?P<name>\w+):\]|(?P<escape>\\.)|(?P<mark>\[|&&|--|\|\||~~)", re.DOTALL)


def searcher(pattern: str) -> Callable[[str], bool]:
    """Does a text hold what the pattern means, anywhere.

    What Go's patterns have and Python's have not is translated: ``[[:alpha:]]``, ``\\z``, ``\\Q...\\E``, and a bracket or ``&&``
    in a set, which stands for itself. Unicode classes (``\\pL``) and the negation of a named one are not taken.

    :raises InvalidInput: it is no pattern.
    """
    try:
        found = re.compile(_PARTS.sub(_part, pattern))
    except (re.error, RecursionError, OverflowError) as error:
        raise InvalidInput(f"filter: {pattern!r} is no regular expression: {error}") from None
    return lambda text: found.search(text) is not None


def _part(match: re.Match[str]) -> str:
    if match["literal"] is not None:
        return re.escape(match["literal"])
    if match["open"]:
        raise re.error("missing closing ]")
    if match["end"]:
        return r"\Z"
    if match["set"]:
        text = match["set"]
        begin = 2 if text.startswith("[^") else 1
        return text[:begin] + _IN_SET.sub(_set_part, text[begin:-1]) + "]"
    return match["escape"]


def _set_part(match: re.Match[str]) -> str:
    if match["escape"]:
        return match["escape"]
    if match["mark"]:
        return "".join("\\" + letter for letter in match["mark"])
    if match["not"] or match["name"] not in _CLASSES:
        raise re.error(f"no such class of characters: {match[0]}")
    return _CLASSES[match["name"]]
