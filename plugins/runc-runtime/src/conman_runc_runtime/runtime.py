"""runc as data: where the binary is, its command lines, what it says and can do."""

from __future__ import annotations

import os
from typing import ClassVar, Mapping, NamedTuple

from conman_kernel.cancel import Cancel
from conman_kernel.errors import ConfigError
from conman_kernel.slots.provider import PluginContext, Unavailable
from conman_kernel.slots.runtime import Features, RuntimeCommands, Template

from .texts import exit_code

FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
"""Looked into after PATH, which for a user or a service may lack the sbin folders."""


class _Keys(NamedTuple):
    binary: str = "runc"
    extra_args: tuple[str, ...] = ()


class Options(_Keys):
    """The table ``[plugin.runc-runtime]``."""

    __slots__ = ()
    DOCS: ClassVar[Mapping[str, str]] = {
        "binary": "the runc to use: an absolute path, or a name looked for in PATH and the usual folders",
        "extra_args": "more global arguments before the command, such as --debug",
    }


def find(name: str) -> str:
    """The absolute path of an executable; empty where there is none."""
    if "/" in name:
        return name if os.path.isabs(name) and os.access(name, os.X_OK) and not os.path.isdir(name) else ""
    for folder in dict.fromkeys((*os.environ.get("PATH", "").split(":"), *FOLDERS)):
        path = f"{folder}/{name}"
        if folder.startswith("/") and os.access(path, os.X_OK) and not os.path.isdir(path):
            return path
    return ""


def probe(context: PluginContext[Options]) -> Unavailable | None:
    """Looks for the binary; runs nothing."""
    name = context.options.binary
    if find(name):
        return None
    where = "" if "/" in name else " in PATH or the usual folders"
    return Unavailable(f"there is no executable {name}{where}", "apt-get install runc")


def open_runtime(context: PluginContext[Options]) -> RuncRuntime:
    """Build the runtime.

    :raises ConfigError: an extra argument that would be taken for a place to fill in.
    """
    options = context.options
    for argument in options.extra_args:
        if "{" in argument or not argument:
            raise ConfigError(f"[plugin.{context.name}] extra_args: {argument!r} is empty or holds a brace")
    return RuncRuntime(find(options.binary) or options.binary, tuple(options.extra_args))


class RuncRuntime:
    """See :class:`conman_kernel.slots.runtime.Runtime`."""

    __slots__ = ("_binary", "_extra")

    def __init__(self, binary: str, extra_args: tuple[str, ...] = ()) -> None:
        self._binary = binary
        self._extra = extra_args

    @property
    def binary(self) -> str:
        return self._binary

    def commands(self, *, systemd_cgroup: bool) -> RuntimeCommands:
        base: Template = (self._binary, "--root", "{root}", ("--log", "{log}", "--log-format", "json"), *self._extra)
        if systemd_cgroup:
            base = (*base, "--systemd-cgroup")
        console: Template = (("--console-socket", "{console_socket}"),)
        pid_file: Template = (("--pid-file", "{pid_file}"),)
        criu: Template = ("--image-path", "{image_path}", ("--work-path", "{work_path}"))
        return RuntimeCommands(
            create=(*base, "create", "--bundle", "{bundle}", *pid_file, *console, "{id}"),
            start=(*base, "start", "{id}"),
            state=(*base, "state", "{id}"),
            kill=(*base, "kill", "{id}", "{signal}"),
            delete=(*base, "delete", "{id}"),
            force_delete=(*base, "delete", "--force", "{id}"),
            exec=(*base, "exec", "--detach", "--process", "{process}", *pid_file, *console, "{id}"),
            pause=(*base, "pause", "{id}"),
            resume=(*base, "resume", "{id}"),
            checkpoint=(*base, "checkpoint", *criu, "{id}"),
            restore=(*base, "restore", "--detach", *criu, "--bundle", "{bundle}", *pid_file, *console, "{id}"),
            update=(*base, "update", "--resources", "/dev/stdin", "{id}"),
            run=(*base, "run", "--detach", "--bundle", "{bundle}", *pid_file, *console, "{id}"))

    def exit_code(self, message: str) -> int:
        return exit_code(message)

    def features(self, cancel: Cancel) -> Features:
        from .query import ask

        return ask(self._binary, cancel, criu=bool(find("criu")))
