"""The frames of the attach socket: one type byte and a payload, one packet each (PROTOCOL.md, "Attach socket")."""

from __future__ import annotations

VERSION = 1
PAYLOAD = 64 * 1024
"""Bytes of the largest payload."""

HELLO = 0x01
STDIN = 0x02
STDIN_END = 0x03
RESIZE = 0x04
SIGNAL = 0x05
DETACH = 0x06
CHECK = 0x07

WANTS_STDIN = 1
WANTS_STDOUT = 2
WANTS_STDERR = 4
FOREGROUND = 8
PASSES = (16, 32, 64)
"""A descriptor for stdin, stdout, stderr comes with the hello."""

WELCOME = 0x81
REFUSED = 0x82
STDOUT = 0x83
STDERR = 0x84
EXITED = 0x85
DROPPED = 0x86
WINDOW = 0x87
BROKEN = 0x88
CHECKED = 0x89

TERMINAL = 1
STDIN_OPEN = 2
IN_FOREGROUND = 4
TOOK = (8, 16, 32)
"""The descriptor for stdin, stdout, stderr was taken."""

CHECKS = 64
"""This container has a health check, which a session may ask for."""


def number(value: int) -> bytes:
    """An unsigned 32-bit number in network order."""
    return value.to_bytes(4, "big")
