"""The detach keys: found in what a person types, without swallowing what only begins like them."""

from __future__ import annotations


class DetachKeys:
    """Watches one stream of typed bytes.

    :param sequence: the bytes that detach; empty: nothing ever does.
    """

    def __init__(self, sequence: bytes) -> None:
        self._sequence = sequence
        self._held = b""

    def feed(self, typed: bytes) -> tuple[bytes, bool]:
        """Take what was typed.

        :returns: what is to be passed on, and whether the sequence is complete. The beginning of a sequence is
            held back until the next key shows what it was; what follows a complete one is dropped.
        """
        if not self._sequence or (not self._held and self._sequence[0] not in typed):
            return typed, False
        passed = bytearray()
        held = self._held
        for at in range(len(typed)):
            held += typed[at:at + 1]
            while not self._sequence.startswith(held):
                passed += held[:1]
                held = held[1:]
            if held == self._sequence:
                self._held = b""
                return bytes(passed), True
        self._held = held
        return bytes(passed), False

    def rest(self) -> bytes:
        """What is still held back; asked at the end of the input."""
        held, self._held = self._held, b""
        return held
