"""A stranger's storage driver in a clean environment: swapped in by one line, and out again, with the old containers still there."""

from __future__ import annotations

import json
import subprocess

import pytest

from conman_kernel.testing.images import busybox_entries, layer

from .conftest import Host, Roots

pytestmark = pytest.mark.integration
TAR = layer(busybox_entries(), compress=False)
TRANSPORT = '[transports]\nroots = "roots-transport"\n'
DISKS = TRANSPORT + '[storage]\ndriver = "disk-storage"\n[plugin.disk-storage]\nsize = "64m"\n'


def driver_of(host: Host, name: str) -> object:
    (found,) = json.loads(host.ok("inspect", name))
    return found["Driver"]


def test_a_host_goes_over_to_it_and_back_and_old_containers_work(host: Host, roots: Roots) -> None:
    image = f"roots:{roots({'box.tar': TAR})}:box"
    host.configure(TRANSPORT)
    host.ok("pull", "-q", image)
    host.ok("create", "--name", "old", "localhost/box", "cat", "/kept")
    host.ok("run", "-d", "--name", "running", "localhost/box", "sleep", "600")
    host.configure(DISKS)
    host.ok("pull", "-q", image)
    assert "/dev/loop" in host.ok("run", "--name", "new", "localhost/box", "sh", "-c", "echo new > /kept; df /")
    assert (driver_of(host, "old"), driver_of(host, "new")) == ("overlay-storage", "disk-storage")
    assert host.ok("exec", "running", "sh", "-c", "echo old > /kept && cat /kept") == "old\n"
    host.ok("stop", "-t", "0", "running")
    host.ok("commit", "-q", "new", "shelf:1")
    assert host.ok("run", "--rm", "shelf:1", "cat", "/kept") == "new\n"
    host.ok("save", "-q", "--format", "oci-archive", "-o", str(host.folder / "shelf.tar"), "shelf:1")
    host.configure(TRANSPORT)
    assert host.ok("start", "-a", "new").startswith("Filesystem"), "what disk-storage made works although it is not selected"
    host.ok("load", "-q", "-i", str(host.folder / "shelf.tar"))
    assert host.ok("run", "--rm", "shelf:1", "cat", "/kept") == "new\n"
    assert "/kept" in host.ok("diff", "running") and "/kept" in host.ok("diff", "new")
    host.ok("rm", "old", "new", "running")
    host.ok("system", "check")


def test_a_container_cannot_write_more_than_its_disk_holds(host: Host, roots: Roots) -> None:
    host.configure(DISKS)
    image = f"roots:{roots({'box.tar': TAR})}:box"
    done = host("run", "--rm", image, "dd", "if=/dev/zero", "of=/big", "bs=1M", "count=100")
    assert done.returncode == 1 and "No space left on device" in done.stderr
    assert host.ok("run", "--rm", "localhost/box", "ls", "/").split().count("big") == 0


def test_removing_leaves_no_disk_and_no_loop_device(host: Host, roots: Roots) -> None:
    host.configure(DISKS)
    host.ok("run", "--rm", f"roots:{roots({'box.tar': TAR})}:box", "true")
    host.ok("rmi", "localhost/box")
    state = host.folder / "root" / "plugins" / "disk-storage"
    assert not list((state / "s").iterdir()) and not list((state / "trash").iterdir())
    assert str(host.folder) not in subprocess.run(["losetup", "-a"], capture_output=True, text=True, check=True).stdout


def test_options_that_are_wrong_name_their_key(host: Host, roots: Roots) -> None:
    host.configure(DISKS.replace("64m", "plenty"))
    assert "plugin.disk-storage.size: 'plenty'" in host.fails(125, "pull", "-q", f"roots:{roots({'box.tar': TAR})}:box")
