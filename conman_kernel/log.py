"""Where conman and its plugins report what is no error: one line each on standard error, from a level on."""

from __future__ import annotations

import sys

LEVELS = ("debug", "info", "warning", "error")


class StderrLog:
    """A logger with the standard library's method names, without its import.

    :param level: one of :data:`LEVELS`; what lies below it is dropped.
    """

    __slots__ = ("_least",)

    def __init__(self, level: str) -> None:
        self._least = LEVELS.index(level)

    def debug(self, message: str, *args: object) -> None:
        """Something for those who look for a defect."""
        self._write(0, message, args)

    def info(self, message: str, *args: object) -> None:
        """Something worth knowing."""
        self._write(1, message, args)

    def warning(self, message: str, *args: object) -> None:
        """Something that a person should see, though the work goes on."""
        self._write(2, message, args)

    def _write(self, level: int, message: str, args: tuple[object, ...]) -> None:
        if level >= self._least and sys.stderr is not None:
            sys.stderr.write(f"conman: {LEVELS[level]}: {message % args if args else message}\n")
