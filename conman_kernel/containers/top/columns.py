"""The columns of ``top``: podman's descriptors (containers/psgo) and what each shows of a process."""

from __future__ import annotations

import time
from typing import Callable, Mapping

from ...errors import InvalidInput
from ...oci.runtime.capabilities import NAMES, names_of
from ...record import Record
from .reading import Process


class Names(Record):
    """Who has which number: in the container's own files, and on the host.

    :param users: uid -> name in the container; ``groups``: gid -> name.
    :param host_users: likewise on the host, and ``host_groups``.
    """

    users: Mapping[int, str]
    groups: Mapping[int, str]
    host_users: Mapping[int, str]
    host_groups: Mapping[int, str]


DEFAULT = ("user", "pid", "ppid", "pcpu", "etime", "tty", "time", "args")

FULL = 1 + NAMES.index("CAP_AUDIT_READ")
"""How many capabilities a process has that has all: the kernel may know fewer than this table."""

_Show = Callable[[Process, Names], str]


def _named(number: int, names: Mapping[int, str]) -> str:
    return names.get(number, str(number))


def _all(numbers: tuple[int, ...], names: Mapping[int, str]) -> str:
    return ",".join(_named(number, names) for number in numbers)


def _capabilities(place: int) -> _Show:
    def show(process: Process, names: Names) -> str:
        held = [name.removeprefix("CAP_") for name in names_of(process.capabilities[place])]
        return "full" if len(held) >= FULL else ",".join(held) or "none"

    return show


def _cpu(process: Process, names: Names) -> str:
    return f"{100 * process.cpu_ns / process.elapsed_ns:.3f}" if process.elapsed_ns else "0.000"


def _started(process: Process, names: Names) -> str:
    local = time.localtime(process.started)
    return time.strftime("%Y-%m-%d %H:%M:%S %z %Z", local)


def duration(nanoseconds: int) -> str:
    """As Go writes one: ``1h2m3.5s``, ``20ms``, ``0s``."""
    if nanoseconds < 10**9:
        for unit, size in (("ms", 10**6), ("µs", 10**3), ("ns", 1)):
            if nanoseconds >= size:
                return _decimal(nanoseconds, size) + unit
        return "0s"
    minutes, rest = divmod(nanoseconds, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{head}{_decimal(rest, 10**9)}s"


def _decimal(value: int, unit: int) -> str:
    whole, part = divmod(value, unit)
    digits = f"{part:0{len(str(unit)) - 1}d}".rstrip("0") if part else ""
    return f"{whole}.{digits}" if digits else str(whole)


COLUMNS: Mapping[str, tuple[str, str, _Show]] = {
    "args": ("COMMAND", "%a", lambda process, names: " ".join(process.args)),
    "capamb": ("AMBIENT CAPS", "", _capabilities(4)),
    "capbnd": ("BOUNDING CAPS", "", _capabilities(3)),
    "capeff": ("EFFECTIVE CAPS", "", _capabilities(2)),
    "capinh": ("INHERITED CAPS", "", _capabilities(0)),
    "capprm": ("PERMITTED CAPS", "", _capabilities(1)),
    "comm": ("COMMAND", "%c", lambda process, names: process.comm),
    "etime": ("ELAPSED", "%t", lambda process, names: duration(process.elapsed_ns)),
    "group": ("GROUP", "%G", lambda process, names: _named(process.gids[1], names.groups)),
    "groups": ("GROUPS", "", lambda process, names: _all(process.groups, names.groups)),
    "hgroup": ("HGROUP", "", lambda process, names: _named(process.gids[1], names.host_groups)),
    "hgroups": ("HGROUPS", "", lambda process, names: _all(process.groups, names.host_groups)),
    "hpid": ("HPID", "", lambda process, names: str(process.hpid)),
    "huser": ("HUSER", "", lambda process, names: _named(process.uids[1], names.host_users)),
    "label": ("LABEL", "", lambda process, names: process.label or "?"),
    "nice": ("NI", "%n", lambda process, names: str(process.nice)),
    "pcpu": ("%CPU", "%C", _cpu),
    "pgid": ("PGID", "%r", lambda process, names: str(process.pgid)),
    "pid": ("PID", "%p", lambda process, names: str(process.pid)),
    "ppid": ("PPID", "%P", lambda process, names: str(process.ppid)),
    "rgroup": ("RGROUP", "%g", lambda process, names: _named(process.gids[0], names.groups)),
    "rss": ("RSS", "", lambda process, names: str(process.rss)),
    "ruser": ("RUSER", "%u", lambda process, names: _named(process.uids[0], names.users)),
    "seccomp": ("SECCOMP", "", lambda process, names: ("disabled", "strict", "filter")[min(2, process.seccomp)]),
    "state": ("STATE", "", lambda process, names: process.state),
    "stime": ("STIME", "", _started),
    "time": ("TIME", "%x", lambda process, names: duration(process.cpu_ns)),
    "tty": ("TTY", "%y", lambda process, names: process.tty or "?"),
    "user": ("USER", "%U", lambda process, names: _named(process.uids[1], names.users)),
    "vsz": ("VSZ", "%z", lambda process, names: str(process.vsz)),
}
"""Descriptor -> heading, ps(1)'s AIX letter, what is shown."""

_LETTERS = {letter: name for name, (_, letter, _) in COLUMNS.items() if letter}


def chosen(words: tuple[str, ...]) -> tuple[str, ...]:
    """The descriptors that words name, several to a word with commas between.

    :param words: none: :data:`DEFAULT`.
    :raises InvalidInput: one is no descriptor.
    """
    asked = [part for word in words for part in word.split(",")] if words else list(DEFAULT)
    found: list[str] = []
    for part in asked:
        name = _LETTERS.get(part, part)
        if name not in COLUMNS:
            raise InvalidInput(f"unknown descriptor {part!r}", hint=f"descriptors are {', '.join(COLUMNS)}")
        found.append(name)
    return tuple(found)
