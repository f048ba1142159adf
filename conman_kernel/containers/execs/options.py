"""What an exec session is asked for."""

from __future__ import annotations

from typing import Mapping

from ...record import Record


class ExecOptions(Record):
    """One more process in a container.

    :param command: the command line; not empty.
    :param env: names and values, over the container's own environment.
    :param workdir: absolute; empty: the container's own.
    :param user: as ``--user``; empty: the container's own.
    :param terminal: it gets a terminal.
    :param stdin_open: its standard input is kept open for sessions; else it is at its end at once.
    :param privileged: all capabilities.
    """

    command: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    workdir: str = ""
    user: str = ""
    terminal: bool = False
    stdin_open: bool = False
    privileged: bool = False


def to_json(options: ExecOptions) -> dict[str, object]:
    """How options are kept."""
    return options._asdict()


def from_json(document: Mapping[str, object]) -> ExecOptions:
    """The options that :func:`to_json` gave."""
    command, env = document["command"], document["env"]
    assert isinstance(command, list) and isinstance(env, list)
    return ExecOptions(command=tuple(command), env=tuple((str(name), str(value)) for name, value in env),
                       workdir=str(document["workdir"]), user=str(document["user"]), terminal=bool(document["terminal"]),
                       stdin_open=bool(document["stdin_open"]), privileged=bool(document["privileged"]))
