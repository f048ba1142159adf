"""The tiny shim with one promise of ``shim/PROTOCOL.md`` broken; the first argument says which."""

from __future__ import annotations

import sys

import tiny_shim


class WrongFrame(tiny_shim.Shim):
    """Says another exit code in the frame `exited` than in the exit file."""

    def say_exited(self, s: tiny_shim.Session) -> None:
        s.say(0x85, b"\x63")
        s.closing = True


class Closer(tiny_shim.Shim):
    """Closes a session that feeds it, without a word, while the process goes on."""

    def serve(self, s: tiny_shim.Session) -> None:
        if s.hello and s.feeds:
            s.feeds = False
            self.lose(s)
        else:
            super().serve(s)


if __name__ == "__main__":
    tiny_shim.begin({"frame": WrongFrame, "close": Closer}[sys.argv[1]])
