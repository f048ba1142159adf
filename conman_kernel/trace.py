"""``CONMAN_TRACE=hooks,shim,exec``: hook calls, messages to and from shims, every argv and exit status, on standard error."""

from __future__ import annotations

import os
import sys

VARIABLE = "CONMAN_TRACE"


def traced(topic: str) -> bool:
    """True where the environment asks for this topic.

    :param topic: ``hooks``, ``shim`` or ``exec``.
    """
    wanted = os.environ.get(VARIABLE)
    return wanted is not None and topic in wanted.split(",")


def trace(topic: str, text: str) -> None:
    """Say one thing about a topic, if the environment asks for it."""
    if traced(topic):
        sys.stderr.write(f"{topic}: {text}\n")
