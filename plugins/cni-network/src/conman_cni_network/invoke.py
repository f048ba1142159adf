"""One CNI plugin called: environment and JSON in, JSON or an error out.

Source: CNI specification 1.0.0, section 2 (Execution Protocol: parameters, operations, errors) and section 5 (Result Types).
What libcni would do is done here: the configuration of each plugin is derived (section 3, "Deriving execution configuration from
plugin configuration": name, cniVersion, runtimeConfig and prevResult are inserted).
"""

from __future__ import annotations

import json
import os
from typing import Mapping, Sequence, cast

from conman_kernel.cancel import Cancel
from conman_kernel.errors import AlreadyExists, ConmanError, Unavailable
from conman_kernel.record import Record
from conman_kernel.support.programs import Ended, Running, search_path

from . import tools

VERSION = "1.0.0"

Json = Mapping[str, object]


class Place(Record):
    """Which interface of which container is meant (section 2, "Parameters").

    :param container: its id. ``namespace``: path; empty: it is gone. ``interface``: inside of it.
    :param network: what people call the network, for messages.
    :param hold: a descriptor for the plugins to hold, see :mod:`.turns`.
    """

    container: str
    namespace: str
    interface: str
    network: str
    hold: int = -1


def start(command: str, conf: Json, place: Place, folders: Sequence[str], previous: Json | None = None) -> Running:
    """Start one plugin.

    :param command: ``ADD`` or ``DEL``.
    :param conf: its configuration, with its type. ``previous``: the result so far.
    :raises Unavailable: there is no such plugin, or it cannot be run.
    """
    path = tools.cni(str(conf["type"]), folders)
    whole = dict(conf) if previous is None else {**conf, "prevResult": previous}
    environ = {"PATH": search_path(os.environ), "CNI_COMMAND": command, "CNI_CONTAINERID": place.container,
               "CNI_NETNS": place.namespace, "CNI_IFNAME": place.interface, "CNI_PATH": ":".join(folders)}
    return Running([path], environ, json.dumps(whole, separators=(",", ":")).encode(), hold=place.hold)


def add(running: Running, conf: Json, place: Place, cancel: Cancel) -> Json:
    """The result of an ADD (section 5, "Success").

    :raises AlreadyExists: the interface, or the address, is there already.
    :raises Unavailable: it failed, in its own words.
    """
    ended = running.wait(cancel)
    if ended.code:
        raise failure(ended, str(conf["type"]), place)
    try:
        result: object = json.loads(ended.output)
    except ValueError:
        result = None
    if not isinstance(result, dict):
        raise Unavailable(f"network {place.network}: the CNI plugin {conf['type']} answers no JSON: {_line(ended.output)}")
    return cast("Json", result)


def delete(conf: Json, place: Place, folders: Sequence[str], cancel: Cancel, previous: Json | None = None) -> None:
    """A whole DEL; what is gone already is no error (section 2, "DEL: Remove container from network").

    :raises Unavailable: it failed, in its own words.
    """
    ended = start("DEL", conf, place, folders, previous).wait(cancel)
    if ended.code:
        raise failure(ended, str(conf["type"]), place)


def failure(ended: Ended, type: str, place: Place) -> ConmanError:
    """The typed error for what a plugin said (section 5, "Error": ``code``, ``msg``, ``details``)."""
    code, words = 0, ""
    try:
        said: object = json.loads(ended.output)
    except ValueError:
        said = None
    if isinstance(said, dict):
        code = said["code"] if isinstance(said.get("code"), int) else 0
        words = ": ".join(text for text in (said.get("msg"), said.get("details")) if isinstance(text, str) and text)
    words = _line(words.encode()) or _line(ended.errors) or _line(ended.output) or f"exit code {ended.code}"
    where = f"network {place.network}"
    if "is not available in range set" in words or "requested IP address" in words:
        return AlreadyExists(f"{where}: an address that is wished for is in use: {words}")
    if "no IP addresses available" in words:
        return Unavailable(f"{where}: no address is free: {words}",
                           hint="remove containers, or make a network with a larger subnet")
    if "already exists" in words and place.interface in words:
        return AlreadyExists(f"{where}: the container has an interface {place.interface} already")
    hint = tools.IPTABLES_PACKAGE if "iptables" in words and "not found" in words else \
        tools.CNI_PACKAGE if "failed to find plugin" in words else ""
    number = f" (code {code})" if code not in (0, 999) else ""
    return Unavailable(f"{where}: the CNI plugin {type} failed{number}: {words}", hint=hint)


def _line(text: bytes) -> str:
    return " ".join(text[:2000].decode("utf-8", "replace").split())
