"""Docker's documents about containers, and the one that makes them."""

from __future__ import annotations

import shlex
from typing import Mapping

from conman_kernel import Container, ContainerOptions
from conman_kernel.errors import InvalidInput

from . import words

_TAKEN = {"Image", "Cmd", "Entrypoint", "Env", "Labels", "User", "WorkingDir", "Hostname", "Tty", "OpenStdin", "HostConfig"}
_OF_THE_SESSION = {"AttachStdin", "AttachStdout", "AttachStderr", "StdinOnce"}
"""Who attaches says so himself, and whoever half-closes means it."""
_HOST_TAKEN = {"AutoRemove", "NetworkMode", "Memory", "ReadonlyRootfs", "Init", "ConsoleSize", "CapAdd", "CapDrop"}
_WITHOUT_MEANING: tuple[object, ...] = (None, False, "", 0, -1, "default", "no", [], {})
"""How clients write "as it is by default"."""


def create_request(name: str, document: Mapping[str, object]) -> tuple[str, ContainerOptions, tuple[int, int]]:
    """``POST /containers/create``.

    :returns: the image's name, what the container is to be, rows and columns of its terminal.
    :raises InvalidInput: it makes no sense, or asks for what this server does not offer: nothing is silently left out.
    """
    host = words.table(document, "HostConfig")
    _only(document, _TAKEN | _OF_THE_SESSION)
    _only(host, _HOST_TAKEN)
    memory = host.get("Memory") or 0
    network = words.text(host, "NetworkMode")
    if not isinstance(memory, int) or not words.text(document, "Image"):
        raise InvalidInput("an image is wanted, and Memory is a number")
    options = ContainerOptions(
        name=name, command=words.texts(document, "Cmd"), entrypoint=words.texts(document, "Entrypoint") or None,
        env=words.pairs(document, "Env"), user=words.text(document, "User"), workdir=words.text(document, "WorkingDir"),
        hostname=words.text(document, "Hostname"), terminal=words.flag(document, "Tty"),
        stdin_open=words.flag(document, "OpenStdin"), remove=words.flag(host, "AutoRemove"), memory=memory,
        read_only=words.flag(host, "ReadonlyRootfs"), init=words.flag(host, "Init"),
        cap_add=words.texts(host, "CapAdd"), cap_drop=words.texts(host, "CapDrop"),
        labels=tuple((key, str(value)) for key, value in words.table(document, "Labels").items()),
        network="" if network in ("default", "bridge") else network)
    return words.text(document, "Image"), options, words.size(host, "ConsoleSize")


def _only(document: Mapping[str, object], known: set[str]) -> None:
    unknown = [key for key, value in document.items() if key not in known and not _empty(value)]
    if unknown:
        raise InvalidInput(f"this server does not offer {', '.join(sorted(unknown))}")


def _empty(value: object) -> bool:
    if isinstance(value, dict):
        return all(_empty(inner) for inner in value.values())
    return value in _WITHOUT_MEANING


def inspected(container: Container) -> dict[str, object]:
    """``GET /containers/{id}/json``: what clients of sessions look at; ``conman inspect`` has all of it."""
    known = container.inspect()
    state, config = words.table(known, "State"), words.table(known, "Config")
    entrypoint = config.get("Entrypoint")
    return {
        "Id": container.id, "Name": f"/{container.name}", "Created": known["Created"], "Path": known["Path"],
        "Args": known["Args"], "Image": f"sha256:{container.image_id}", "Driver": container.storage_driver, "Platform": "linux",
        "RestartCount": 0,
        "State": {key: state[key] for key in ("Status", "Running", "Paused", "Restarting", "OOMKilled", "Dead", "Pid", "ExitCode",
                                              "Error", "StartedAt", "FinishedAt")},
        "Config": {**{key: config[key] for key in ("Hostname", "User", "AttachStdin", "AttachStdout", "AttachStderr", "Tty",
                                                   "OpenStdin", "StdinOnce", "Env", "Cmd", "Image", "WorkingDir", "Labels")},
                   "Entrypoint": shlex.split(entrypoint) if isinstance(entrypoint, str) else entrypoint},
        "HostConfig": {"AutoRemove": container.options.remove, "NetworkMode": container.options.network or "default",
                       "LogConfig": {"Type": container.options.log_driver or "cri", "Config": {}}},
        "ExecIDs": known["ExecIDs"] or None, "Mounts": [], "NetworkSettings": {"Networks": {}}}


def listed(container: Container) -> dict[str, object]:
    """One row of ``GET /containers/json``."""
    state = container.state
    ended = f"Exited ({container.exit_code})" if state == "exited" else state.capitalize()
    return {"Id": container.id, "Names": [f"/{container.name}"], "Image": container.image_name,
            "ImageID": f"sha256:{container.image_id}", "Command": shlex.join(container.command),
            "Created": int(container.created), "State": state, "Status": "Up" if state == "running" else ended, "Ports": [],
            "Labels": dict(container.labels), "HostConfig": {"NetworkMode": container.options.network or "default"},
            "NetworkSettings": {"Networks": {}},
            "Mounts": []}
