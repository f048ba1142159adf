"""What ``conman doctor`` asks of this plugin beside its probe: programs, forwarding, filters, routes in the way."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Iterator

from conman_kernel.slots.doctor import CheckRequest, Finding

from .tools import CNI_PACKAGE, IPTABLES_PACKAGE

if TYPE_CHECKING:
    from conman_kernel.slots.doctor import Host
    from conman_kernel.slots.provider import PluginContext

    from . import Options

_SBIN = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_PODMANS = "10.88.0.0/16"


def programs(context: PluginContext[Options], request: CheckRequest) -> Iterator[Finding]:
    """The CNI plugins, iptables, and whether firewalld must be told."""
    host, folders = request.host, context.options.plugin_dirs
    for type, use in (("bridge", "no container can be in a network"), ("host-local", "no container can have an address")):
        if not _there(host, type, folders):
            yield Finding("error", f"CNI plugin {type}", f"it is in none of {', '.join(folders)}: {use}", CNI_PACKAGE)
    for program, use in (("iptables-restore", "no container reaches the outside, and no port can be published"),
                         ("iptables-save", "a network's first container cannot start, nor can a network be removed")):
        if not _there(host, program, _SBIN):
            yield Finding("error", program, f"it is not installed: {use}", IPTABLES_PACKAGE)
    if host.exists("/proc/net/if_inet6") and not _there(host, "ip6tables-restore", _SBIN):
        yield Finding("warning", "ip6tables-restore", "it is not installed: networks with IPv6 subnets do not work",
                      IPTABLES_PACKAGE)
    running = host.exists("/run/systemd/units/invocation:firewalld.service") or host.exists("/run/firewalld.pid")
    if running and context.options.firewalld == "no":
        yield Finding("warning", "firewalld", "it runs, and is told of no container (firewalld = \"no\"): its zones refuse "
                      "what they send",
                      "take firewalld out of [plugin.cni-network], or put the bridges into a zone that accepts")
    elif (running or context.options.firewalld == "yes") and not _there(host, "firewall", folders):
        yield Finding("error", "CNI plugin firewall", "firewalld runs, and nothing can tell it of containers: it refuses what "
                      "they send", CNI_PACKAGE)


def forwarding(context: PluginContext[Options], request: CheckRequest) -> Iterator[Finding]:
    """Whether the host passes packets on, and what sees those that stay on a bridge."""
    host = request.host
    if host.read("/proc/sys/net/ipv4/ip_forward").strip() == "0":
        yield Finding("note", "ip_forward", "the host passes on no packets yet: the first container in a network switches it on",
                      "set net.ipv4.ip_forward = 1 in /etc/sysctl.d where something switches it off again")
    for name, version in (("iptables", "IPv4"), ("ip6tables", "IPv6")):
        if host.read(f"/proc/sys/net/bridge/bridge-nf-call-{name}").strip() == "1":
            yield Finding("note", f"bridge-nf-call-{name}", f"packets between containers of one bridge pass the host's {version} "
                          "rules, too: conman's own accept them, somebody's in FORWARD above them may not",
                          f"sysctl net.bridge.bridge-nf-call-{name}=0, where nothing else needs it")
    if host.read("/proc/sys/net/ipv4/conf/all/rp_filter").strip() == "1":
        yield Finding("note", "rp_filter", "strict: a container with two networks answers in the second only what came from its "
                      "subnet")


def routes(context: PluginContext[Options], request: CheckRequest) -> Iterator[Finding]:
    """Whether something has the subnet that the default network would get."""
    from ipaddress import ip_network

    for line in request.host.read("/proc/net/route", 1 << 20).splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8 or fields[0].startswith("conman"):
            continue
        subnet = ".".join(str(byte) for byte in reversed(bytes.fromhex(fields[1])))
        whole = ip_network(f"{subnet}/{int(fields[7], 16).bit_count()}", strict=False)
        if whole.prefixlen and whole.overlaps(ip_network(_PODMANS)):
            yield Finding("note", str(whole), f"the host routes it to {fields[0]}: the default network gets another subnet than "
                          f"{_PODMANS}")


def _there(host: Host, name: str, folders: tuple[str, ...]) -> bool:
    return any(host.exists(os.path.join(folder, name)) for folder in folders)
