"""``conman network``: list, describe, make and remove networks, put containers into them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import ConmanError, InvalidInput, NotFound
from .. import out
from ..context import Context
from ..declare import ARRAY, CONTAINER, FLAG, NETWORK, Argument, Option, Verb
from ..go_format import json_text, render, wants_json
from ..several import split_filters
from ..table import table
from ..values import Values

if TYPE_CHECKING:
    from ...networks.network import Network

_HEADINGS = {"ID": "NETWORK ID"}


def _ls(context: Context, values: Values) -> int:
    found = context.conman().networks.list(filters=split_filters(values.many("filter")))
    whole, format = values.flag("no-trunc"), values.text("format")
    if values.flag("quiet"):
        out.write("".join(f"{network.name}\n" for network in found))
    elif wants_json(format):
        out.write(json_text([network.inspect() for network in found], indent=5))
    elif format:
        out.write(render(format, [_row(network, whole=whole) for network in found], _HEADINGS,
                         heading=not values.flag("noheading")))
    else:
        rows = [(network.id if whole else network.id[:12], network.name, network.driver) for network in found]
        head = [] if values.flag("noheading") else [("NETWORK ID", "NAME", "DRIVER")]
        out.write(table([*head, *rows]))
    return 0


def _row(network: Network, *, whole: bool) -> dict[str, object]:
    from ..templates.values import Method

    document = network.inspect()
    return {
        "ID": network.id if whole else network.id[:12], "Id": network.id, "Name": network.name, "Driver": network.driver,
        "Labels": ",".join(f"{key}={value}" for key, value in network.labels.items()), "Options": network.options,
        "Created": document["created"], "Internal": network.internal, "IPv6Enabled": document["ipv6_enabled"],
        "DNSEnabled": network.dns, "NetworkInterface": document["network_interface"], "Subnets": document["subnets"],
        "IPAMOptions": document["ipam_options"], "CreatedAt": document["created"], "IPv6": document["ipv6_enabled"],
        "Scope": "local", "Label": Method(lambda words: network.labels.get(words[0], ""), 1),
    }


def _inspect(context: Context, values: Values) -> int:
    format, networks = values.text("format"), context.conman().networks
    found, code = [], 0
    for name in values.arguments:
        try:
            found.append(networks.get(name))
        except NotFound as error:
            out.report(error)
            code = error.exit_code
    documents = [network.inspect() for network in found]
    if format and not wants_json(format):
        from ..docker_names import of_inspected

        out.write(render(format, [of_inspected("network", document) for document in documents], {}))
    else:
        out.write(json_text(documents, indent=5))
    return code


def _exists(context: Context, values: Values) -> int:
    return 0 if context.conman().networks.exists(values.arguments[0]) else 1


def _connect(context: Context, values: Values) -> int:
    from ...containers.parse_network import address, alias, mac

    name, container = values.arguments
    addresses = tuple(address(values.text(key), what) for key, what in (("ip", "ip4"), ("ip6", "ip6")) if values.given(key))
    conman = context.conman()
    conman.containers.get(container).connect(
        name, addresses=addresses, mac=mac(values.text("mac-address")) if values.given("mac-address") else "",
        aliases=tuple(alias(text) for text in values.many("alias")), cancel=context.cancel)
    return 0


def _disconnect(context: Context, values: Values) -> int:
    name, container = values.arguments
    conman = context.conman()
    try:
        conman.containers.get(container).disconnect(name, cancel=context.cancel)
    except NotFound:
        if not values.flag("force"):
            raise
    return 0


def _rm(context: Context, values: Values) -> int:
    codes: list[int] = []
    for name in values.arguments:
        try:
            out.line(_removed(context, name, force=values.flag("force")))
        except NotFound as error:
            if not values.flag("force"):
                out.report(error)
                codes.append(1)
        except ConmanError as error:
            if context.cancel.cancelled:
                raise
            out.report(error)
            codes.append(error.exit_code)
    return max(codes, default=0) if set(codes) <= {1, 2} else 125


def _removed(context: Context, name: str, *, force: bool) -> str:
    conman = context.conman()
    if force:
        for id in conman.networks.get(name).container_ids():
            try:
                container = conman.containers.get(id)
            except NotFound:
                continue  # it went by itself meanwhile
            container.remove(force=True, cancel=context.cancel)
    return conman.networks.remove(name, cancel=context.cancel)


def _prune(context: Context, values: Values) -> int:
    from .prune import sure

    filters = split_filters(values.many("filter"))
    if not sure(values, "This will remove all networks not used by at least one container.\n"):
        return 0
    out.write("".join(f"{name}\n" for name in context.conman().networks.prune(filters=filters, cancel=context.cancel)))
    return 0


def _create(context: Context, values: Values) -> int:
    from ...containers.parse import key_value, label
    from ...networks.parse import subnets

    name = values.arguments[0] if values.arguments else ""
    networks = context.conman().networks
    if values.flag("ignore") and name and networks.exists(name):
        out.line(name)
        return 0
    if values.text("ipam-driver") not in ("", "host-local"):
        raise InvalidInput(f"unsupported ipam driver {values.text('ipam-driver')}: there is host-local")
    made = networks.create(
        name, driver=values.text("driver"), interface=values.text("interface-name"),
        subnets=subnets(values.many("subnet"), gateways=values.many("gateway"), ranges=values.many("ip-range")),
        internal=values.flag("internal"), ipv6=values.flag("ipv6"), dns=not values.flag("disable-dns"),
        options=dict(key_value(text, "option") for text in values.many("opt")),
        labels=dict(label(text) for text in values.many("label")), cancel=context.cancel)
    out.line(made.name)
    return 0


_FILTER = Option("--filter", "Show the networks that match: dangling, driver, id, label, name, until", ARRAY, short="-f",
                 metavar="KEY=VALUE")
_PAIR = (Argument("NETWORK", 1, 1, NETWORK), Argument("CONTAINER", 1, 1, CONTAINER))

LS = Verb(
    "ls", "List networks", _ls,
    options=(
        _FILTER,
        Option("--format", "json, or a template such as '{{.Name}}' or 'table {{.Name}} {{.Driver}}'", metavar="FORMAT"),
        Option("--no-trunc", "Show whole ids", FLAG),
        Option("--noheading", "Print no heading", FLAG),
        Option("--quiet", "Print the names only", FLAG, short="-q"),
    ))

INSPECT = Verb(
    "inspect", "Show everything about networks, as JSON", _inspect, arguments=(Argument("NETWORK", 1, None, NETWORK),),
    options=(Option("--format", "json, or a template such as '{{.Subnets}}'", short="-f", metavar="FORMAT"),))

EXISTS = Verb("exists", "Exit with 0 where the network is there, with 1 where it is not; nothing is printed", _exists,
              arguments=(Argument("NETWORK", 1, 1, NETWORK),))

CREATE = Verb(
    "create", "Make a network", _create, arguments=(Argument("NAME", 0, 1),),
    options=(
        Option("--disable-dns", "Its containers do not find each other by name", FLAG),
        Option("--driver", "Kind of network: bridge, or another of the network plugin's", short="-d", metavar="DRIVER"),
        Option("--gateway", "The host's address in a subnet", ARRAY, metavar="ADDRESS"),
        Option("--ignore", "A network of that name is no error", FLAG),
        Option("--interface-name", "The host's interface", metavar="NAME"),
        Option("--internal", "No way out of it, and no published ports", FLAG),
        Option("--ip-range", "Of which addresses are given out: ADDRESS/LENGTH or FIRST-LAST", ARRAY, metavar="RANGE"),
        Option("--ipam-driver", "Accepted for podman's sake: host-local", metavar="DRIVER", hidden=True),
        Option("--ipv6", "A subnet of IPv6, too", FLAG),
        Option("--label", "Label of the network", ARRAY, metavar="KEY=VALUE"),
        Option("--opt", "Option of the driver, such as mtu=1400", ARRAY, short="-o", metavar="KEY=VALUE"),
        Option("--subnet", "Its addresses, such as 10.89.0.0/24; none: a free one is picked", ARRAY, metavar="SUBNET"),
    ))

RM = Verb(
    "rm", "Remove networks that no container is in", _rm, arguments=(Argument("NETWORK", 1, None, NETWORK),),
    options=(Option("--force", "Remove the containers in them, too; one that is not there is no error", FLAG, short="-f"),))

CONNECT = Verb(
    "connect", "Put a container into a network, also while it runs", _connect, arguments=_PAIR,
    options=(
        Option("--alias", "Another name of the container in that network", ARRAY, metavar="NAME"),
        Option("--ip", "Its address there", metavar="ADDRESS"),
        Option("--ip6", "Its IPv6 address there", metavar="ADDRESS"),
        Option("--mac-address", "Its hardware address there", metavar="ADDRESS"),
    ))

DISCONNECT = Verb(
    "disconnect", "Take a container out of a network, also while it runs", _disconnect, arguments=_PAIR,
    options=(Option("--force", "One that is not in it is no error", FLAG, short="-f"),))

PRUNE = Verb(
    "prune", "Remove all networks that no container is in, but the default one", _prune,
    options=(Option("--filter", "Only what matches: until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE]", ARRAY,
                    metavar="KEY=VALUE"),
             Option("--force", "Do not ask", FLAG, short="-f")))
