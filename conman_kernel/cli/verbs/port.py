"""``conman port``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import InvalidInput, NotFound
from .. import out
from ..context import Context
from ..declare import CONTAINER, FLAG, Argument, Option, Verb
from ..ports import place
from ..several import LATEST, one
from ..values import Values

if TYPE_CHECKING:
    from ...containers.container import Container


def _run(context: Context, values: Values) -> int:
    conman = context.conman()
    if values.flag("all"):
        if values.arguments or values.flag("latest"):
            raise InvalidInput("no arguments are needed with --all")
        for container in conman.containers.list(all=True):
            out.write("".join(f"{container.id[:12]}\t{line}\n" for line in _lines(container)))
        return 0
    if values.flag("latest"):
        container, rest = one(conman, values.without_arguments(), missing=""), values.arguments
    elif values.arguments:
        container, rest = conman.containers.get(values.arguments[0]), values.arguments[1:]
    else:
        raise InvalidInput("you must supply a running container name or id")
    if len(rest) > 1:
        raise InvalidInput(f"accepts at most 2 arg(s), received {len(rest) + 1}")
    out.write("".join(f"{line}\n" for line in (_of(container, rest[0]) if rest else _lines(container))))
    return 0


def _lines(container: Container) -> list[str]:
    return [f"{port.container_port}/{port.protocol} -> {place(port.host_address)}:{port.host_port}" for port in container.ports]


def _of(container: Container, text: str) -> list[str]:
    number, slash, protocol = text.partition("/")
    if not (number.isascii() and number.isdigit() and 0 < int(number[:6]) < 1 << 16) or (slash and not protocol):
        raise InvalidInput(f"invalid port {text!r}: a number with /tcp, /udp or /sctp where wanted")
    found = [f"{place(port.host_address)}:{port.host_port}" for port in container.ports
             if port.container_port == int(number) and protocol.lower() in ("", port.protocol)]
    if not found:
        raise NotFound(f'failed to find published port "{text}"', hint=f"conman port {container.name}")
    return found


VERB = Verb(
    "port", "Show the published ports of a container, or where one of them is published", _run,
    arguments=(Argument("CONTAINER", 0, 1, CONTAINER), Argument("PORT", 0, None)),
    options=(Option("--all", "Show the ports of all containers", FLAG, short="-a"), LATEST))
