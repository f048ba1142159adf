"""The marker that plugin modules put on their hook implementations; light, so that a plugin costs no import of pluggy."""

from __future__ import annotations

from typing import TypeVar

F = TypeVar("F")


def hookimpl(function: F) -> F:
    """Mark a function as the implementation of the hook of its name.

    The mark is exactly what ``pluggy.HookimplMarker("conman")`` leaves, and a plugin may use that one instead.
    """
    setattr(function, "conman_impl", {"wrapper": False, "hookwrapper": False, "optionalhook": False,
                                      "tryfirst": False, "trylast": False, "specname": None})
    return function
