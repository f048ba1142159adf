"""What the plugin declares, what its probe says of hosts, what doctor is told."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

import conman_cni_network as plugin
from conman_cni_network import Options, examine, offers
from conman_cni_network.driver import CniNetwork
from conman_cni_network.probe import probe
from conman_kernel.cancel import Cancel
from conman_kernel.log import StderrLog
from conman_kernel.slots.doctor import CheckRequest, Host
from conman_kernel.slots.provider import PluginContext

ROUTES = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"


def program(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def found(tmp_path: Path, check: object, **options: object) -> list[tuple[str, str]]:
    context = PluginContext(name="cni-network", options=Options(**options), state_dir="/s", run_dir="/r", log=StderrLog("error"))  # type: ignore[arg-type]
    return [(one.severity, one.subject) for one in check(context, CheckRequest(Host(str(tmp_path)), "/s", "/r", Cancel()))]  # type: ignore[operator]


def test_every_option_is_declared_with_a_default_and_a_reason() -> None:
    declared = plugin.conman_network()
    assert {option.name for option in declared.options} == set(Options.DOCS)
    assert all(option.doc for option in declared.options) and declared.summary


def test_the_drivers_are_those_that_are_configured() -> None:
    assert CniNetwork.drivers == tuple(offers.OFFERS)


def test_the_probe_says_what_is_missing_and_which_package_brings_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Options(plugin_dirs=(str(tmp_path / "cni"),))
    no = probe(here)
    assert no is not None and "the CNI plugin bridge is in none of" in no.reason and "containernetworking-plugins" in no.hint
    program(tmp_path / "cni/bridge")
    no = probe(here)
    assert no is not None and "host-local" in no.reason
    program(tmp_path / "cni/host-local")
    assert probe(here) is None
    monkeypatch.setattr("conman_cni_network.tools.search_path", lambda environ: str(tmp_path))
    no = probe(here)
    assert no is not None and no.reason == "iptables-restore is not installed" and no.hint == "apt-get install iptables"
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    no = probe(here)
    assert no is not None and "root" in no.reason


def test_a_folder_of_the_same_name_is_no_program(tmp_path: Path) -> None:
    (tmp_path / "bridge").mkdir()
    no = probe(Options(plugin_dirs=(str(tmp_path),)))
    assert no is not None and "bridge" in no.reason


def test_firewalld_is_one_of_three_words() -> None:
    no = probe(Options(firewalld="perhaps"))
    assert no is not None and "'perhaps' is none of auto, yes, no" in no.reason


def test_doctor_of_a_host_with_nothing(tmp_path: Path) -> None:
    assert found(tmp_path, examine.programs) == [
        ("error", "CNI plugin bridge"), ("error", "CNI plugin host-local"), ("error", "iptables-restore"), ("error", "iptables-save")]
    write(tmp_path / "proc/net/if_inet6", "")
    write(tmp_path / "run/firewalld.pid", "1")
    assert ("warning", "ip6tables-restore") in found(tmp_path, examine.programs)
    assert ("error", "CNI plugin firewall") in found(tmp_path, examine.programs)
    assert ("warning", "firewalld") in found(tmp_path, examine.programs, firewalld="no")


def test_doctor_of_a_host_with_everything(tmp_path: Path) -> None:
    for name in ("usr/lib/cni/bridge", "opt/cni/bin/host-local", "usr/sbin/iptables-restore", "usr/sbin/iptables-save"):
        program(tmp_path / name)
    write(tmp_path / "proc/sys/net/ipv4/ip_forward", "1\n")
    assert found(tmp_path, examine.programs) == [] and found(tmp_path, examine.forwarding) == [] and found(tmp_path, examine.routes) == []


def test_doctor_of_what_makes_packets_go_astray(tmp_path: Path) -> None:
    for name, value in (("ipv4/ip_forward", "0"), ("bridge/bridge-nf-call-iptables", "1"), ("ipv4/conf/all/rp_filter", "1")):
        write(tmp_path / "proc/sys/net" / name, f"{value}\n")
    write(tmp_path / "proc/net/route", ROUTES + "cni-podman0 0000580A 00000000 0001 0 0 0 0000FFFF 0 0 0\n"
          "conman0 0000590A 00000000 0001 0 0 0 00FFFFFF 0 0 0\neth0 00000000 010010AC 0003 0 0 0 00000000 0 0 0\n")
    assert found(tmp_path, examine.forwarding) == [("note", "ip_forward"), ("note", "bridge-nf-call-iptables"), ("note", "rp_filter")]
    assert found(tmp_path, examine.routes) == [("note", "10.88.0.0/16")]


def test_where_firewalld_runs_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from conman_cni_network import driver

    monkeypatch.setattr(driver, "FIREWALLD", (str(tmp_path / "unit"),))
    asked = {word: CniNetwork(Options(firewalld=word), run_dir="/r", log=StderrLog("error")) for word in ("auto", "yes", "no")}
    assert {word: one._firewalld() for word, one in asked.items()} == {"auto": False, "yes": True, "no": False}
    (tmp_path / "unit").symlink_to("0123456789abcdef")  # systemd's points nowhere
    assert asked["auto"]._firewalld() and stat.S_ISLNK((tmp_path / "unit").lstat().st_mode)
