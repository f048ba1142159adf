"""The command ``conman``: the little that is done before anything is imported.

``--version`` is answered here. So is the shim of ``run``, ``start`` and ``exec`` launched, so that its interpreter
starts while this one still imports.
"""

from __future__ import annotations

import os
import sys

from .._version import VERSION


def main() -> int:
    """Run the command line of this process. Returns the exit code; never raises on a person's mistakes."""
    argv = sys.argv[1:]
    if argv == ["--version"] or argv == ["-v"]:
        return _version()
    try:
        shim = None
        if argv and argv[0] in ("run", "start", "exec") and "_CONMAN_COMPLETE" not in os.environ:
            from .early import launch

            shim = launch(argv[1:])
        from .dispatch import dispatch

        return dispatch(argv, shim)
    except KeyboardInterrupt:
        return 130


def _version() -> int:
    try:
        os.write(1, f"conman version {VERSION}\n".encode("ascii"))
    except BrokenPipeError:
        return 141
    return 0
