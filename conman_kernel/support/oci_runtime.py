"""A runtime for programs with runc's command line: find the program, its argv tables, its options; the rest is texts.

The command line is runc's, which crun, youki and others speak as well: https://github.com/opencontainers/runc/tree/main/man
"""

from __future__ import annotations

import os
from typing import Callable, Mapping

from ..cancel import Cancel
from ..errors import ConfigError
from ..slots.provider import Unavailable
from ..slots.runtime import Features, RuntimeCommands, Template

FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
"""Looked into after PATH, which for a user or a service may lack the sbin folders."""


def find_program(name: str) -> str:
    """The absolute path of an executable; empty where there is none.

    :param name: an absolute path, or a name looked for in PATH and :data:`FOLDERS`; other relative paths are never found.
    """
    if "/" in name:
        return name if os.path.isabs(name) and os.access(name, os.X_OK) and not os.path.isdir(name) else ""
    for folder in dict.fromkeys((*os.environ.get("PATH", "").split(":"), *FOLDERS)):
        path = f"{folder}/{name}"
        if folder.startswith("/") and os.access(path, os.X_OK) and not os.path.isdir(path):
            return path
    return ""


def missing(name: str, package: str) -> Unavailable | None:
    """What a probe says where the program is not there; None where it is. Runs nothing.

    :param package: Debian's package with it, for the hint.
    """
    if find_program(name):
        return None
    where = "" if "/" in name else " in PATH or the usual folders"
    return Unavailable(f"there is no executable {name}{where}", f"apt-get install {package}")


def option_docs(program: str) -> Mapping[str, str]:
    """The ``DOCS`` of a plugin's options ``binary`` and ``extra_args``."""
    return {
        "binary": f"the {program} to use: an absolute path, or a name looked for in PATH and the usual folders",
        "extra_args": "more global arguments before the command, such as --debug",
    }


def standard_commands(binary: str, *, systemd_cgroup: bool, extra_args: tuple[str, ...] = ()) -> RuntimeCommands:
    """The argv tables of runc's command line, its detached ``run`` included.

    A program that lacks a command, or has it otherwise: ``standard_commands(...)._replace(run=())``.
    """
    base: Template = (binary, "--root", "{root}", ("--log", "{log}", "--log-format", "json"), *extra_args)
    if systemd_cgroup:
        base = (*base, "--systemd-cgroup")
    made: Template = (("--pid-file", "{pid_file}"), ("--console-socket", "{console_socket}"), "{id}")
    criu: Template = ("--image-path", "{image_path}", ("--work-path", "{work_path}"))
    return RuntimeCommands(
        create=(*base, "create", "--bundle", "{bundle}", *made),
        start=(*base, "start", "{id}"),
        state=(*base, "state", "{id}"),
        kill=(*base, "kill", "{id}", "{signal}"),
        delete=(*base, "delete", "{id}"),
        force_delete=(*base, "delete", "--force", "{id}"),
        exec=(*base, "exec", "--detach", "--process", "{process}", *made),
        pause=(*base, "pause", "{id}"),
        resume=(*base, "resume", "{id}"),
        checkpoint=(*base, "checkpoint", *criu, "{id}"),
        restore=(*base, "restore", "--detach", *criu, "--bundle", "{bundle}", *made),
        update=(*base, "update", "--resources", "/dev/stdin", "{id}"),
        run=(*base, "run", "--detach", "--bundle", "{bundle}", *made))


class OciRuntime:
    """Implements :class:`conman_kernel.slots.runtime.Runtime` with the standard command line.

    :param plugin: the plugin's name, for messages.
    :param binary: as for :func:`find_program`; one that is not there fails when it is used.
    :param extra_args: global arguments before the command.
    :param program: what the binary should be, for messages.
    :param exit_code: see the slot.
    :param by_version: what a binary can do by the words of its ``--version``, see :func:`.oci_features.ask`.
    :raises ConfigError: an extra argument that would be taken for a place to fill in.
    """

    __slots__ = ("_by_version", "_extra", "_program", "binary", "exit_code")

    def __init__(self, *, plugin: str, program: str, binary: str, extra_args: tuple[str, ...] = (),
                 exit_code: Callable[[str], int], by_version: Callable[[str], Features]) -> None:
        for argument in extra_args:
            if "{" in argument or not argument:
                raise ConfigError(f"[plugin.{plugin}] extra_args: {argument!r} is empty or holds a brace")
        self.binary = find_program(binary) or binary
        self.exit_code = exit_code
        self._extra = tuple(extra_args)
        self._program = program
        self._by_version = by_version

    def commands(self, *, systemd_cgroup: bool) -> RuntimeCommands:
        """See the slot."""
        return standard_commands(self.binary, systemd_cgroup=systemd_cgroup, extra_args=self._extra)

    def features(self, cancel: Cancel) -> Features:
        """See the slot."""
        from .oci_features import ask

        return ask(self.binary, cancel, program=self._program, by_version=self._by_version)
