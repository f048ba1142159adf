"""A CNI plugin, or iptables, that fails halfway, hangs or talks nonsense: one line, and nothing is left."""

from __future__ import annotations

import os
import select
import subprocess
import threading
import time
from pathlib import Path

import pytest

from conman_cni_network import leases, tools
from conman_kernel.cancel import Cancel
from conman_kernel.errors import AlreadyExists, DeadlineExceeded, InvalidInput, Unavailable
from conman_kernel.slots.network import Subnet
from conman_kernel.testing.kits.network.bench import Site, asked, free_address, port, talking
from conman_kernel.testing.namespaces import tool

ERROR = '{"cniVersion":"1.0.0","code":%s,"msg":"%s","details":"%s"}'


def fails(text: str, after: str = "") -> str:
    """A script that does the real thing on DEL, and on ADD fails with these words, perhaps after the real thing."""
    return f'[ "$CNI_COMMAND" = DEL ] && exec "$REAL"\n{after}\ncat <<\'E\'\n{text}\nE\nexit 1'


def refused(site: Site, words: str, kind: type[Exception] = Unavailable, **more: object) -> str:
    """The join fails in one line, and the only address of the network is free; the hint."""
    network = site.small()
    before = site.facts()
    with pytest.raises(kind, match=words) as caught:
        site.join(network, **more)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert not leases.held(leases.folder_of(f"{site.context.run_dir}/leases", network.id), site.request(network).container, "eth0")
    assert set(site.facts()["links"]) - set(before["links"]) <= {network.interface}
    assert "eth0" not in site.space("box").tool("ip", "-o", "link")
    return str(getattr(caught.value, "hint", ""))


def test_a_plugin_that_says_why(desk) -> None:
    desk.bend("bridge", fails(ERROR % (11, "try later", "it is busy")))
    refused(desk.site, r"^network small: the CNI plugin bridge failed \(code 11\): try later: it is busy$")
    desk.straighten("bridge")
    free_address(desk.site, desk.site.networks[0])


def test_a_plugin_that_fails_after_its_work(desk) -> None:
    desk.bend("bridge", fails(ERROR % (999, "two\\nlines", ""), after='"$REAL" >/dev/null'))
    refused(desk.site, r"bridge failed: two lines$")
    desk.straighten("bridge")
    free_address(desk.site, desk.site.networks[0])


@pytest.mark.parametrize("text, words", [("nonsense", "bridge failed: nonsense"), ("", "bridge failed: exit code 1"), ("[1, 2]", r"\[1, 2\]"),
                                         ('{"code": "x", "msg": 7}', "bridge failed: .*msg")])
def test_a_plugin_that_fails_without_sense(desk, text: str, words: str) -> None:
    desk.bend("bridge", fails(text))
    refused(desk.site, words)


def test_a_plugin_that_succeeds_without_sense(desk) -> None:
    desk.bend("bridge", '[ "$CNI_COMMAND" = DEL ] && exec "$REAL"\n"$REAL" >/dev/null; echo "no result"')
    refused(desk.site, "the CNI plugin bridge answers no JSON: no result")
    desk.straighten("bridge")
    free_address(desk.site, desk.site.networks[0])


def test_a_plugin_that_gives_no_address(desk) -> None:
    desk.bend("bridge", '[ "$CNI_COMMAND" = DEL ] && exec "$REAL"\necho \'{"cniVersion":"1.0.0","ips":[]}\'')
    refused(desk.site, "gave the container no address")


def test_a_plugin_that_speaks_another_version(desk) -> None:
    desk.bend("bridge", fails(ERROR % (1, "incompatible CNI versions", "config is 1.0.0, plugin supports 0.4.0")))
    refused(desk.site, r"bridge failed \(code 1\): incompatible CNI versions: config is")


def test_a_plugin_that_hangs_is_ended_with_what_it_started(desk) -> None:
    desk.bend("bridge", f'[ "$CNI_COMMAND" = DEL ] && exec "$REAL"\n"$REAL" >/dev/null; sleep 99 & echo $! > {desk.cni}/pid; wait')
    os.mkfifo(desk.cni / "pid")
    inner: list[int] = []
    reading = threading.Thread(target=lambda: inner.append(os.pidfd_open(int((desk.cni / "pid").read_text()))))
    reading.start()
    started = time.monotonic()
    refused(desk.site, "deadline", DeadlineExceeded, cancel=Cancel(1.0))
    assert time.monotonic() - started < 5
    reading.join(10)
    assert select.select(inner, [], [], 10)[0] == inner
    os.close(inner[0])
    desk.straighten("bridge")
    free_address(desk.site, desk.site.networks[0])


@pytest.mark.parametrize("missing", ["bridge", "host-local"])
def test_a_plugin_that_is_missing_names_its_package(desk, missing: str) -> None:
    (desk.cni / missing).unlink()
    assert "containernetworking-plugins" in refused(desk.site, missing)
    desk.straighten(missing)


