"""Writing to the standard descriptors: whole, unbuffered, and quiet where nobody reads any more."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..errors import ConmanError

STREAMS = ("/dev/stdin", "/dev/stdout", "/dev/stderr")
"""What the standard descriptors are called in messages, here and by :mod:`conman_kernel.support.joined.sink`."""


def write(data: str | bytes, fd: int = 1) -> None:
    """Write all of it.

    :raises BrokenPipeError: nobody reads; the dispatcher ends the command quietly.
    :raises OSError: another failure (a full disk, a closed descriptor), which names the stream.
    """
    rest = memoryview(data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data)
    while rest:
        try:
            rest = rest[os.write(fd, rest):]
        except BlockingIOError:
            import select

            poll = select.poll()
            poll.register(fd, select.POLLOUT)
            poll.poll()
        except BrokenPipeError:
            raise
        except OSError as error:
            error.filename = STREAMS[fd]
            raise


def line(text: str) -> None:
    """One line on standard output."""
    write(text + "\n")


def error_text(text: str) -> None:
    """Lines on standard error. Where that cannot be written, nobody is there to be told."""
    try:
        write(text, 2)
    except OSError:
        return


def report(error: ConmanError) -> None:
    """An error in podman's form, and what to do next on the line after it."""
    message = " ".join(error.message.split("\n")) if "\n" in error.message else error.message
    error_text(f"Error: {message}\n" + (f"Hint: {error.hint}\n" if error.hint else ""))
