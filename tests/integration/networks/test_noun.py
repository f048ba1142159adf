"""``conman network``: words, exit codes, what is refused."""

from __future__ import annotations

import json

import pytest

from .conftest import Host


def test_create_list_inspect_remove(host: Host) -> None:
    conman = host.conman
    assert conman.ok("network", "create", "--label", "a=b", "--opt", "mtu=1400", "--subnet", "10.99.0.0/24", "--gateway", "10.99.0.9",
                     "--ip-range", "10.99.0.64-10.99.0.80", "--disable-dns", "front") == "front\n"
    made = conman.ok("network", "create").strip()
    assert conman.ok("network", "ls", "-q").split() == sorted(["bridge", "front", made])
    [found] = json.loads(conman.ok("network", "inspect", "front"))
    assert found["subnets"] == [{"subnet": "10.99.0.0/24", "gateway": "10.99.0.9",
                                 "lease_range": {"start_ip": "10.99.0.64", "end_ip": "10.99.0.80"}}]
    assert (found["labels"], found["options"], found["dns_enabled"]) == ({"a": "b"}, {"mtu": "1400"}, False)
    assert conman.ok("network", "ls", "--filter", "label=a", "--format", "{{.Name}} {{.Driver}}") == "front bridge\n"
    assert conman.ok("network", "ls", "--filter", "name=^fr", "--noheading").split()[1:] == ["front", "bridge"]
    assert conman("network", "exists", "front").returncode == 0 and conman("network", "exists", "back").returncode == 1
    assert conman.ok("network", "rm", "front", made).split() == ["front", made]
    assert conman("network", "rm", "front").returncode == 1
    assert conman("network", "inspect", "front").returncode == 125


@pytest.mark.parametrize(("words", "says"), [
    (("--subnet", "10.88.0.0/24", "x"), "10.88.0.0"),
    (("--subnet", "nonsense", "x"), "invalid CIDR address: nonsense"),
    (("--subnet", "10.99.0.0/24", "--gateway", "10.98.0.1", "x"), "gateway 10.98.0.1 not in subnet 10.99.0.0/24"),
    (("--subnet", "10.99.0.0/24", "--ip-range", "10.98.0.0/26", "x"), "lease range 10.98.0.0/26 not in subnet"),
    (("--gateway", "10.98.0.1", "x"), "without subnet"),
    (("--driver", "nonsense", "x"), "nonsense"),
    (("--opt", "nonsense=1", "x"), "nonsense"),
    (("bridge",), "already used"),
    (("a/b",), "names must match"),
    (("none",), "means something else"),
    (("--interface-name", "conman0", "x"), "conman0"),
])
def test_create_refuses(shared: Host, words: tuple[str, ...], says: str) -> None:
    done = shared.conman("network", "create", *words)
    assert (done.returncode, done.stdout) == (125, "")
    assert says in done.stderr and done.stderr.startswith("Error: ") and done.stderr.count("\n") <= 2
    assert shared.conman.ok("network", "ls", "-q") == "bridge\n"


def test_a_network_in_use_stays(host: Host) -> None:
    conman = host.conman
    conman.ok("network", "create", "front")
    conman.ok("create", "--name", "one", "--network", "front", host.image, "true")
    done = conman("network", "rm", "front")
    assert done.returncode == 2 and "network is being used" in done.stderr and "one" in done.stderr
    assert conman.ok("network", "prune", "-f") == ""
    assert conman.ok("network", "rm", "-f", "front") == "front\n"
    assert conman.ok("ps", "-aq") == ""
    conman.ok("network", "create", "front")
    conman.ok("network", "create", "--label", "keep", "back")
    assert conman.ok("network", "prune", "-f", "--filter", "label!=keep") == "front\n"
    assert conman.ok("network", "ls", "-q") == "back\nbridge\n"


def test_a_network_that_is_not_there(host: Host) -> None:
    done = host.conman("run", "--network", "nowhere", host.image, "true")
    assert done.returncode == 125 and "network not found" in done.stderr and host.conman.ok("ps", "-aq") == ""


def test_who_has_no_network_of_its_own_cannot_be_connected(host: Host) -> None:
    host.conman.ok("create", "--name", "one", "--network", "none", host.image, "true")
    done = host.conman("network", "connect", "bridge", "one")
    assert done.returncode == 125 and "its network mode is none" in done.stderr


def test_containers_are_listed_by_network(host: Host) -> None:
    host.conman.ok("network", "create", "front")
    host.conman.ok("create", "--name", "one", "--network", "front", host.image, "true")
    host.conman.ok("create", "--name", "two", host.image, "true")
    assert host.conman.ok("ps", "-a", "--filter", "network=front", "--format", "{{.Names}}") == "one\n"
    assert host.conman.ok("ps", "-a", "--filter", "network=bridge", "--format", "{{.Names}}") == "two\n"


def test_events(host: Host) -> None:
    host.conman.ok("network", "create", "front")
    host.conman.ok("create", "--name", "one", host.image, "true")
    host.conman.ok("network", "connect", "front", "one")
    host.conman.ok("network", "disconnect", "front", "one")
    host.conman.ok("network", "rm", "front")
    told = host.conman.ok("events", "--stream=false", "--filter", "type=network", "--format", "{{.Status}} {{.Name}}").splitlines()
    assert told[-4:] == ["create front", "connect front", "disconnect front", "remove front"]
