"""Containers on networks, from their start to their end, with real packets."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from .conftest import SERVE, Host


def settings(host: Host, name: str) -> dict[str, Any]:
    found: list[dict[str, dict[str, Any]]] = json.loads(host.conman.ok("inspect", name))
    return found[0]["NetworkSettings"]


def serve(host: Host, name: str, *options: str, port: str = "80") -> None:
    """A web server whose page is its name, once it answers inside."""
    host.conman.ok("run", "-d", "--name", name, *options, host.image, "sh", "-c", SERVE, name, port)
    host.conman.ok("exec", name, "sh", "-c", f"until wget -qO- http://127.0.0.1:{port}/; do :; done")


def test_a_container_has_an_address_and_gives_it_back(host: Host, left_as_it_was: None) -> None:
    said = host.conman.ok("run", "--rm", "--name", "one", "--hostname", "uno", host.image, "sh", "-c",
                          "ip -4 addr show eth0 | grep inet; ip route; cat /etc/hosts; cat /proc/sys/net/ipv4/ping_group_range")
    assert "10.88.0." in said and "default via 10.88.0.1 dev eth0" in said
    assert "\tuno one " in said, "its own line"
    assert "10.88.0.1\thost.containers.internal" in said
    assert said.split()[-2:] == ["0", "0"], "sysctls of a namespace of its own"
    assert host.conman.ok("network", "ls", "-q") == "bridge\n"


def test_what_is_initialized_is_in_its_network_and_restarts_in_it(host: Host, left_as_it_was: None) -> None:
    host.conman.ok("create", "--name", "web", "-p", "8080:80", host.image, "sh", "-c", SERVE, "web", "80")
    host.conman.ok("init", "web")
    assert settings(host, "web")["IPAddress"] != ""
    for verb in (("start",), ("restart", "-t", "0")):
        host.conman.ok(*verb, "web")
        host.conman.ok("exec", "web", "sh", "-c", "until wget -qO- http://127.0.0.1:80/; do :; done")
        assert host.fetch("127.0.0.1", 8080) == "web"
    host.conman.ok("pause", "web")
    host.conman.ok("rm", "-f", "web")
    assert host.conman.ok("ps", "-aq") == ""


def test_a_published_port_leads_inside(host: Host, left_as_it_was: None) -> None:
    serve(host, "web", "-p", "8080:80", "-p", "127.0.0.1:8081:80/tcp")
    assert host.fetch("127.0.0.1", 8080) == "web"
    assert host.fetch("127.0.0.1", 8081) == "web"
    assert host.fetch("10.88.0.1", 8080) == "web"
    with pytest.raises(OSError):
        host.fetch("10.88.0.1", 8081)
    assert host.conman.ok("ps", "--format", "{{.Names}}") == "web\n"
    assert "0.0.0.0:8080->80/tcp, 127.0.0.1:8081->80/tcp" in host.conman.ok("ps")
    found = settings(host, "web")
    assert found["Ports"] == {"80/tcp": [{"HostIp": "", "HostPort": "8080"}, {"HostIp": "127.0.0.1", "HostPort": "8081"}]}
    assert found["Networks"]["bridge"]["IPAddress"] == found["IPAddress"] != ""
    host.conman.ok("rm", "-f", "-t", "0", "web")
    with pytest.raises(OSError):
        host.fetch("127.0.0.1", 8080)


def test_a_port_that_is_taken_is_one_line_and_leaves_nothing(host: Host, left_as_it_was: None) -> None:
    serve(host, "first", "-p", "8080:80")
    for options in (("-p", "8080:81"), ("-p", "127.0.0.1:8080:81"), ("-p", "80", "-p", "8079-8081:79-81")):
        done = host.conman("run", "-d", "--name", "second", *options, host.image, "sleep", "1000")
        assert (done.returncode, done.stdout) == (126, "")
        assert done.stderr.startswith("Error: cannot publish port ") and "in use, by container first" in done.stderr
        assert host.conman.ok("ps", "-a", "--format", "{{.Names}}") == "first\n"
    host.conman.ok("rm", "-f", "-t", "0", "first")

    def listening() -> object:
        with socket.create_server(("127.0.0.1", 8080)):
            return host.conman("run", "-d", "-p", "8080:80", host.image, "sleep", "1000").stderr

    assert "in use, by another program of this host" in str(host.here(listening))


def test_a_published_port_is_kept_from_others_while_the_container_runs(host: Host, left_as_it_was: None) -> None:
    serve(host, "web", "-p", "8080:80")

    def take() -> object:
        return socket.create_server(("127.0.0.1", 8080)).close()

    with pytest.raises(OSError, match="in use"):
        host.here(take)
    host.conman.ok("stop", "-t", "0", "web")
    host.here(take)
    host.conman.ok("rm", "web")


def test_free_ports_are_chosen_and_kept(host: Host, left_as_it_was: None) -> None:
    serve(host, "web", "-P", "--expose", "80", "-p", "81")
    ports = {key: int(value[0]["HostPort"]) for key, value in settings(host, "web")["Ports"].items()}
    assert set(ports) == {"80/tcp", "81/tcp"} and all(ports.values())
    assert host.fetch("127.0.0.1", ports["80/tcp"]) == "web"
    host.conman.ok("stop", "-t", "0", "web")
    host.conman.ok("start", "web")
    host.conman.ok("exec", "web", "sh", "-c", "until wget -qO- http://127.0.0.1/; do :; done")
    assert host.fetch("127.0.0.1", ports["80/tcp"]) == "web"
    host.conman.ok("rm", "-f", "-t", "0", "web")


def test_two_containers_find_each_other_by_name(host: Host, left_as_it_was: None) -> None:
    host.conman.ok("network", "create", "front")
    serve(host, "web", "--network", "front", "--network-alias", "www")
    host.conman.ok("run", "-d", "--name", "client", "--network", "front", host.image, "sleep", "1000")
    for name in ("web", "www", host.conman.ok("inspect", "web", "--format", "{{.Id}}")[:12]):
        assert host.conman.ok("exec", "client", "wget", "-qO-", f"http://{name}/").strip() == "web"
    assert "\tclient " in host.conman.ok("exec", "web", "cat", "/etc/hosts")
    inode = host.conman.ok("exec", "client", "stat", "-c", "%i", "/etc/hosts")
    host.conman.ok("rm", "-f", "-t", "0", "web")
    assert "web" not in host.conman.ok("exec", "client", "cat", "/etc/hosts")
    assert host.conman.ok("exec", "client", "stat", "-c", "%i", "/etc/hosts") == inode
    host.conman.ok("run", "-d", "--name", "late", "--network", "front", host.image, "sleep", "1000")
    assert "late" in host.conman.ok("exec", "client", "cat", "/etc/hosts")
    host.conman.ok("rm", "-f", "-t", "0", "late", "client")
    host.conman.ok("network", "rm", "front")


def test_what_somebody_wrote_into_hosts_stays(host: Host, left_as_it_was: None) -> None:
    host.conman.ok("run", "-d", "--name", "one", "--add-host", "db:192.0.2.7", "--add-host", "me:host-gateway", host.image,
                   "sh", "-c", "echo 192.0.2.8 mine >> /etc/hosts; exec sleep 1000")
    host.conman.ok("run", "-d", "--name", "two", host.image, "sleep", "1000")
    lines = host.conman.ok("exec", "one", "cat", "/etc/hosts").splitlines()
    assert "192.0.2.7\tdb" in lines and "192.0.2.8 mine" in lines
    assert any(line.startswith("10.88.0.1\tme host.containers.internal") for line in lines)
    assert sum("\ttwo " in line for line in lines) == 1
    host.conman.ok("rm", "-f", "-t", "0", "one", "two")


def test_networks_are_apart(host: Host, left_as_it_was: None) -> None:
    host.conman.ok("network", "create", "front")
    serve(host, "web", "--network", "front")
    address = settings(host, "web")["IPAddress"]
    done = host.conman("run", "--rm", host.image, "wget", "-T", "2", "-qO-", "http://web/")
    assert done.returncode != 0, "its name is not known elsewhere"
    assert host.conman.ok("run", "--rm", "--network", "front", "--network", "bridge", host.image, "wget", "-qO-",
                          f"http://{address}/") == "web\n"
    host.conman.ok("rm", "-f", "-t", "0", "web")


def test_connect_and_disconnect_a_running_one(host: Host, left_as_it_was: None) -> None:
    host.conman.ok("network", "create", "--subnet", "10.99.0.0/24", "front")
    serve(host, "web", "--network", "front")
    host.conman.ok("run", "-d", "--name", "client", host.image, "sleep", "1000")
    host.conman.ok("network", "connect", "--alias", "www", "--ip", "10.88.7.7", "bridge", "web")
    assert host.conman.ok("exec", "client", "wget", "-qO-", "http://www/") == "web\n"
    assert settings(host, "web")["Networks"]["bridge"]["IPAddress"] == "10.88.7.7"
    again = host.conman("network", "connect", "bridge", "web")
    assert again.returncode == 125 and "already connected" in again.stderr
    host.conman.ok("network", "disconnect", "bridge", "web")
    assert "www" not in host.conman.ok("exec", "client", "cat", "/etc/hosts")
    assert "client" not in host.conman.ok("exec", "web", "cat", "/etc/hosts")
    assert list(settings(host, "web")["Networks"]) == ["front"]
    gone = host.conman("network", "disconnect", "bridge", "web")
    assert gone.returncode == 125 and "is not connected to network bridge" in gone.stderr
    host.conman.ok("stop", "-t", "0", "web")
    host.conman.ok("network", "connect", "bridge", "web")
    host.conman.ok("start", "web")
    assert set(settings(host, "web")["Networks"]) == {"front", "bridge"}
    host.conman.ok("rm", "-f", "-t", "0", "web", "client")


def test_addresses_that_were_wished_for(host: Host, left_as_it_was: None) -> None:
    host.conman.ok("network", "create", "--subnet", "10.99.0.0/24", "--ip-range", "10.99.0.128/25", "front")
    run = ("run", "-d", "--name", "one", "--network", "front:ip=10.99.0.200,mac=92:d0:c6:0a:29:33,interface_name=net0")
    host.conman.ok(*run, host.image, "sleep", "1000")
    for _ in range(2):
        found = settings(host, "one")
        assert (found["IPAddress"], found["MacAddress"]) == ("10.99.0.200", "92:d0:c6:0a:29:33")
        assert "10.99.0.200/24" in host.conman.ok("exec", "one", "ip", "addr", "show", "net0")
        host.conman.ok("stop", "-t", "0", "one")
        host.conman.ok("start", "one")
    taken = host.conman("run", "--rm", "--network", "front", "--ip", "10.99.0.200", host.image, "true")
    assert taken.returncode != 0 and "10.99.0.200" in taken.stderr and taken.stderr.count("\n") <= 2
    outside = host.conman("run", "--rm", "--network", "front", "--ip", "10.98.0.20", host.image, "true")
    assert outside.returncode == 125 and "10.98.0.20 not in any subnet on network front" in outside.stderr
    free = host.conman.ok("run", "--rm", "--network", "front", host.image, "ip", "-4", "addr", "show", "eth0")
    assert int(free.partition("10.99.0.")[2].partition("/")[0]) >= 128
    host.conman.ok("rm", "-f", "-t", "0", "one")


def test_joining_anothers_namespace(host: Host, left_as_it_was: None) -> None:
    serve(host, "web", "-p", "8080:80")
    assert host.conman.ok("run", "--rm", "--network", "container:web", host.image, "wget", "-qO-", "http://127.0.0.1/") == "web\n"
    hosts = host.conman.ok("run", "--rm", "--network", "container:web", host.image, "cat", "/etc/hosts")
    assert hosts == host.conman.ok("exec", "web", "cat", "/etc/hosts")
    done = host.conman("run", "--rm", "--network", "container:web", "-p", "81:81", host.image, "true")
    assert done.returncode == 125 and "port publishing and the container type network mode" in done.stderr
    host.conman.ok("rm", "-f", "-t", "0", "web")


def test_modes_without_a_network(host: Host, left_as_it_was: None) -> None:
    assert "eth0" not in host.conman.ok("run", "--rm", "--network", "none", host.image, "ip", "link")
    assert "conman0" in host.conman.ok("run", "--rm", "--network", "host", host.image, "ip", "link")
    refused = host.conman("run", "--rm", "--network", "none", "-p", "80:80", host.image, "true")
    assert refused.returncode == 125 and "cannot publish ports" in refused.stderr
    warned = host.conman("run", "--rm", "--network", "host", "-p", "80:80", host.image, "true")
    assert warned.returncode == 0 and "discarded" in warned.stderr
    assert host.conman.ok("run", "--rm", "--no-hosts", host.image, "sh", "-c", "cat /etc/hosts 2>&1 || true").count("10.88.") == 0


def test_a_command_that_is_not_found_leaves_nothing(host: Host, left_as_it_was: None) -> None:
    done = host.conman("run", "-p", "8080:80", host.image, "no-such-program")
    assert done.returncode == 127
    assert host.conman.ok("ps", "-aq") == ""


def test_a_terminal_and_a_restart_policy_free_start(host: Host, left_as_it_was: None) -> None:
    host.conman.ok("create", "-t", "--name", "term", host.image, "sh", "-c", "ip addr show eth0")
    for _ in range(2):
        assert "10.88.0." in host.conman.ok("start", "-a", "term")
    host.conman.ok("rm", "term")
