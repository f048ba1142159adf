"""The small languages of networks and ports on the command line, shared with the library.

Sources: docker-run(1) ``--publish``, podman-run(1) ``--network``, ``--publish``, ``--expose``.
"""

from __future__ import annotations

from typing import Iterable, Sequence

from ..errors import InvalidInput
from ..oci.runtime.options import NetworkOption, PublishedPort
from .network_options import exposed_ports
from .parse import namespace

_PROTOCOLS = ("tcp", "udp", "sctp")
_MOST = 65535


def networks(texts: Sequence[str], *, addresses: Sequence[str] = (), mac: str = "",
             aliases: Sequence[str] = ()) -> tuple[str, tuple[NetworkOption, ...]]:
    """``--network NAME[:ip=...,mac=...,alias=...,interface_name=...]``, several times or split by commas, or one of the modes
    ``bridge none host private container:NAME ns:PATH``.

    :param addresses: ``--ip`` and ``--ip6``, of the one network that there is; ``mac`` likewise. ``aliases``: in each.
    :returns: the mode and the networks; a mode of "" with none of them: the configuration's default.
    """
    found: list[NetworkOption] = []
    for text in texts:
        mode = _mode(text)
        if mode:
            if len(texts) > 1:
                raise InvalidInput(f"cannot set multiple networks without bridge network mode, selected mode {text}",
                                   hint="name one mode, or one or more networks")
            if addresses or mac or aliases:
                raise InvalidInput(f"--ip, --ip6, --mac-address and --network-alias need a named network, not --network {text}")
            return mode, ()
        found += _named(text)
    if not addresses and not mac and not aliases:
        return ("bridge" if found else ""), tuple(found)
    found = found or [NetworkOption("bridge")]
    if (addresses or mac) and len(found) > 1:
        raise InvalidInput("--ip, --ip6 and --mac-address can only be set for a single network",
                           hint="write --network NAME:ip=ADDRESS,mac=ADDRESS")
    return "bridge", tuple(one._replace(addresses=(*one.addresses, *addresses), mac=mac or one.mac,
                                        aliases=(*one.aliases, *aliases)) for one in found)


def _mode(text: str) -> str:
    """A mode that is no network, as ContainerOptions keeps it; empty for a network."""
    word, _, rest = text.partition(":")
    if text in ("none", "host"):
        return text
    if (word == "container" and rest) or (word in ("ns", "path") and rest.startswith("/")):
        return namespace("network", text)
    if word in ("container", "ns", "path", "pasta", "slirp4netns"):
        raise InvalidInput(f"invalid --network {text!r}: a network's name, bridge, none, host, container:NAME or ns:PATH")
    return ""


def _named(text: str) -> list[NetworkOption]:
    name, colon, words = text.partition(":")
    if not colon:
        return [NetworkOption(_name(one)) for one in text.split(",")]
    result = NetworkOption(_name(name))
    for word in words.split(","):
        key, equals, value = word.partition("=")
        if not equals or not value:
            raise InvalidInput(f"invalid --network {text!r}: {word!r} is not KEY=VALUE")
        if key in ("ip", "ip6"):
            result = result._replace(addresses=(*result.addresses, address(value, key)))
        elif key == "mac":
            result = result._replace(mac=mac(value))
        elif key == "alias":
            result = result._replace(aliases=(*result.aliases, alias(value)))
        elif key == "interface_name":
            result = result._replace(interface=interface(value))
        else:
            raise InvalidInput(f"invalid --network {text!r}: the option {key!r} is not known",
                               hint="there are ip=, ip6=, mac=, alias= and interface_name=")
    return [result]


def _name(text: str) -> str:
    if text in ("none", "host"):
        raise InvalidInput(f"cannot set multiple networks without bridge network mode, selected mode {text}")
    if not text:
        raise InvalidInput("invalid --network: a network's name is empty")
    return "bridge" if text in ("private", "default") else text


def address(text: str, what: str = "ip") -> str:
    """``--ip``, ``--ip6``: an address of a network, without the length of a prefix."""
    import ipaddress

    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        raise InvalidInput(f'"{text}" is not an ip address, as --{what} needs one') from None
    if (what == "ip6") != (found.version == 6) and what in ("ip4", "ip6"):
        raise InvalidInput(f'"{text}" is not an IPv{6 if what == "ip6" else 4} address')
    return str(found)


