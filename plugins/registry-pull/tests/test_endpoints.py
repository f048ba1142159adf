"""Mirrors, and what holds for which host."""

from __future__ import annotations

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import NotFound
from conman_kernel.slots.provider import RegistrySettings
from conman_kernel.slots.transport import ResolveRequest
from conman_kernel.testing import images
from conman_kernel.testing.registry import Action, Fault, Registry
from conman_registry_pull.endpoints import endpoints, is_loopback


@pytest.mark.parametrize(("authority", "expected"), [
    ("localhost", True), ("localhost:5000", True), ("a.localhost", True), ("127.0.0.1:1", True), ("127.9.9.9", True),
    ("[::1]:5000", True), ("[::1]", True), ("localhost.example.org", False), ("10.0.0.1:5000", False),
    ("127.0.0.1.example.org", False), ("docker.io", False), ("", False)])
def test_loopback(authority, expected):
    assert is_loopback(authority) is expected


def test_docker_hub_is_served_by_another_host():
    (only,) = endpoints("docker.io", "library/alpine", {})
    assert (only.host, only.authority, only.schemes) == ("docker.io", "registry-1.docker.io", ("https",))
    assert only.verify


def test_the_general_table_holds_where_a_hosts_own_is_silent():
    tables = {"*": RegistrySettings(insecure=True), "safe:5000": RegistrySettings(insecure=False),
              "own:5000": RegistrySettings(ca="/ca.pem")}
    assert endpoints("any:5000", "x", tables)[0].plain
    assert not endpoints("safe:5000", "x", tables)[0].plain
    assert endpoints("own:5000", "x", tables)[0].plain
    assert endpoints("own:5000", "x", {"own:5000": tables["own:5000"]})[0].verify == "/ca.pem"


def test_mirrors_are_asked_in_order_and_the_registry_last(registry, make_transport):
    with Registry() as first, Registry() as second:
        settings = {registry.host: RegistrySettings(mirrors=(first.host, f"{second.host}/cache/of"))}
        made = images.image([])
        location = ResolveRequest(f"{registry.host}/box:latest", Cancel(20))
        with pytest.raises(NotFound, match=registry.host):
            make_transport(settings).resolve(location)
        assert [r.count() for r in (first, second, registry)] == [1, 1, 1]
        assert second.requests[0].path == "/v2/cache/of/box/manifests/latest"
        second.add_image(made, "cache/of/box:latest")
        first.fail(Fault(Action.STATUS, status=401))
        assert make_transport(settings).resolve(location).descriptor.digest == made.descriptor.digest
        assert registry.count() == 1
        first.heal()
        first.add_image(made, "box:latest")
        assert make_transport(settings).resolve(location).descriptor.digest == made.descriptor.digest
        assert second.count() == 2
