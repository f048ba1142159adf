"""Pulls over HTTP into the real drivers, and everything that can go wrong on the way."""

from __future__ import annotations

import os
import random
import stat
import subprocess
import sys
import threading

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import Cancelled, ConmanError, DigestMismatch, NotFound
from conman_kernel.oci.digest import digest_of
from conman_kernel.testing.images import (
    Lies,
    busybox_image,
    device,
    directory,
    file,
    hardlink,
    image,
    layer,
    opaque,
    symlink,
    whiteout,
)
from conman_kernel.testing.registry import Action, Fault

NOISE = random.Random(3).randbytes(300_000)


def tree(root) -> dict[str, tuple]:
    """Every entry: type and mode, owner, and content or target."""
    found = {}
    for folder, folders, files in os.walk(root):
        for name in [*folders, *files]:
            path = os.path.join(folder, name)
            st = os.lstat(path)
            content: object = None
            if stat.S_ISLNK(st.st_mode):
                content = os.readlink(path)
            elif stat.S_ISREG(st.st_mode):
                with open(path, "rb") as stream:
                    content = stream.read()
            found[os.path.relpath(path, root)] = (oct(st.st_mode), st.st_uid, st.st_gid, content)
    return found


def mixed():
    """Three layers with every kind of entry; the upper two delete, replace, and hang on what lies below."""
    return image([
        layer([directory("usr"), directory("usr/lib"), symlink("lib", "usr/lib"), directory("gone"), file("gone/x",
            b"x"),
               directory("full"), file("full/old", b"old"), file("usr/lib/a", NOISE), file("keep", b"k", uid=7, gid=8),
               directory("private", mode=0o700, uid=5)]),
        layer([whiteout("gone"), opaque("full"), file("full/new", b"new"), file("lib/b", b"through the link"),
               hardlink("again", "keep"), file("private/below", b"p")]),
        layer([file("keep", b"other"), device("null", 1, 3), whiteout("lib/a")]),
    ], config={"Cmd": ["sh"]})


def test_the_tree_is_what_the_layers_say(store, registry):
    registry.add_image(mixed(), "mixed:latest")
    got = store.images.pull(f"{registry.host}/mixed")
    assert got.storage == store.parts.default_storage
    with store.shown(got.top_chain_id) as root:
        found = tree(root)
    assert set(found) == {"usr", "usr/lib", "lib", "full", "full/new", "usr/lib/b", "keep", "again", "private",
        "private/below", "null"}
    assert found["usr/lib/b"][3] == b"through the link"
    assert found["lib"][3] == "usr/lib"
    assert found["keep"][3] == b"other"
    assert found["again"] == ("0o100644", 7, 8, b"k")
    assert found["private"][:3] == ("0o40700", 5, 0)
    assert found["null"][0] == "0o20666"


def test_busybox_comes_and_goes(store, registry):
    registry.add_image(busybox_image(), "box:1")
    got = store.images.pull(f"{registry.host}/box:1")
    with store.shown(got.top_chain_id) as root:
        assert os.access(root / "bin/busybox", os.X_OK)
    store.images.remove(f"{registry.host}/box:1")
    assert store.left() == set()


def test_the_same_image_lies_in_two_drivers(store, registry):
    registry.add_image(mixed(), "mixed:latest")
    name = f"{registry.host}/mixed"
    first = store.images.pull(name)
    other = next(d for d in ("overlay-storage", "vfs-storage") if d != first.storage)
    store.images._parts = store.parts._replace(default_storage=other)
    assert store.images.get(name).storage == first.storage
    asked = registry.count("GET", "/blobs/")
    assert store.images.pull(name).storage == other
    assert registry.count("GET", "/blobs/") == asked, "the blobs were kept"
    store.images.remove(name)
    assert store.left() == set()


@pytest.mark.parametrize("fault", [
    Fault(Action.TRUNCATE, on="/blobs/", at=500), Fault(Action.CUT, on="/blobs/", at=500),
    Fault(Action.RESET, on="/blobs/", at=500), Fault(Action.ALTER, on="GET /v2/box/blobs/", at=300),
    Fault(Action.STATUS, on="/blobs/", status=404), Fault(Action.STATUS, on="/blobs/", status=500),
    Fault(Action.BODY, on="/manifests/", value="{}"), Fault(Action.MEDIA_TYPE, on="/manifests/", value="text/html"),
    Fault(Action.DIGEST, on="/manifests/", value="sha256:" + "0" * 64), Fault(Action.DROP, on="/manifests/"),
    Fault(Action.TRUNCATE, on="/manifests/", at=100),
], ids=lambda fault: f"{fault.action.value}-{fault.on.strip('/').split('/')[-1]}")
def test_faults_leave_partial_content_at_most(store, registry, fault):
    registry.add_image(image([layer([file("a", NOISE)]), layer([file("b", NOISE[::-1])])]), "box:latest")
    registry.fail(fault)
    try:
        store.images.pull(f"{registry.host}/box", cancel=Cancel(timeout=60))
    except ConmanError as error:
        assert "\n" not in str(error)
        assert {path for path in store.left() if not path.startswith("ingest/")} == set()
        assert store.images.list() == []
    else:
        assert fault.action is Action.MEDIA_TYPE, "the document itself says what it is"


