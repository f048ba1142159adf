"""``copy`` from every kind of place to every other: what arrives has the digest of what was sent, wherever there is room for it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from conman_kernel.errors import ConmanError, InvalidInput
from conman_kernel.oci.digest import digest_of
from conman_kernel.testing.command import Command

from .conftest import ARM, BOTH, DOCKER, KINDS, OCI, Desk

INDEXES = ("docker", "oci", "oci-archive", "dir")
"""What has room for an index; a Docker archive and the store hold one platform of an image."""


@pytest.fixture(scope="module")
def sources(desk: Desk) -> dict[str, str]:
    """The image in a place of each kind."""
    made = {}
    for kind in KINDS:
        made[kind] = desk.somewhere(kind)
        desk.conman.images.copy(f"docker://{desk.registry.host}/oci:1", made[kind])
    return made


@pytest.mark.parametrize("target", KINDS)
@pytest.mark.parametrize("source", KINDS)
def test_digests_are_preserved(desk, sources, source, target):
    """A Docker archive keeps no manifest and plain layers only: what goes in or comes out has another manifest, the same one
    every time, and the same configuration. The store, which has the image already, keeps the manifest that it has."""
    at = desk.somewhere(target)
    if source == "store":  # it has one manifest of an image, and another may have come from a registry meanwhile
        desk.conman.images.copy(f"docker://{desk.registry.host}/oci:1", sources["store"])
    known = desk.conman.images.get(OCI.image_id).digest
    report = desk.conman.images.copy(sources[source], at)
    plain = desk.manifest(sources["docker-archive"])
    wanted = plain if "docker-archive" in (source, target) else OCI.descriptor.digest
    if (source, target) == ("docker-archive", "store"):
        wanted = known
    assert plain != OCI.descriptor.digest
    assert report.digest == desk.manifest(at) == wanted
    desk.whole(at)
    assert desk.conman.images.get(OCI.image_id).id == OCI.image_id.partition(":")[2]


@pytest.mark.parametrize("target", KINDS)
@pytest.mark.parametrize("source", INDEXES)
def test_an_index_whole(desk, source, target):
    at = desk.somewhere(source)
    desk.conman.images.copy(f"docker://{desk.registry.host}/both:1", at, all_platforms=True)
    assert desk.manifest(at) == BOTH.descriptor.digest
    to = desk.somewhere(target)
    if target in INDEXES:
        assert desk.conman.images.copy(at, to, all_platforms=True).digest == BOTH.descriptor.digest == desk.manifest(to)
        for platform, made in (("linux/arm64", ARM), (None, OCI)):
            assert desk.conman.images.copy(to, desk.somewhere("dir"), platform=platform).digest == made.descriptor.digest
        return
    with pytest.raises(InvalidInput, match="one platform|cannot hold an index"):
        desk.conman.images.copy(at, to, all_platforms=True)
    with pytest.raises(ConmanError):
        desk.manifest(to)
    assert desk.conman.images.copy(at, to, platform="linux/arm64").digest == (
        ARM.descriptor.digest if target == "store" else desk.manifest(to))


@pytest.mark.parametrize("kind", INDEXES)
@pytest.mark.parametrize("form, made", [("docker", OCI), ("oci", DOCKER)])
def test_another_form_on_purpose(desk, kind, form, made):
    name = "oci" if made is OCI else "docker"
    first, back = desk.somewhere(kind), desk.somewhere(kind)
    changed = desk.conman.images.copy(f"docker://{desk.registry.host}/{name}:1", first, format=form).digest
    assert changed == desk.manifest(first) != made.descriptor.digest
    desk.whole(first)
    again = desk.conman.images.copy(first, back, format=name).digest
    assert again == desk.manifest(back) and again != changed


def test_what_a_docker_archive_cannot_have(desk):
    at = desk.somewhere("docker-archive")
    with pytest.raises(InvalidInput, match="Docker's form only"):
        desk.conman.images.copy(f"docker://{desk.registry.host}/oci:1", at, format="oci")
    assert not Path(at.partition(":")[2]).exists()


@pytest.mark.parametrize("kind", KINDS[:-1])
def test_skopeo_takes_it_and_gives_it_back(desk, kind):
    ours, theirs, back = desk.somewhere(kind), desk.somewhere(kind, "x/y:1" if kind == "docker-archive" else ""), desk.somewhere("dir")
    desk.conman.images.copy(f"docker://{desk.registry.host}/oci:1", ours)
    subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false", ours, theirs],
                   check=True, timeout=60)
    digest = desk.conman.images.copy(theirs, back).digest
    config = json.loads(Path(back.partition(":")[2], "manifest.json").read_bytes())["config"]["digest"]
    assert config == OCI.image_id
    assert digest == (desk.manifest(ours) if kind == "docker-archive" else OCI.descriptor.digest)


def test_the_command(desk, place):
    command = Command(str(place / "store"))
    source = f"docker://{desk.registry.host}/both:1"
    done = command("copy", "--all", "--digestfile", f"{place}/digest", source, f"oci:{place}/by-command:all")
    assert done.returncode == 0, done.stderr
    assert (place / "digest").read_text() == BOTH.descriptor.digest
    assert command("copy", "-q", "--platform", "linux/arm64", f"oci:{place}/by-command:all", f"dir:{place}/by-command-arm").returncode == 0
    assert digest_of((place / "by-command-arm/manifest.json").read_bytes()) == ARM.descriptor.digest
    for form, kind in (("v2s2", "vnd.docker.distribution.manifest.v2"), ("oci", "vnd.oci.image.manifest")):
        assert command("copy", "-q", "--format", form, f"docker://{desk.registry.host}/oci:1", f"dir:{place}/form-{form}").returncode == 0
        assert kind in (place / f"form-{form}/manifest.json").read_text()
    for wrong, words in ((["copy", "--format", "v2s1", source, f"dir:{place}/z"], "withdrawn"), (["copy", source], "at least 2"),
                         (["copy", source, "nowhere:/x"], "nowhere"), (["copy", f"oci:{place}/none", f"dir:{place}/z"], "does not exist"),
                         (["copy", "--all", "--platform", "linux/arm64", source, f"dir:{place}/z"], "exclude")):
        done = command(*wrong)
        assert done.returncode == 125 and words in done.stderr, (wrong, done.stderr)
    assert not (place / "z").exists()
