"""Detach keys."""

from __future__ import annotations

import pytest

from conman_kernel.support.joined.keys import DetachKeys

PQ = b"\x10\x11"


@pytest.mark.parametrize(("sequence", "typed", "passed", "detached"), [
    (PQ, [b"ls\n"], b"ls\n", False),
    (PQ, [b"\x10\x11"], b"", True),
    (PQ, [b"\x10", b"\x11"], b"", True),
    (PQ, [b"ab\x10", b"\x11dropped"], b"ab", True),
    (PQ, [b"\x10", b"x"], b"\x10x", False),
    (PQ, [b"\x10"], b"", False),
    (PQ, [b"\x10\x10\x11"], b"\x10", True),
    (PQ, [b"\x10", b"\x10", b"\x10", b"y"], b"\x10\x10\x10y", False),
    (b"aab", [b"aaab"], b"a", True),
    (b"aab", [b"aac"], b"aac", False),
    (b"a", [b"xa"], b"x", True),
    (b"", [b"\x10\x11"], b"\x10\x11", False),
])
def test_sequences(sequence: bytes, typed: list[bytes], passed: bytes, detached: bool) -> None:
    keys = DetachKeys(sequence)
    out, found = b"", False
    for piece in typed:
        more, found = keys.feed(piece)
        out += more
        if found:
            break
    assert (out, found) == (passed, detached)


def test_what_is_held_back_comes_at_the_end() -> None:
    keys = DetachKeys(PQ)
    assert keys.feed(b"a\x10") == (b"a", False)
    assert keys.rest() == b"\x10"
    assert keys.rest() == b""
