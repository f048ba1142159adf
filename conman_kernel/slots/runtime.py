"""The slot ``conman.runtime``: what starts a container's process.

A runtime plugin is data: frozen *argv tables* of an OCI-runtime command line, rendered by the kernel for itself and for
the shim, a table from the runtime's error texts to exit codes, and what the binary can do. It runs nothing but
its own feature query. A runtime that is no OCI binary ships an executable that speaks that command line.
"""

from __future__ import annotations

from typing import Mapping, Protocol

from ..cancel import Cancel
from ..errors import InvalidInput
from ..record import Record

API = 1
"""The version of this slot. A plugin writes in its provider the number that it was written for, never this name."""

Template = tuple["str | tuple[str, ...]", ...]
"""An argv to fill in: a string holds at most one ``{place}``; a nested tuple is dropped whole where its place is empty."""


def render(template: Template, values: Mapping[str, str]) -> list[str]:
    """Fill in a template.

    :param template: see :data:`Template`.
    :param values: place -> text. Places: ``root log id bundle pid_file console_socket signal process image_path
        work_path``. The list-valued places of OCI command lines are given one per container, never split.
    :returns: a new argument list; never passed through a shell.
    :raises InvalidInput: a required place has no value.
    """
    argv: list[str] = []
    for part in template:
        group = part if isinstance(part, tuple) else (part,)
        filled: list[str] = []
        for text in group:
            start, end = text.find("{"), text.find("}")
            if start >= 0 and end > start:
                place = text[start + 1:end]
                value = values.get(place, "")
                if not value:
                    if isinstance(part, tuple):
                        filled = []
                        break
                    raise InvalidInput(f"the runtime's command needs {place}, and none was given")
                text = text[:start] + value + text[end + 1:]
            filled.append(text)
        argv.extend(filled)
    return argv


class RuntimeCommands(Record):
    """The argv tables. An empty template means that the runtime has no such command.

    ``create`` takes ``root log bundle id`` and optionally ``pid_file console_socket``; it must return once the container
    is created, leaving stdio to the process. ``delete`` is forced (``kill_delete``) or not. ``exec`` is detached, takes
    ``process`` (path of an OCI process document), ``pid_file``, optionally ``console_socket``. ``state`` prints
    the OCI state document. ``kill`` takes ``signal`` as a number. ``run`` is create and start in one, detached, with
    create's places: where a runtime has it, a container without a terminal is started a process sooner. ``update`` reads what
    changes of the specification's ``linux.resources`` from its standard input, and changes all of it or nothing; ``pause`` and
    ``resume`` return once it is so.

    What an executable of one's own has to know beyond the OCI command line. The program is started by its first word, without a
    shell, and by the shim or the kernel alike. What it knows of a container lies in the folder ``{root}/{id}`` from ``create`` to
    ``delete``: without that folder there is nothing to delete. The process that ``create`` and ``exec`` make is written to
    ``pid_file`` and has to end up as a child of whoever is the subreaper above: its parents between have ended by then.
    Descriptors 0, 1 and 2 are the process's. Where a command fails, it exits with another code than 0; what counts as its words
    is the last line of the file ``log`` that is a JSON object with the ``level`` ``error`` or ``fatal``, its ``msg``, else its
    stderr and stdout.
    A specification that asks for what the program cannot do must be refused: see :class:`Features`.
    """

    create: Template
    start: Template
    state: Template
    kill: Template
    delete: Template
    force_delete: Template
    exec: Template
    pause: Template = ()
    resume: Template = ()
    checkpoint: Template = ()
    restore: Template = ()
    update: Template = ()
    run: Template = ()


class Features(Record):
    """What a runtime binary can do (OCI runtime-spec "features", or the plugin's own table by version).

    They are shown to people. The kernel leaves nothing out of a specification because of them: a limit, a filter or a profile
    that was asked for, by default too, is asked of the runtime, which refuses it in one line where it cannot give it.

    :param version: as the binary says it, one line.
    :param oci_version: the newest OCI runtime-spec version it speaks.
    :param cgroup_v1: it manages cgroup v1 hierarchies.
    :param cgroup_v2: it manages the unified hierarchy.
    :param systemd_cgroup: it can have systemd make the cgroup.
    :param seccomp: it applies seccomp profiles.
    :param apparmor: it applies AppArmor profiles.
    :param checkpoint: it can checkpoint and restore.
    """

    version: str
    oci_version: str
    cgroup_v1: bool
    cgroup_v2: bool
    systemd_cgroup: bool
    seccomp: bool
    apparmor: bool
    checkpoint: bool


class Runtime(Protocol):
    """An OCI runtime, as data."""

    @property
    def binary(self) -> str:
        """Absolute path of the executable."""
        ...

    def commands(self, *, systemd_cgroup: bool) -> RuntimeCommands:
        """The argv tables, program name included. The same answer every time; does no I/O."""
        ...

    def exit_code(self, message: str) -> int:
        """Sort what the runtime's create, start or exec said (its log's last error, or its stderr).

        :returns: 127 where the command was not found, 126 where it cannot be executed, else 125.
        """
        ...

    def features(self, cancel: Cancel) -> Features:
        """Ask the binary what it can do. May run it; the kernel keeps the answer.

        :raises Unavailable: the binary cannot be run.
        """
        ...
