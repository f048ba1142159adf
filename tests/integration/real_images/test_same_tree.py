"""The unpacked root file system is podman's, entry by entry, by every driver and from every source."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel import Conman, Progress
from conman_kernel.testing.command import Command
from conman_kernel.testing.docker_registry import DockerRegistry
from conman_kernel.testing.layout import read_layout
from conman_kernel.testing.registry import Auth, Registry
from conman_kernel.testing.trees import differences, read_tree

from .conftest import Podman, digest_of, image_id, shown
from .debian_image import NET_RAW, TAG, unlisted

SPECIAL = "opt/special"

EMPTY_ATTRIBUTE = "opt/attributes/file: xattrs is (('user.empty', b''), ('user.note', b'a value'))"
"""Podman's tar reader takes an extended attribute without a value for one that is to be left out."""


def test_the_tree_is_podmans(each: Command, podman: Podman, layout: Path, name: str) -> None:
    """But for what is known: the root folder's own attributes, the times of folders that a layer does not list, and an empty
    attribute."""
    theirs = podman.ok("image", "mount", name)
    container, ours = shown(each, name)
    found = differences(ours, theirs, root=False, timeless=unlisted(layout))
    each.ok("rm", "--force", container)
    assert [line for line in found if not line.startswith(EMPTY_ATTRIBUTE)] == []
    assert len(found) == 1, "the known difference is gone"


def test_what_the_layers_did_is_there(conman: Command, name: str) -> None:
    """Not only the same as podman's: what the three layers say."""
    container, root = shown(conman, name)
    tree = read_tree(root, content=False)
    conman.ok("rm", "--force", container)
    special = {path.removeprefix(SPECIAL + "/"): entry for path, entry in tree.items() if path.startswith(SPECIAL + "/")}
    assert (special["null"].kind, special["null"].device, special["null"].mode) == ("char", (1, 3), 0o620)
    assert (special["disk"].kind, special["disk"].device) == ("block", (7, 200))
    assert special["pipe"].kind == "fifo"
    assert special["id-setuid"].mode == 0o4755
    assert special["again"].links == (f"{SPECIAL}/again", f"{SPECIAL}/id-setgid")
    assert special["capable"].xattrs == (("security.capability", NET_RAW),)
    assert special["one"].links == (f"{SPECIAL}/one", f"{SPECIAL}/sticky/three"), "the third name was deleted above"
    assert special["one"].mtime == 987_654_321_000_000_000, "umoci writes whole seconds"
    assert "*" not in special and "new\nline" in special and "back\\slash" in special
    assert [path for path in tree if path.startswith("usr/share/zoneinfo/")] == ["usr/share/zoneinfo/only"]
    assert "usr/share/doc" not in tree and "etc/issue.net" not in tree
    assert (tree["etc/issue"].kind, tree["usr/share/man"].kind) == ("file", "file")
    assert (tree[SPECIAL].mode, tree[SPECIAL].uid, tree[SPECIAL].gid) == (0o751, 3, 4)
    assert len(tree) > 3000


def test_the_same_by_the_library(fresh: Command, registry: DockerRegistry, name: str, layout: Path) -> None:
    with Conman(root=fresh.root, run_root=fresh.run_root) as library:
        events: list[Progress] = []
        image = library.images.pull(name, progress=events.append)
    kinds = [event.kind for event in events]
    assert kinds[0] == "resolving" and kinds[-1] == "done" and kinds.count("unpacked") == 3
    assert (image.id, image.names, image.digest) == (image_id(layout), (name,), digest_of(layout, TAG))
    assert image.config.user == "app" and image.config.stop_signal == "SIGUSR1"


SOURCES = ("tag", "digest", "tag and digest", "short name", "index", "docker", "token", "folder", "archive")


@pytest.fixture(scope="session")
def guarded(layout: Path) -> Iterator[str]:
    """The image on a registry that wants a token."""
    with Registry(auth=Auth()) as made:
        made.add_layout(str(layout), f"debian:{TAG}")
        yield f"{made.host}/debian:{TAG}"


@pytest.fixture(scope="session")
def archive(place: Path, layout: Path) -> str:
    """The image as an OCI archive, by skopeo."""
    path = place / "debian.tar"
    subprocess.run(["skopeo", "--insecure-policy", "copy", "--quiet", f"oci:{layout}:{TAG}", f"oci-archive:{path}:box:1"],
                   check=True, capture_output=True)
    return f"oci-archive:{path}:box:1"


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_gives_it(source: str, fresh: Command, conman: Command, registry: DockerRegistry, layout: Path, name: str,
                               guarded: str, archive: str) -> None:
    digest = digest_of(layout, TAG)
    fresh.environ["CONMAN_SHORT_NAMES"] = registry.host
    reference = {"tag": name, "digest": f"{registry.host}/debian@{digest}", "tag and digest": f"{name}@{digest}",
                 "short name": "debian", "index": f"{registry.host}/debian:index", "docker": f"{registry.host}/debian:v2s2",
                 "token": guarded, "folder": f"oci:{layout}:{TAG}", "archive": archive}[source]
    pulled = fresh.ok("pull", "--quiet", reference).strip()
    assert pulled == image_id(layout)
    document = fresh.inspect(pulled)
    docker = "docker.distribution.manifest.v2" in str(document["ManifestType"])
    assert docker is (source == "docker")
    assert (document["Digest"] == digest) is not docker
    config = document["Config"]
    assert isinstance(config, dict)
    assert (config["User"], config["StopSignal"], config["WorkingDir"]) == ("app", "SIGUSR1", "/srv/job")
    names = {"tag": name, "short name": name, "index": f"{registry.host}/debian:index", "token": guarded,
             "docker": f"{registry.host}/debian:v2s2", "folder": "localhost/latest:latest", "archive": "localhost/box:1"}
    assert document["RepoTags"] == ([names[source]] if source in names else [])
    _, here = shown(fresh, pulled)
    container, reference_tree = shown(conman, name)
    found = differences(here, reference_tree, content=False)
    conman.ok("rm", "--force", container)
    assert found == []


def test_an_index_gives_what_the_platform_asks(fresh: Command, registry: DockerRegistry, layout: Path) -> None:
    name = f"{registry.host}/debian:index"
    fresh.ok("pull", "--quiet", "--platform", "linux/arm64", name)
    document = fresh.inspect(name)
    assert (document["Architecture"], document["Digest"]) == ("arm64", digest_of(layout, "arm"))
    _, root = shown(fresh, name)
    assert os.listdir(root) == ["arm"]
    refused = fresh("pull", "--quiet", "--platform", "linux/s390x", name)
    assert (refused.returncode, refused.stderr.count("Error:")) == (125, 1)
    assert "s390x" in refused.stderr
    fresh.ok("pull", "--quiet", name)
    assert fresh.inspect(name)["Digest"] == digest_of(layout, TAG), "the host's own without a word"


def test_the_registry_got_what_the_folder_holds(layout: Path) -> None:
    """The embedded registry reads the same folder as skopeo does."""
    top, manifests, blobs = read_layout(str(layout), TAG, "")
    assert top == digest_of(layout, TAG) and set(manifests) == {top} and len(blobs) == 4
