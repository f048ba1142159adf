"""Registries that send something else than they promised, and disks that are full."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile

import pytest

from conman_kernel.testing.aftermath import differences, look, processes, wait_gone
from conman_kernel.testing.command import Command
from conman_kernel.testing.images import Lies, busybox_entries, busybox_image, file, image, layer
from conman_kernel.testing.registry import Action, Fault, Registry


@pytest.mark.parametrize("fault", [
    Fault(Action.ALTER, on="/blobs/", at=10), Fault(Action.TRUNCATE, on="/blobs/", at=100), Fault(Action.STATUS, on="/blobs/", status=404),
    Fault(Action.STATUS, on="/manifests/", status=500), Fault(Action.BODY, on="/manifests/", value="{}"),
    Fault(Action.BODY, on="/manifests/", value="nonsense"),
    Fault(Action.STATUS, on="/v2/", status=401), Fault(Action.BODY, on="/manifests/", value="[" * 5000),
], ids=lambda fault: f"{fault.action.value}-{fault.on.strip('/')}-{fault.value[:3]}")
def test_registries_that_lie(refused, registry: Registry, fault: Fault) -> None:
    other = busybox_image(config={"Cmd": ["other"]})
    registry.add_image(other, "other:latest")
    registry.fail(fault)
    refused(125, "pull", f"{registry.host}/other:latest")
    refused(125, "run", "--rm", f"{registry.host}/other:latest", "true")


def test_altered_manifest_by_digest(refused, registry: Registry) -> None:
    digest = registry.add_image(busybox_image(config={"Cmd": ["other"]}), "other:latest")
    registry.fail(Fault(Action.ALTER, on="/manifests/", at=30))
    refused(125, "pull", f"{registry.host}/other@{digest}")


def test_a_configuration_that_lies_about_its_layers(refused, registry: Registry) -> None:
    made = image([layer(busybox_entries()), layer([file("second", b"x")])], lies=Lies(diff_ids=("sha256:" + "2" * 64, "sha256:" + "3" * 64)))
    registry.add_image(made, "lies:latest")
    refused(125, "pull", f"{registry.host}/lies:latest", says="configuration")


@pytest.mark.parametrize("lies", [
    Lies(layer_types=("application/x-nonsense",)), Lies(manifest={"mediaType": "application/x-nonsense"}), Lies(layer_sizes=(17,)),
    Lies(config_bytes=b"nonsense"), Lies(config_size=17), Lies(manifest={"layers": "none"}), Lies(manifest={"config": None}),
    Lies(layer_digests=("sha256:" + "4" * 64,)), Lies(layer_digests=("nonsense",)), Lies(config_bytes=b"{}"),
], ids=str)
def test_documents_that_lie(refused, registry: Registry, lies: Lies) -> None:
    registry.add_image(image([layer([*busybox_entries(), file("own")])], lies=lies), "lies:latest")
    refused(125, "pull", f"{registry.host}/lies:latest")


def test_no_command_at_all(refused, conman: Command, registry: Registry) -> None:
    registry.add_image(image([layer(busybox_entries())]), "mute:latest")
    name = f"{registry.host}/mute:latest"
    # The image is kept: it is sound; only the container is refused.
    conman.ok("pull", "-q", name)
    try:
        refused(125, "run", "--rm", name, says="command")
        refused(125, "create", name, says="command")
    finally:
        conman.ok("rmi", name)


def test_full_disk(registry: Registry) -> None:
    """A store on a small file system: the pull fails in one line and leaves nothing but what another pull clears."""
    noise = os.urandom(3 << 20)
    registry.add_image(image([layer([*busybox_entries(), *(file(f"f{n}", noise) for n in range(6))])]), "big:latest")
    folder = tempfile.mkdtemp(prefix="cd-", dir="/dev/shm")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", folder], check=True)
    try:
        conman = Command(folder)
        conman.ok("pull", "-q", f"{registry.host}/box:latest")
        conman.ok("run", "--rm", f"{registry.host}/box:latest", "true")
        assert wait_gone(set(processes(conman.root, conman.run_root)), 30.0)
        before = look(conman.root, conman.run_root)
        done = conman("pull", "-q", f"{registry.host}/big:latest")
        assert done.returncode == 125 and "No space left" in done.stderr and len(done.stderr.splitlines()) <= 2, done.stderr
        assert differences(before, conman.root, conman.run_root) == []
        assert conman.ok("run", "--rm", f"{registry.host}/box:latest", "echo", "well") == "well\n"
        assert len(conman.ok("images", "-q").split()) == 1
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        shutil.rmtree(folder)
