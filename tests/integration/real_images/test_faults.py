"""Everything the embedded registry can do wrong, met by the command: one clear line, exit code 125, the store as before."""

from __future__ import annotations

import random
import signal
import subprocess
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.testing import aftermath
from conman_kernel.testing.command import Command
from conman_kernel.testing.images import busybox_image, digest_of, file, image, layer
from conman_kernel.testing.registry import Action, Auth, Fault, Registry

from .conftest import one_error

NOISE = random.Random(7).randbytes(400_000)
LAYER = layer([file("a", NOISE)])
MADE = image([LAYER, layer([file("b", NOISE[::-1])])])
MANIFEST, ANY_BLOB, DOCUMENT, BLOB = "/manifests/", "/blobs/", f"/blobs/{MADE.image_id}", f"/blobs/{digest_of(LAYER)}"

FATAL = {
    "status 404 of the manifest": (Fault(Action.STATUS, MANIFEST, status=404, code="MANIFEST_UNKNOWN"), "box"),
    "status 401 of the manifest": (Fault(Action.STATUS, MANIFEST, status=401), "401"),
    "status 403 of the manifest": (Fault(Action.STATUS, MANIFEST, status=403, code="DENIED"), "403"),
    "status 429": (Fault(Action.STATUS, MANIFEST, status=429, code="TOOMANYREQUESTS"), "429"),
    "status 503": (Fault(Action.STATUS, MANIFEST, status=503), "503"),
    "status 404 of a blob": (Fault(Action.STATUS, BLOB, status=404, code="BLOB_UNKNOWN"), "sha256:"),
    "status 500 of a blob": (Fault(Action.STATUS, BLOB, status=500), "500"),
    "manifest truncated": (Fault(Action.TRUNCATE, MANIFEST, at=100), "manifest"),
    "blob truncated": (Fault(Action.TRUNCATE, BLOB, at=500), "sha256:"),
    "manifest cut": (Fault(Action.CUT, MANIFEST, at=50), "manifests/latest"),
    "blob cut": (Fault(Action.CUT, BLOB, at=500), "blobs/sha256:"),
    "blob reset": (Fault(Action.RESET, BLOB, at=500), "blobs/sha256:"),
    "manifest dropped": (Fault(Action.DROP, MANIFEST), "manifests/latest"),
    "blob dropped": (Fault(Action.DROP, BLOB), "blobs/sha256:"),
    "manifest altered": (Fault(Action.ALTER, MANIFEST, at=20), "manifest"),
    "blob altered": (Fault(Action.ALTER, BLOB, at=300), "sha256:"),
    "manifest replaced": (Fault(Action.BODY, MANIFEST, value="<html>log in first</html>"), "manifest"),
    "manifest without end": (Fault(Action.ENDLESS, MANIFEST), "manifest"),
    "blob without end": (Fault(Action.ENDLESS, BLOB), "sha256:"),
    "blob longer than it says": (Fault(Action.LENGTH, BLOB, at=10), "blobs/sha256:"),
    "blob replaced": (Fault(Action.BODY, BLOB, value="<html>log in first</html>"), "sha256:"),
    "configuration altered": (Fault(Action.ALTER, DOCUMENT, at=30), "configuration"),
    "configuration replaced": (Fault(Action.BODY, DOCUMENT, value="{}"), "configuration"),
    "configuration missing": (Fault(Action.STATUS, DOCUMENT, status=404), MADE.image_id),
    "another digest": (Fault(Action.DIGEST, MANIFEST, value="sha256:" + "0" * 64), "sha256:" + "0" * 64),
    "redirected to nowhere": (Fault(Action.REDIRECT, BLOB, value="http://127.0.0.1:1/x"), "127.0.0.1:1"),
    "redirected in circles": (Fault(Action.REDIRECT, MANIFEST, value="/v2/box/manifests/latest"), "redirect"),
    "redirected to a file": (Fault(Action.REDIRECT, BLOB, value="file:///etc/passwd"), "file:"),
}
"""Fault, and a word that the message must hold."""

NOT_OF_PULLS = {Action.LOST, Action.PAGES, Action.HOLD}
"""Of pushes, of lists, and no fault at all."""

HARMLESS = {
    "nothing": Fault(Action.NONE),
    "media type": Fault(Action.MEDIA_TYPE, MANIFEST, value="text/html"),
    "redirected": Fault(Action.REDIRECT, BLOB, times=1),
    "no length": Fault(Action.NO_LENGTH),
    "chunked": Fault(Action.CHUNKED),
    "slow": Fault(Action.DRIP, BLOB, at=60_000, seconds=0.01),
    "no ranges": Fault(Action.NO_RANGE),
    "busy for a moment": Fault(Action.STATUS, BLOB, times=1, status=503),
    "dropped once": Fault(Action.DROP, BLOB, times=1),
}
"""What an image comes through all the same."""

HANGING = {
    "silent": Fault(Action.SILENT, MANIFEST), "silent at a blob": Fault(Action.SILENT, BLOB),
    "stalled": Fault(Action.STALL, BLOB, at=1000),
}
"""What never ends by itself: the person does."""


