"""What is bound into a container: that it is there, and that the host's mount can give the propagation that is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from conman_kernel.containers.sources import check_sources
from conman_kernel.errors import InvalidInput, NotFound
from conman_kernel.oci.runtime.options import MountOption


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A host where ``a`` is a shared mount, ``a/b`` a private one in it, and ``c d`` a slave."""
    for name in ("a/b/deep", "c d", "e"):
        (tmp_path / "host" / name).mkdir(parents=True)
    top = f"{tmp_path}/host"
    table = tmp_path / "root/proc/self/mountinfo"
    table.parent.mkdir(parents=True)
    table.write_text(f"1 0 8:1 / / rw - ext4 /dev/vda rw\n2 1 0:2 / {top}/a rw shared:7 - tmpfs tmpfs rw\n"
                     f"3 2 0:3 / {top}/a/b rw - tmpfs tmpfs rw\n4 1 0:4 / {top}/c\\040d rw master:7 - tmpfs tmpfs rw\n")
    return tmp_path


@pytest.mark.parametrize("path, options, complaint", [
    ("a", ("shared",), ""), ("a", ("rslave", "ro"), ""), ("a/b", ("rshared",), "a/b but it is not a shared mount"),
    ("a/b/deep", ("slave",), "a/b but it is not a shared or slave mount"), ("c d", ("rslave",), ""),
    ("c d", ("shared",), "c d but it is not a shared mount"), ("e", ("rshared",), " is mounted on / but it is not a shared mount"),
    ("e", ("rprivate",), ""), ("e", (), ""), ("a/b", ("unbindable",), ""),
])
def test_propagation(recorded: Path, path: str, options: tuple[str, ...], complaint: str) -> None:
    mounts = (MountOption("bind", f"{recorded}/host/{path}", "/x", options), MountOption("volume", "v", "/y", ("shared",)))
    if not complaint:
        check_sources(mounts, root=f"{recorded}/root")
        return
    with pytest.raises(InvalidInput) as caught:
        check_sources(mounts, root=f"{recorded}/root")
    assert caught.value.message.endswith(complaint) and caught.value.hint.startswith("mount --make-shared ")


def test_a_link_is_followed_to_its_mount(recorded: Path) -> None:
    (recorded / "host/link").symlink_to(recorded / "host/a/b")
    with pytest.raises(InvalidInput, match="a/b but it is not a shared mount"):
        check_sources((MountOption("bind", f"{recorded}/host/link", "/x", ("shared",)),), root=f"{recorded}/root")


def test_owners_of_the_system_are_not_changed(tmp_path: Path) -> None:
    (tmp_path / "etc").symlink_to("/etc")
    for source in ("/etc", "/usr", f"{tmp_path}/etc"):
        with pytest.raises(InvalidInput, match="is not permitted"):
            check_sources((MountOption("bind", source, "/x", ("U",)),))
    check_sources((MountOption("bind", str(tmp_path), "/x", ("U",)),))


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=f"statfs {tmp_path}/nope: no such file or directory"):
        check_sources((MountOption("tmpfs", "", "/t"), MountOption("bind", f"{tmp_path}/nope", "/m")))
