"""The tiny shim with one promise of ``shim/PROTOCOL.md`` broken; the first argument says which."""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import tiny_shim  # type: ignore[import-not-found]  # it lies beside this program


class WrongFrame(tiny_shim.Shim):  # type: ignore[misc]
    """Says another exit code in the frame `exited` than in the exit file."""

    def say_exited(self, session: tiny_shim.Session) -> None:
        session.say(0x85, b"\x63")
        session.closing = True


class Closer(tiny_shim.Shim):  # type: ignore[misc]
    """Closes a session that feeds it, without a word, while the process goes on."""

    def serve(self, s: tiny_shim.Session) -> None:
        if s.hello and s.feeds:
            s.feeds = False
            self.lose(s)
        else:
            super().serve(s)


tiny_shim.begin({"frame": WrongFrame, "close": Closer}[sys.argv[1]])
