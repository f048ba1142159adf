"""How a process ended, as its shim wrote it down (``shim/PROTOCOL.md``, "Exit file")."""

from __future__ import annotations

from ..errors import InvalidState
from ..record import Record


class ExitStatus(Record):
    """How a process ended.

    :param code: 0-255; a death by signal n is 128+n.
    :param signal: that n, or 0.
    :param oom: the kernel's out-of-memory killer was at work in the container.
    :param finished_ns: nanoseconds since the epoch.
    """

    code: int
    signal: int
    oom: bool
    finished_ns: int


def read_exit_file(path: str) -> ExitStatus | None:
    """How the process ended, from the file that the shim wrote; None where there is none (yet).

    :raises InvalidState: the file is not an exit file.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(4096)
    except FileNotFoundError:
        return None
    status = exit_status(pieces(content, b"\n"))
    if status is None:
        raise InvalidState(f"{path} is not an exit file")
    return status


def pieces(content: bytes, end: bytes) -> dict[str, bytes]:
    """``key=value`` pieces, each closed by ``end``; what is none is left out."""
    found: dict[str, bytes] = {}
    for record in content.split(end):
        key, equals, value = record.partition(b"=")
        if equals:
            found[key.decode("ascii", "replace")] = value
    return found


def exit_status(values: dict[str, bytes]) -> ExitStatus | None:
    """The status that such records tell; None where they do not."""
    try:
        return ExitStatus(code=int(values["code"]), signal=int(values["signal"]), oom=values["oom"] == b"1",
                          finished_ns=int(values["finished"]))
    except (KeyError, ValueError):
        return None
