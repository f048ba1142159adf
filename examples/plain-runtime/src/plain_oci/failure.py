"""What goes wrong, in one line."""

from __future__ import annotations

from typing import NoReturn


class Failure(Exception):
    """The one line that is printed before exit code 1."""


def unsupported(what: str, instead: str) -> NoReturn:
    """Refuse what a specification asks for and this runtime cannot give."""
    raise Failure(f"cannot {what}: {instead}")
