"""An exec session's shim and the runtime command that it runs: the folder, the process document, the configuration."""

from __future__ import annotations

import json
import os
from typing import Mapping, cast

from ...errors import CommandNotExecutable, CommandNotFound, ConmanError, InvalidInput, InvalidState, NotFound, RuntimeFailed
from ...oci.runtime.process import ExecRequest, build_exec
from ...record import Record
from .. import cgroups
from ..context import Context
from ..rows import ContainerRow
from ..runtime_client import last_error
from ..shim import CreateFailed, Shim, ShimConfig
from .options import ExecOptions

EXIT_REFUSED = 255
"""podman's exit code for an exec that cannot be: the container does not run, there is no such user, the runtime will not."""


class Launched(Record):
    """A session whose shim is at work.

    :param row: its container's.
    :param folder: its files: process document, sockets, pid file, exit file.
    :param shim: the control channel.
    """

    id: str
    row: ContainerRow
    options: ExecOptions
    folder: str
    shim: Shim


def folder_of(context: Context, container: str, id: str) -> str:
    """Where a session's files lie."""
    return f"{context.layout.container_run(container)}/exec/{id}"


def launch(context: Context, row: ContainerRow, id: str, options: ExecOptions, size: tuple[int, int], *,
           detached: bool) -> Launched:
    """Have a shim begin to create a session's process. The caller holds the container's lock and knows that it runs.

    :param size: rows and columns of the terminal; zeros leave them to the runtime.
    :param detached: nobody joins from the start; else its input ends with the first session that feeds it.
    :raises NotFound, InvalidInput: user, folder or command cannot be. Nothing was made.
    """
    try:
        document = process_document(context, row, options)
    except (NotFound, InvalidInput) as error:
        error.exit_code = CommandNotFound.exit_code if options.command[:1] == ("",) else EXIT_REFUSED
        raise
    if options.terminal and any(size):
        # The shim sets it, too; but an exec waits for nobody: its first instruction may come before that.
        document["consoleSize"] = {"height": size[0], "width": size[1]}
    folder = folder_of(context, row.id, id)
    context.layout.ensure(folder)
    with open(folder + "/process.json", "w", encoding="utf-8") as stream:
        json.dump(document, stream)
    shim = context.take_shim()
    try:
        shim.configure(_shim_config(context, row, folder, id, options, size, detached=detached),
                       what=f"exec session {id[:12]}")
    except BaseException:
        shim.close()
        remove_folder(folder)
        raise
    return Launched(id, row, options, folder, shim)


def failure(context: Context, launched: Launched, error: CreateFailed) -> ConmanError:
    """The typed error for what the runtime said of the process."""
    text = last_error(launched.folder + "/runtime.log") or error.runtime_text or error.message
    found: RuntimeFailed = context.client_of(launched.row).failure(text)
    lowered = text.lower()
    if launched.options.workdir and "chdir" in lowered:
        # Of the folder, not the command; podman sorts by the words alone, whatever they are about.
        kind = CommandNotFound if "no such file" in lowered else CommandNotExecutable if "permission denied" in lowered \
            else RuntimeFailed
        found = kind(found.message)
    if not isinstance(found, (CommandNotFound, CommandNotExecutable)):
        found.exit_code = EXIT_REFUSED
    return found


def remove_folder(folder: str) -> None:
    """Remove a session's files; nothing there is no error. Its shim is gone, or needs them no more."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return
    for name in names:
        try:
            os.unlink(f"{folder}/{name}")
        except FileNotFoundError:
            continue  # the shim, or another command, was faster
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        return  # another command was faster


def not_running(row: ContainerRow) -> InvalidState:
    """The refusal for a container that does not run."""
    error = InvalidState("can only create exec sessions on running containers",
                         hint=f"conman {'unpause' if row.state == 'paused' else 'start'} {row.name}")
    error.exit_code = EXIT_REFUSED
    return error


def process_document(context: Context, row: ContainerRow, options: ExecOptions) -> dict[str, object]:
    """The OCI process of a command in a container whose bundle is there.

    :raises NotFound, InvalidInput: user, folder or command cannot be.
    """
    with open(context.layout.container_run(row.id) + "/config.json", encoding="utf-8") as stream:
        base = cast("Mapping[str, object]", json.load(stream)["process"])
    user = None
    if options.user:
        from .. import rootfs
        from ..users import resolve_user

        root_fd = os.open(rootfs.path(context, row), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            user = resolve_user(root_fd, options.user)
        finally:
            os.close(root_fd)
    keep_home = bool(options.user) and (any(item.startswith("HOME=") for item in row.image_parts().env)
                                        or any(key == "HOME" for key, _ in row.parsed_options().env))
    return build_exec(ExecRequest(base=base, command=options.command, user=user, env=options.env, workdir=options.workdir,
                                  terminal=options.terminal, privileged=options.privileged,
                                  host_bounding=context.facts.bounding, keep_home=keep_home))


def _shim_config(context: Context, row: ContainerRow, folder: str, id: str, options: ExecOptions, size: tuple[int, int], *,
                 detached: bool) -> ShimConfig:
    client = context.client_of(row)
    console = folder + "/console.sock" if options.terminal else ""
    create = client.argv(client.commands.exec, row.id, process=folder + "/process.json", pid_file=folder + "/pid",
                         console_socket=console, log=folder + "/runtime.log")
    return ShimConfig(
        id=id, create=tuple(create), pid_file=folder + "/pid", exit_file=exit_path(folder), lock=lock_path(folder),
        socket=socket_path(folder), cleanup=context.cleanup_argv(f"{row.id}/{id}"), log_driver="none",
        runtime_log=folder + "/runtime.log", console_socket=console, terminal=options.terminal, stdin=options.stdin_open,
        stdin_once=not detached, rows=size[0], columns=size[1], cgroup=tuple(cgroups.shim_dirs(context.facts)))


def exit_path(folder: str) -> str:
    """Where the shim writes how the process ended."""
    return folder + "/exit"


def lock_path(folder: str) -> str:
    """The lock that the shim holds while it lives."""
    return folder + "/shim.lock"


def socket_path(folder: str) -> str:
    """The attach socket."""
    return folder + "/attach.sock"