@pytest.fixture(scope="session")
def store(place: object) -> Iterator[Command]:
    """One store for all faults, with another image in it, so that there is something to be disturbed; an image has gone
    before, so that its folders are there."""
    made = Command(f"{place}/faults")
    with Registry() as registry:
        registry.add_image(busybox_image(), "here:1")
        made.ok("pull", "-q", f"{registry.host}/here:1")
        made.ok("create", "--name", "holder", f"{registry.host}/here:1", "true")
        registry.add_image(MADE, "gone:1")
        made.ok("pull", "-q", f"{registry.host}/gone:1")
        made.ok("rmi", f"{registry.host}/gone:1")
    yield made
    made.clear()


@pytest.fixture
def box(loopback: Registry, store: Command) -> str:
    """The reference of a new image of two layers, of which no test before has left a part."""
    for partial in Path(store.root, "ingest").iterdir():
        partial.unlink()
    loopback.add_image(MADE, "box:latest")
    return f"{loopback.host}/box:latest"


def test_every_action_is_met() -> None:
    met = {fault.action for fault, _ in FATAL.values()} | {f.action for f in (*HARMLESS.values(), *HANGING.values())}
    assert met == set(Action) - NOT_OF_PULLS


@pytest.mark.parametrize("case", FATAL)
def test_one_clear_line(case: str, store: Command, loopback: Registry, box: str) -> None:
    fault, word = FATAL[case]
    before = aftermath.look(store.root, store.run_root)
    loopback.fail(fault)
    done = store("pull", box)
    assert done.returncode == 125 and done.stdout == ""
    assert word in one_error(done.stderr)
    assert aftermath.differences(before, store.root, store.run_root) == []
    loopback.heal()
    store.ok("pull", "-q", box)
    store.ok("rmi", box)
    assert aftermath.differences(before, store.root, store.run_root) == []


def test_run_says_the_same(store: Command, loopback: Registry, box: str) -> None:
    """What cannot be pulled cannot be run: no container is left, and a command's exit code is not conman's."""
    before = aftermath.look(store.root, store.run_root)
    loopback.fail(FATAL["blob altered"][0])
    done = store("run", "--rm", "--name", "never", box, "true")
    assert done.returncode == 125 and done.stdout == ""
    one_error(done.stderr)
    assert aftermath.differences(before, store.root, store.run_root) == []


@pytest.mark.parametrize("case", HARMLESS)
def test_it_comes_all_the_same(case: str, store: Command, loopback: Registry, box: str) -> None:
    before = aftermath.look(store.root, store.run_root)
    loopback.fail(HARMLESS[case])
    id = store.ok("pull", "-q", box).strip()
    assert store.inspect(id)["RepoTags"] == [box]
    store.ok("rmi", box)
    assert aftermath.differences(before, store.root, store.run_root) == []


def test_a_pull_goes_on_where_it_was_cut(store: Command, loopback: Registry, box: str) -> None:
    before = aftermath.look(store.root, store.run_root)
    loopback.fail(Fault(Action.CUT, BLOB, times=1, at=200_000))
    store.ok("pull", "-q", box)
    asked = [request.headers.get("range") for request in loopback.requests if BLOB in request.path]
    assert asked == [None, "bytes=200000-"]
    store.ok("rmi", box)
    assert aftermath.differences(before, store.root, store.run_root) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("case", HANGING)
def test_a_person_who_has_had_enough(case: str, number: signal.Signals, store: Command, loopback: Registry, box: str) -> None:
    before = aftermath.look(store.root, store.run_root)
    loopback.fail(HANGING[case])
    pulling = store.start("pull", box)
    _until_asked(pulling, loopback, HANGING[case].on)
    pulling.send_signal(number)
    out, err = pulling.communicate(timeout=30)
    assert pulling.returncode == 128 + number and out == b""
    assert b"Traceback" not in err
    assert aftermath.differences(before, store.root, store.run_root) == []


def _until_asked(pulling: subprocess.Popen[bytes], registry: Registry, part: str) -> None:
    """Wait until the registry has been asked for something that it does not answer."""
    import select
    import time

    end = time.monotonic() + 30
    while not registry.count("GET", part) and time.monotonic() < end and pulling.poll() is None:
        select.select([], [], [], 0.01)  # the registry's log has no descriptor to wait on
    assert registry.count("GET", part), pulling.poll()


@pytest.mark.parametrize("auth, word", [
    (Auth(user="somebody", password="secret"), "401"), (Auth(scheme="basic", user="somebody", password="secret"), "401"),
    (Auth(realm="http://127.0.0.1:1/token"), "127.0.0.1:1"),
], ids=["token", "basic", "no token server"])
def test_a_registry_that_wants_somebody(auth: Auth, word: str, store: Command) -> None:
    before = aftermath.look(store.root, store.run_root)
    with Registry(auth=auth) as registry:
        registry.add_image(busybox_image(), "box:1")
        done = store("pull", f"{registry.host}/box:1")
    assert done.returncode == 125 and done.stdout == ""
    assert word in one_error(done.stderr) and "secret" not in done.stderr
    assert aftermath.differences(before, store.root, store.run_root) == []


def test_a_registry_that_is_down(store: Command, loopback: Registry, box: str) -> None:
    before = aftermath.look(store.root, store.run_root)
    loopback.close()
    done = store("pull", box)
    assert done.returncode == 125 and loopback.host in one_error(done.stderr)
    assert aftermath.differences(before, store.root, store.run_root) == []