def test_a_failed_undo_does_not_hide_why(desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.bend("bridge", '[ "$CNI_COMMAND" = ADD ] && echo \'{"code":5,"msg":"the first one"}\' || echo \'{"code":6,"msg":"the second one"}\'; exit 1')
    refused(desk.site, "the first one")
    assert "cannot be given back now" in caplog.text and "the second one" in caplog.text


def test_iptables_that_fails_takes_the_container_out_again(desk, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = scratch / "bin"
    fake.mkdir()
    (fake / "iptables-restore").write_text("#!/bin/sh\necho 'iptables-restore: line 2 failed: no such module' >&2\nexit 1\n")
    (fake / "iptables-restore").chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake}:{os.environ['PATH']}")
    for ports in ((), (port(8080),)):
        network = desk.site.small() if not desk.site.networks else desk.site.networks[0]
        with pytest.raises(Unavailable, match="iptables-restore failed: iptables-restore: line 2 failed: no such module") as caught:
            desk.site.join(network, ports=ports)
        assert "netfilter" in caught.value.hint and "eth0" not in desk.site.space("box").tool("ip", "-o", "link")
    monkeypatch.undo()
    free_address(desk.site, desk.site.networks[0])


def test_iptables_that_is_gone_leaves_the_rest_to_be_given_back(desk, monkeypatch: pytest.MonkeyPatch) -> None:
    network = desk.site.small()
    desk.site.join(network, ports=(port(8080),))
    request = desk.site.leaving()
    found = tools.iptables
    monkeypatch.setattr(tools, "iptables", lambda name: (_ for _ in ()).throw(Unavailable(f"{name} is not installed", hint="apt")))
    with pytest.raises(Unavailable, match="is not installed"):
        desk.site.driver.leave(request)
    monkeypatch.setattr(tools, "iptables", found)
    free_address(desk.site, network)
    desk.site.leave()


def test_a_bridge_that_is_another_stores(desk_of) -> None:
    one, two = desk_of().site, desk_of().site
    first = one.network("first")
    one.join(first, "a")
    second = two.wanted("second", subnets=(Subnet("10.99.0.0/24", "10.99.0.1"),), interface=first.interface)
    with pytest.raises(AlreadyExists, match=f"{first.interface} already, which is no network's"):
        two.ask(second)
    with pytest.raises(AlreadyExists, match=f"the host's interface {first.interface} is of conman network {first.id}"):
        two.join(second, "b")
    two.remove(second)
    with talking(one.space("a"), 80):
        assert asked(None, one.leaving("a").joining.network.subnets[0].subnet.replace("0/24", "2"), 80)[0] == "hello"


def test_an_interface_that_is_no_bridge(site) -> None:
    network = site.network(interface="kit0")
    tool("ip", "link", "add", "kit0", "type", "veth", "peer", "name", "kit1")
    try:
        with pytest.raises(AlreadyExists, match="the host's interface kit0 is a veth, and not of conman"):
            site.join(network)
        site.remove(network)
        assert "kit0" in tool("ip", "-o", "link")
    finally:
        tool("ip", "link", "del", "kit0")


def test_a_state_that_cannot_be_read_is_as_none(site) -> None:
    network = site.small()
    for state in ("nonsense", "[]", '{"version": 2}', '{"version": 1, "confs": [7]}'):
        site.join(network, ports=(port(8080),))
        site.driver.leave(site.leaving()._replace(state=state))
        free_address(site, network)
        site.leave()


def test_a_lease_without_an_owner_is_swept(site) -> None:
    """host-local was killed between making the file and writing it."""
    network = site.small()
    free_address(site, network)
    (Path(site.context.run_dir) / "leases" / network.id / "10.123.0.7").touch()
    with pytest.raises(Unavailable, match="no address is free"):
        site.join(network)
    free_address(site, network)


@pytest.mark.parametrize("given, words", [
    ({"protocol": "icmp"}, "'icmp'"), ({"number": 0}, "0:80 is none"), ({"number": 70000}, "70000"), ({"host": "somewhere"}, "'somewhere'"),
    ({"host": "2001:db8::1"}, "has no IPv6"), ({"host": "1.2.3.4\n-j ACCEPT"}, "is none"),
])
def test_a_port_that_cannot_be(site, given: dict, words: str) -> None:
    values = {"number": 8080, **given}
    with pytest.raises(InvalidInput, match=words) as caught:
        site.join(site.small(), ports=(port(**values),))
    assert "\n" not in caught.value.message


def test_ports_of_the_loopback_of_ipv6_are_refused_and_why(site) -> None:
    network = site.network(subnets=(Subnet("fd00:5::/64"),))
    with pytest.raises(InvalidInput, match="cannot be published on ::1: Linux forwards nothing from there") as caught:
        site.join(network, ports=(port(8080, host="::1"),))
    assert caught.value.hint == "publish it on 127.0.0.1"


def test_nothing_is_left_running(site) -> None:
    network = site.small()
    for _ in range(3):
        site.join(network, ports=(port(8080),))
        site.leave()
    children = subprocess.run(["ps", "--ppid", str(os.getpid()), "-o", "comm="], capture_output=True, text=True).stdout
    assert not {"bridge", "host-local", "iptables-restore", "xtables-nft-mul"} & set(children.split())
