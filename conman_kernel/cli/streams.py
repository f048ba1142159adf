"""What the verbs that join a person's streams to a container share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import InvalidInput
from . import out
from .declare import FLAG, Option

if TYPE_CHECKING:
    from ..containers.streams import RunOutcome
    from ..kernel import Conman
    from .values import Values

DETACH_KEYS = Option("--detach-keys",
                     "Keys that leave the container running and give the terminal back, such as ctrl-p,ctrl-q",
                     metavar="KEYS")
SIG_PROXY = Option("--sig-proxy", "Pass the signals that this command gets on to the container", FLAG, default=True)


def detach_keys(conman: Conman, values: Values) -> bytes:
    """The detach keys as bytes: ``--detach-keys``, or the configuration's.

    :raises InvalidInput: a key of another form.
    """
    text = values.text("detach-keys") if values.given("detach-keys") else conman.config.text("containers.detach_keys")
    return parse_keys(text)


def parse_keys(text: str) -> bytes:
    """``a``, ``ctrl-p,ctrl-q``: single ASCII characters and ``ctrl-`` with one of ``a-z @ [ \\ ] ^ _``, joined by commas.

    :raises InvalidInput: a key of another form, in podman's and docker's words.
    """
    keys = b""
    for key in text.split(",") if text else ():
        name = key.removeprefix("ctrl-")
        if len(key) == 6 and len(name) == 1 and ("a" <= name <= "z" or name in "@[\\]^_"):
            keys += bytes([ord(name.upper()) - 64])
        elif len(key) == 1 and key.isascii():
            keys += key.encode()
        else:
            raise InvalidInput(f"invalid detach keys: Unknown character: '{key}'",
                               hint="a key is one character, or ctrl- and one of a-z @ [ \\ ] ^ _; keys are joined by commas")
    return keys


def exit_code(outcome: RunOutcome) -> int:
    """The command's exit code for the way a session ended; says on stderr what is not an exit."""
    if outcome.ended == "detached":
        return 0
    return 125 if outcome.exit_code is None else outcome.exit_code


def warn_without_terminal(*, terminal: bool, stdin: bool) -> None:
    """podman's warning where a terminal was asked for and standard input is none."""
    if terminal and stdin and not os.isatty(0):
        out.error_text("Warning: the input device is not a TTY. "
                       "The --tty and --interactive flags might not work properly\n")