def test_lies_about_diff_ids(store, registry):
    registry.add_image(image([layer([file("a")])], lies=Lies(diff_ids=["sha256:" + "1" * 64])), "liar:latest")
    with pytest.raises(DigestMismatch, match=r"layer 1 of .*/liar:latest unpacks to sha256:.*configuration says"):
        store.images.pull(f"{registry.host}/liar")
    assert store.left() == set()


def test_an_unknown_image(store, registry):
    with pytest.raises(NotFound) as caught:
        store.images.pull(f"{registry.host}/nosuch:1")
    assert "nosuch" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_stalled_download_is_cancelled_and_resumed(store, registry):
    blob = layer([file("a", NOISE)], compress=False)
    registry.add_image(image([blob]), "box:latest")
    registry.fail(Fault(Action.STALL, on="/blobs/" + digest_of(blob), at=290_000, times=1))
    cancel, coming = Cancel(), threading.Event()

    def leave() -> None:
        coming.wait(60)
        cancel.cancel("the person has gone")

    person = threading.Thread(target=leave)
    person.start()
    with pytest.raises(Cancelled, match="the person has gone"):
        store.images.pull(f"{registry.host}/box", cancel=cancel,
                          progress=lambda event: coming.set() if event.kind == "downloading" else None)
    person.join()
    partial = "ingest/" + digest_of(blob).replace(":", "-")
    assert store.left() == {partial}
    kept = os.stat(f"{store.layout.root}/{partial}").st_size
    assert 0 < kept <= 290_000
    store.images.pull(f"{registry.host}/box")
    asked = [r.headers.get("range") for r in registry.requests if digest_of(blob) in r.path]
    assert asked == [None, f"bytes={kept}-"]


def test_many_layers_that_hang_on_each_other(store, registry):
    """40 layers, more than a page of lowerdir, each through a link of the lowest."""
    count = 40
    lowest = layer([directory("usr"), directory("usr/lib"), symlink("lib", "usr/lib")])
    registry.add_image(image([lowest, *(layer([file(f"lib/f{n}", str(n).encode())]) for n in range(count))]),
        "many:latest")
    got = store.images.pull(f"{registry.host}/many")
    with store.shown(got.top_chain_id) as root:
        assert sorted(os.listdir(root / "usr/lib")) == sorted(f"f{n}" for n in range(count))


def test_memory_stays_bounded(store, registry, scratch):
    """The peak of this process and of its workers together, while 300 MB come."""
    with open(scratch / "big.tar", "wb") as stream:
        subprocess.run([sys.executable, "-c", _BIG], stdout=stream, check=True)
    with open(scratch / "big.tar", "rb") as stream:
        blob = stream.read()
    registry.add_image(image([blob]), "big:latest")
    del blob
    done = subprocess.run([sys.executable, "-c", _PULL, str(scratch / "s"), f"{registry.host}/big",
                           store.parts.default_storage], capture_output=True, text=True, check=True)
    own, workers = (int(part) for part in done.stdout.split())
    assert own + 2 * workers < 150 * 1024, f"{own} KiB and twice {workers} KiB"


_BIG = """
import sys, tarfile, io, os
class Zeros(io.RawIOBase):
    def read(self, n=-1): return bytes(n)
with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
    for n in range(10):
        info = tarfile.TarInfo(f"f{n}")
        info.size = 30_000_000
        archive.addfile(info, Zeros())
"""

_PULL = """
import logging, re, resource, sys
import conman_overlay_storage, conman_registry_pull, conman_vfs_storage
from conman_kernel.images.parts import Parts
from conman_kernel.images.service import Images
from conman_kernel.slots.provider import PluginContext
from conman_kernel.store.blobs import Blobs
from conman_kernel.store.index import Index
from conman_kernel.store.layout import Layout
from conman_kernel.store.locks import Locks
from conman_kernel.worker.client import Worker
root, name, driver = sys.argv[1:]
layout, log = Layout(root, root), logging.getLogger("x")
def context(name):
    return PluginContext(name=name, options={}, state_dir=layout.plugin_state(name),
                         run_dir=layout.plugin_run(name), log=log)
modules = {"overlay-storage": conman_overlay_storage, "vfs-storage": conman_vfs_storage}
storage = modules[driver].conman_storage_driver().open(context(driver))
transport = conman_registry_pull.conman_image_transport().open(context("registry-pull"))
Images(Parts(layout=layout, database=Index(layout), locks=Locks(layout), blobs=Blobs(layout), worker=Worker,
    storage=lambda _: storage, default_storage=driver, transport=lambda a, b: transport, short_names=(),
    keep_blobs=False, parallel=3, log=log)).pull(name)
# ru_maxrss would count what the process that started this one had in memory when it did so.
own = re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]
print(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
