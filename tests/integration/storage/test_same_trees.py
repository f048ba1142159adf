"""One image gives one tree: by every driver, in any order of unpacking, and as podman has it."""

from __future__ import annotations

import json
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.slots.storage import PrepareRequest
from conman_kernel.testing.trees import differences

from .conftest import Store
from .layers import image, tar

NAMES = [f"sha256:{sha256(bytes([index])).hexdigest()}" for index in range(200)]


def add_all(store, layers) -> None:
    for index, layer in enumerate(layers):
        store.add(NAMES[index], NAMES[index - 1] if index else None, layer)
    store.driver.view(PrepareRequest("look", NAMES[len(layers) - 1], Cancel(60)))


def add_all_backwards(store, layers) -> None:
    """Every layer is unpacked before its parent; they are committed in order."""
    commits = [store.add(NAMES[i], NAMES[i - 1] if i else None, layers[i], before_parent=True)
               for i in reversed(range(len(layers)))]
    for commit in reversed(commits):
        commit()
    store.driver.view(PrepareRequest("look", NAMES[len(layers) - 1], Cancel(60)))


def compare(stores: dict[str, Store]) -> list[str]:
    """How the other trees differ from the one of overlay."""
    first, *others = stores.values()
    found: list[str] = []
    for other in others:
        with first.shown("look") as left, other.shown("look") as right:
            found += differences(left, right)
    return found


def test_all_drivers_give_identical_trees(stores):
    for store in stores.values():
        add_all(store, image())
    assert [r.needs_parent for r in stores["overlay"].results] == [False, False, False]
    assert len({tuple(r.diff_id for r in store.results) for store in stores.values()}) == 1
    assert compare(stores) == []


def test_unpacking_before_parents_gives_the_same_tree(stores):
    add_all_backwards(stores["overlay"], image())
    for store in list(stores.values())[1:]:
        add_all(store, image())
    assert compare(stores) == []


BELOW = tar(("./", {"mode": 0o711, "mtime": 1.3e9, "uid": 6}), ("usr/", {"mode": 0o750, "uid": 2}), ("usr/lib/", {}),
            ("usr/lib/a", {"data": b"a"}), ("lib", {"type": b"2", "linkname": "usr/lib"}), ("d/", {"gid": 3}),
            ("d/x", {"data": b"x"}), ("d/e/", {}), ("d/e/y", {}))


@pytest.mark.parametrize("layer, needs", [
    (tar(("usr/lib/new", {})), True),
    (tar(("usr/", {}), ("usr/lib/new", {})), True),
    (tar(("lib/x", {"data": b"x"})), True),
    (tar(("copy", {"type": b"1", "linkname": "usr/lib/a"})), True),
    (tar(("d/.wh.e", {})), True),
    (tar(("d/.wh..wh..opq", {}), ("d/n", {})), True),
    (tar((".wh..wh..opq", {}), ("n", {})), True),
    (tar(("top", {})), False),
    (tar((".wh.d", {}), ("d/", {}), ("d/n", {})), False),
    (tar(("d", {"data": b"file"})), False),
    (tar(("d", {"data": b"file"}), ("d/", {}), ("d/n", {})), False),
    (tar(("lib/", {}), ("lib/x", {})), False),
], ids=["unlisted-parents", "unlisted-inner-parent", "through-a-symlink", "hard-link-across-layers", "whiteout-unlisted",
        "opaque-unlisted", "opaque-root", "unlisted-root", "deleted-and-back", "file-over-folder",
        "file-over-folder-and-back", "folder-over-symlink"])
def test_a_layer_above_gives_the_same_tree(stores, layer, needs):
    add_all_backwards(stores["overlay"], [BELOW, layer])
    for store in list(stores.values())[1:]:
        add_all(store, [BELOW, layer])
    assert stores["overlay"].results[0].needs_parent is needs
    # a hard link to a file below is one file when merged; overlayfs copies it up and shows two
    found = [line for line in compare(stores) if ": links is " not in line]
    assert found == []


def test_a_hundred_and_twenty_layers_fit(store):
    count = 120 if store.driver.independent_layers else 12
    add_all(store, [tar((f"f{index}", {"data": b"%d" % index})) for index in range(count)])
    names = store.mounted("look", lambda folder: sorted(p.name for p in Path(folder).iterdir()))
    assert names == sorted(f"f{index}" for index in range(count))


def layout(folder: Path, layers: list[bytes]) -> None:
    """An OCI layout with one image, tagged ``latest``."""
    def blob(data: bytes, kind: str) -> dict[str, object]:
        digest = sha256(data).hexdigest()
        (folder / "blobs/sha256").mkdir(parents=True, exist_ok=True)
        (folder / "blobs/sha256" / digest).write_bytes(data)
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(data)}

    ids = [f"sha256:{sha256(layer).hexdigest()}" for layer in layers]
    config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": ids}}
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": blob(json.dumps(config).encode(), "config.v1+json"),
                "layers": [blob(layer, "layer.v1.tar") for layer in layers]}
    entry = blob(json.dumps(manifest).encode(), "manifest.v1+json")
    entry["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


@pytest.fixture
def podman(scratch_folder):
    """Runs podman with a store of its own; returns its output."""
    base = ["podman", "--root", str(scratch_folder / "pr"), "--runroot", str(scratch_folder / "rr"),
            "--storage-driver", "overlay", "--cgroup-manager", "cgroupfs"]

    def run(*arguments: str) -> str:
        done = subprocess.run([*base, *arguments], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    yield run
    run("image", "umount", "--all", "--force")
    run("system", "reset", "--force")


def test_the_tree_is_podmans(scratch_folder, podman, store):
    layers = image()[:2] + [tar(("var/", {}), ("var/tree/", {}), ("var/tree/back", {"data": b"b"}), (".wh.run", {}),
                                ("etc/", {}), ("etc/hosts", {"data": b"h"}), ("dev/", {}), ("dev/.wh.disk", {}))]
    (scratch_folder / "layout").mkdir()
    layout(scratch_folder / "layout", layers)
    image_id = podman("pull", "-q", f"oci:{scratch_folder / 'layout'}:latest")
    theirs = podman("image", "mount", image_id)
    add_all(store, layers)
    # podman leaves out what a layer says of its root
    assert store.mounted("look", lambda ours: differences(ours, theirs, root=False)) == []
