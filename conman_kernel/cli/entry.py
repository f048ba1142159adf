"""The command ``conman``: the little that is done before anything is imported, and the quick way out at the end.

``--version`` is answered here. So is the shim of ``run``, ``start`` and ``exec`` launched, so that its interpreter
starts while this one still imports.
"""

from __future__ import annotations

import gc
import os
import sys

from .._version import VERSION

_COLLECT_EVERY = 100_000
"""Allocations between two garbage collections: imports make many objects and no garbage (2 ms of a ``ps``)."""


def main() -> None:
    """Run the command line of this process and end it.

    The process ends without the interpreter's own tidying up (7 ms of a ``ps``): the kernel is closed by then, output
    is not buffered, and the operating system takes the rest back.

    What prints is no part of conman, which writes to its descriptors: a plugin's words go where they cannot get into the output.
    """
    _open_standard_descriptors()
    gc.set_threshold(_COLLECT_EVERY, 20, 20)
    sys.stdout, printed = sys.stderr, sys.stdout
    code = run(sys.argv[1:])
    for stream in (printed, sys.stderr):
        try:
            stream.flush()
        except (OSError, AttributeError):
            continue  # closed, or nobody reads it
    os._exit(code)


def _open_standard_descriptors() -> None:
    """A descriptor that the caller closed (``<&-``) would be given to the next file or socket, and be read or written as
    standard input or output. As input it has ended; as output it fails where it is used, as a closed one does; what is said on
    standard error nobody wants to hear."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.set_inheritable(os.open("/dev/null", os.O_RDWR if fd == 2 else os.O_RDONLY), True)


def run(argv: list[str]) -> int:
    """Run one command line; never raises on a person's mistakes.

    :param argv: without the program's name.
    :returns: the exit code.
    """
    if argv == ["--version"] or argv == ["-v"]:
        return _version()
    try:
        shim = None
        verb = _verb_at(argv)
        if argv[verb:verb + 1] and argv[verb] in ("run", "start", "exec") and "_CONMAN_COMPLETE" not in os.environ:
            from .early import launch

            shim = launch(argv[verb + 1:])
        from .dispatch import dispatch

        return dispatch(argv, shim)
    except KeyboardInterrupt:
        return 130


def _verb_at(argv: list[str]) -> int:
    """Where the verb probably stands: behind the global options, all of which take a value. A guess; the parser knows."""
    at = 0
    while at < len(argv) and argv[at].startswith("--"):
        at += 1 if "=" in argv[at] else 2
    return at + 1 if argv[at:at + 1] == ["container"] else at


def _version() -> int:
    try:
        os.write(1, f"conman version {VERSION}\n".encode("ascii"))
    except BrokenPipeError:
        return 141
    except OSError as error:
        from .out import STREAMS, error_text

        error_text(f"Error: write {STREAMS[1]}: {error.strerror}\n")
        return 125
    return 0
