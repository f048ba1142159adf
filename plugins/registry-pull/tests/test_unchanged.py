"""A tag that still is what it was: asked for without its content, and where possible without the HTTP library."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import Cancelled, NotFound, Unauthorized
from conman_kernel.slots.provider import Access, RegistrySettings
from conman_kernel.slots.transport import OpenRequest, ResolveRequest
from conman_kernel.testing import images
from conman_kernel.testing.registry import Action, Auth, Fault, Registry
from conman_registry_pull import Options
from conman_registry_pull.entrance import Entrance

BOX = images.image([images.layer([images.file("f", b"x")])])
OTHER = "sha256:" + "0" * 64


@pytest.fixture
def registry():
    with Registry() as running:
        running.add_image(BOX, "team/box:v1")
        yield running


@pytest.fixture
def entrance():
    opened: list[Entrance] = []

    def make(registries=None, **access):
        opened.append(Entrance(Options(), registries or {}, logging.getLogger("test"), Access(**access)))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def ask(entrance, registry, known, name="team/box:v1"):
    return entrance.resolve(ResolveRequest(f"{registry.host}/{name}", Cancel(20), known))


def methods(registry):
    return [request.method for request in registry.requests if "/manifests/" in request.path]


def test_one_head_and_no_library(registry):
    program = ("import sys\nfrom conman_kernel.cancel import Cancel\nfrom conman_kernel.log import StderrLog\n"
               "from conman_kernel.slots.transport import ResolveRequest\nfrom conman_registry_pull import Options\n"
               "from conman_registry_pull.entrance import Entrance\n"
               "found = Entrance(Options(), {}, StderrLog('error')).resolve(ResolveRequest(sys.argv[1], Cancel(20), sys.argv[2]))\n"
               "print(found.descriptor.digest, 'requests' in sys.modules, 'http.client' in sys.modules)")
    path = os.pathsep.join(entry for entry in sys.path if entry)
    done = subprocess.run([sys.executable, "-c", program, f"{registry.host}/team/box:v1", BOX.descriptor.digest],
                          env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [BOX.descriptor.digest, "False", "False"]
    assert methods(registry) == ["HEAD"]


def test_the_kernel_can_go_on_from_it(registry, entrance):
    """Where what is here is not whole after all, the manifest is wanted: its media type is known."""
    for known in (entrance(), entrance(credentials=("ann", "pw"))):
        found = ask(known, registry, BOX.descriptor.digest)
        assert found.descriptor.media_type == BOX.descriptor.media_type
        data = known.open(OpenRequest(f"{registry.host}/team/box:v1", found.descriptor, 0, Cancel(20)))
        assert b"".join(data) == BOX.blobs[BOX.descriptor.digest]


def test_what_changed_comes_whole(registry, entrance):
    found = ask(entrance(), registry, OTHER)
    assert (found.descriptor.digest, found.content) == (BOX.descriptor.digest, BOX.blobs[BOX.descriptor.digest])
    assert methods(registry)[-1] == "GET"


def test_what_is_gone_is_said(registry, entrance):
    with pytest.raises(NotFound):
        ask(entrance(), registry, OTHER, "team/box:v2")


@pytest.mark.parametrize("auth", [Auth(), Auth(user="ann", password="pw"), Auth("basic", "ann", "pw")])
def test_where_it_wants_to_know_who_asks_it_is_asked_in_earnest(entrance, auth):
    with Registry(auth=auth) as registry:
        registry.add_image(BOX, "team/box:v1")
        one = entrance(credentials=("ann", "pw"))
        found = ask(one, registry, BOX.descriptor.digest)
        assert (found.descriptor.digest, found.content) == (BOX.descriptor.digest, None)
        assert set(methods(registry)) == {"HEAD"}, "which no registry counts as a pull"
        if auth.user:
            with pytest.raises(Unauthorized):
                ask(entrance(), registry, BOX.descriptor.digest)


@pytest.mark.parametrize("fault", [
    Fault(Action.STATUS, on="/manifests/", status=503, times=1), Fault(Action.STATUS, on="/manifests/", status=405, times=2),
    Fault(Action.DIGEST, on="/manifests/", value="sha256:x", times=2), Fault(Action.DROP, on="/manifests/", times=1),
    Fault(Action.REDIRECT, on="/manifests/", times=1), Fault(Action.RESET, on="/manifests/", times=1),
], ids=lambda fault: f"{fault.action.value} {fault.status if fault.action is Action.STATUS else ''}")
def test_no_plain_yes_is_no_answer(registry, entrance, fault):
    registry.fail(fault)
    assert ask(entrance(), registry, BOX.descriptor.digest).descriptor.digest == BOX.descriptor.digest


def test_a_mirror_is_asked_as_always(registry, entrance):
    with Registry() as mirror:
        mirror.add_image(BOX, "team/box:v1")
        one = entrance({registry.host: RegistrySettings(mirrors=(mirror.host,))})
        assert ask(one, registry, BOX.descriptor.digest).descriptor.digest == BOX.descriptor.digest
        assert methods(registry) == []
        assert methods(mirror) == ["HEAD"]


def test_a_silent_registry_does_not_hold_a_cancelled_call(registry, entrance):
    registry.fail(Fault(Action.SILENT, on="/manifests/"))
    cancel = Cancel()
    cancel.cancel("enough")
    start = time.monotonic()
    with pytest.raises(Cancelled, match="enough"):
        entrance().resolve(ResolveRequest(f"{registry.host}/team/box:v1", cancel, OTHER))
    assert time.monotonic() - start < 10


def test_a_proxy_is_used(registry, entrance, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    one = entrance()
    assert ask(one, registry, BOX.descriptor.digest).descriptor.digest == BOX.descriptor.digest
    assert one._transport is not None, "loopback is never asked by proxy, but that is for the library to say"
