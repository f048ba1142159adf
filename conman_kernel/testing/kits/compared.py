"""Long bytes, compared. What pytest would show of two that are not equal takes it minutes, where it shows all (``CI`` is set)."""

from __future__ import annotations


def difference(got: bytes | bytearray, wanted: bytes | bytearray) -> str:
    """Where the first bytes lie that differ.

    :returns: one line; empty where there are none.
    """
    if got == wanted:
        return ""
    at = next((n for n, (one, other) in enumerate(zip(got, wanted)) if one != other), min(len(got), len(wanted)))
    return (f"{len(got)} bytes for {len(wanted)}; from byte {at} on {bytes(got[at:at + 16])!r} "
            f"instead of {bytes(wanted[at:at + 16])!r}")
