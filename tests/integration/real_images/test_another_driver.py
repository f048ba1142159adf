"""An image that one storage driver holds, wanted in another: from kept blobs, from where it came, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conman_kernel import Conman
from conman_kernel.errors import NotFound, Unavailable
from conman_kernel.testing import aftermath
from conman_kernel.testing.command import Command
from conman_kernel.testing.images import busybox_image, file, layer, write_layout
from conman_kernel.testing.registry import Registry

from .conftest import one_error

OTHER = "vfs-storage"


def blobs(conman: Command) -> list[str]:
    """The compressed layers that are kept."""
    return [name for _, _, files in os.walk(f"{conman.root}/blobs") for name in files]


def run_which(conman: Command, name: str, driver: str = OTHER) -> str:
    """What the image's upper layer says, through a container in a storage driver."""
    return conman.ok("--storage-driver", driver, "run", "--rm", name, "cat", "/which")


def unpack(conman: Command, name: str) -> None:
    """The same by the library."""
    with Conman(root=conman.root, run_root=conman.run_root, overrides={"storage.driver": OTHER}) as library:
        library.images.unpack(library.images.get(name))


def test_kept_blobs_are_enough(fresh: Command, loopback: Registry) -> None:
    loopback.add_image(busybox_image(extra=[layer([file("which", b"kept")])]), "box:1")
    name = f"{loopback.host}/box:1"
    fresh.ok("pull", "-q", name)
    assert len(blobs(fresh)) == 2
    loopback.forget()
    assert run_which(fresh, name) == "kept"
    assert loopback.requests == []
    assert run_which(fresh, name, "overlay-storage") == "kept", "both have it now"
    assert "Deleted" in fresh.ok("rmi", name)
    assert blobs(fresh) == [] and fresh.ok("images", "-q") == ""


def test_the_registry_is_asked_for_what_was_not_kept(fresh: Command, loopback: Registry) -> None:
    fresh.environ["CONMAN_KEEP_BLOBS"] = "false"
    loopback.add_image(busybox_image(extra=[layer([file("which", b"fetched")])]), "box:1")
    name = f"{loopback.host}/box:1"
    fresh.ok("pull", "-q", name)
    assert blobs(fresh) == []
    loopback.forget()
    assert run_which(fresh, name) == "fetched"
    assert loopback.count("GET", "/blobs/") == 2 and blobs(fresh) == []
    loopback.forget()
    assert run_which(fresh, name) == "fetched"
    assert loopback.requests == [], "unpacked once"


def test_the_registry_is_gone(fresh: Command) -> None:
    fresh.environ["CONMAN_KEEP_BLOBS"] = "false"
    with Registry() as registry:
        registry.add_image(busybox_image(), "box:1")
        host = registry.host
        fresh.ok("pull", "-q", f"{host}/box:1")
    fresh.ok("run", "--rm", f"{host}/box:1", "true")
    assert aftermath.wait_gone(set(aftermath.processes(fresh.root, fresh.run_root)), 30.0)
    before = aftermath.look(fresh.root, fresh.run_root)
    done = fresh("--storage-driver", OTHER, "run", "--rm", f"{host}/box:1", "true")
    assert done.returncode == 125 and done.stdout == ""
    assert host in one_error(done.stderr)
    assert aftermath.differences(before, fresh.root, fresh.run_root) == []
    fresh.ok("run", "--rm", f"{host}/box:1", "true")
    with pytest.raises(Unavailable):
        unpack(fresh, f"{host}/box:1")


def test_the_registry_has_it_no_more(fresh: Command, loopback: Registry) -> None:
    fresh.environ["CONMAN_KEEP_BLOBS"] = "false"
    loopback.add_image(busybox_image(), "box:1")
    name = f"{loopback.host}/box:1"
    fresh.ok("pull", "-q", name)
    loopback.repositories.clear()
    done = fresh("--storage-driver", OTHER, "run", "--rm", name, "true")
    assert done.returncode == 125 and name.partition(":1")[0].partition("/")[0] in one_error(done.stderr)
    with pytest.raises(NotFound):
        unpack(fresh, name)


def test_there_never_was_a_registry(fresh: Command, tmp_path: Path) -> None:
    fresh.environ["CONMAN_KEEP_BLOBS"] = "false"
    write_layout(busybox_image(), str(tmp_path / "layout"), tag="box")
    fresh.ok("pull", "-q", f"oci:{tmp_path}/layout:box")
    done = fresh("--storage-driver", OTHER, "run", "--rm", "box", "true")
    assert done.returncode == 125
    assert "was not kept, and no registry is known to have it" in one_error(done.stderr)
    assert "Hint: pull the image again" in done.stderr
    with pytest.raises(NotFound):
        unpack(fresh, "box")