def mac(text: str) -> str:
    """``--mac-address``: six pairs of hexadecimal digits."""
    pairs = text.replace("-", ":").split(":")
    if len(pairs) != 6 or not all(len(pair) == 2 and all(c in "0123456789abcdefABCDEF" for c in pair) for pair in pairs):
        raise InvalidInput(f"invalid mac address {text!r}: six pairs of digits, such as 92:d0:c6:0a:29:33")
    if int(pairs[0], 16) & 1:
        raise InvalidInput(f"invalid mac address {text!r}: it stands for a group of hosts")
    return ":".join(pairs).lower()


def alias(text: str) -> str:
    """``--network-alias``: a name that ``/etc/hosts`` can hold."""
    if not text or any(c.isspace() or c in "#\0" for c in text) or len(text) > 253:
        raise InvalidInput(f"invalid network alias {text!r}: a host name")
    return text


def interface(text: str) -> str:
    """A network interface's name, as the kernel takes it."""
    if not 0 < len(text) < 16 or text in (".", "..", "lo") or any(c.isspace() or c in "/:\0" for c in text):
        raise InvalidInput(f"invalid interface name {text!r}: at most 15 characters, no slash, no colon, no space")
    return text


def publish(text: str) -> tuple[PublishedPort, ...]:
    """``-p [[ADDRESS:][HOST_PORT[-LAST]]:]PORT[-LAST][/tcp|udp|sctp]``; an IPv6 address stands in brackets."""
    rest, slash, protocol = text.partition("/")
    protocol = protocol.lower() if slash else "tcp"
    if protocol not in _PROTOCOLS:
        raise _no_publish(text, f"{protocol!r} is no protocol: tcp, udp or sctp")
    host, address_given = "", False
    if rest.startswith("["):
        host, bracket, rest = rest[1:].partition("]:")
        address_given = True
        if not bracket:
            raise _no_publish(text, "the address in brackets is not followed by a port")
    words = rest.split(":")
    if not address_given and len(words) == 3:
        host, *words = words
        address_given = True
    if len(words) > 2:
        raise _no_publish(text, "an IPv6 address stands in brackets")
    if address_given:
        host = _host(text, host)
    inside = _span(text, words[-1], "container port")
    outside = _span(text, words[0], "host port") if len(words) == 2 and words[0] else None
    count = len(inside)
    if outside is None:
        starts = [0] * count
    elif len(outside) == count:
        starts = list(outside)
    elif count == 1:
        starts = [_free_of(outside, host, protocol)]
    else:
        raise _no_publish(text, "the two ranges are not of one length")
    return tuple(PublishedPort(port, start, host, protocol) for port, start in zip(inside, starts, strict=True))


def _free_of(span: range, host: str, protocol: str) -> int:
    """docker's reading of ``8000-8010:80``: the first one of them that is free; here the first, where none is."""
    from ..networks.ports import is_free

    return next((port for port in span if is_free(host, port, protocol)), span[0])


def _host(text: str, host: str) -> str:
    import ipaddress

    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        raise _no_publish(text, f"{host!r} is not an ip address") from None
    return "" if found.is_unspecified and found.version == 4 else str(found)


def _span(text: str, word: str, what: str) -> range:
    first, dash, last = word.partition("-")
    numbers = [int(w) if w.isascii() and w.isdigit() and len(w) < 6 else 0 for w in (first, last if dash else first)]
    if not 0 < numbers[0] <= _MOST or not 0 < numbers[1] <= _MOST:
        raise _no_publish(text, f"{word!r} is no {what}: 1 to {_MOST}")
    if numbers[1] < numbers[0]:
        raise _no_publish(text, f"the range {word} ends before it begins")
    return range(numbers[0], numbers[1] + 1)


def _no_publish(text: str, why: str) -> InvalidInput:
    return InvalidInput(f"invalid port mapping {text!r}: {why}",
                        hint="-p [[ADDRESS:][HOST_PORT]:]CONTAINER_PORT[/tcp|udp|sctp], such as -p 8080:80")


def published(texts: Iterable[str]) -> tuple[PublishedPort, ...]:
    """Several ``--publish``."""
    return tuple(port for text in texts for port in publish(text))


def expose(text: str) -> str:
    """``--expose PORT[-PORT][/PROTOCOL]``, as it was written."""
    exposed_ports(text)
    return text
