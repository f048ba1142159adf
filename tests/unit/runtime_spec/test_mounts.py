from __future__ import annotations

import pytest

from conman_kernel.errors import InvalidInput
from conman_kernel.oci.runtime.mounts import build_mounts, rootfs_propagation
from conman_kernel.oci.runtime.options import ContainerOptions, MountOption
from conman_kernel.oci.runtime.request import BindFile


def by_target(mounts: list[dict[str, object]]) -> dict[object, dict[str, object]]:
    assert len({m["destination"] for m in mounts}) == len(mounts)
    return {m["destination"]: m for m in mounts}


def test_the_default_mounts(make) -> None:
    mounts = by_target(build_mounts(make()))
    assert list(mounts)[:3] == ["/proc", "/dev", "/sys"]
    assert set(mounts) == {"/proc", "/dev", "/sys", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys/fs/cgroup"}
    assert "size=67108864" in mounts["/dev/shm"]["options"]
    assert all("ro" in mounts[t]["options"] for t in ("/sys", "/sys/fs/cgroup"))
    privileged = by_target(build_mounts(make(privileged=True)))
    assert all("rw" in privileged[t]["options"] for t in ("/sys", "/sys/fs/cgroup"))


def test_shared_memory(make) -> None:
    assert "size=1048576" in by_target(build_mounts(make(shm_size=1 << 20)))["/dev/shm"]["options"]
    host = by_target(build_mounts(make(ipc="host")))["/dev/shm"]
    assert (host["type"], host["source"]) == ("bind", "/dev/shm")
    assert by_target(build_mounts(make(shm_path="/run/x/shm")))["/dev/shm"]["source"] == "/run/x/shm"


def test_a_parent_comes_before_what_lies_in_it_whatever_the_order(make) -> None:
    mounts = build_mounts(make(mounts=(MountOption("bind", "/h", "/a/b/c"), MountOption("tmpfs", "", "/a")),
                               files=(BindFile("/a/b", "/f"),)))
    order = [m["destination"] for m in mounts]
    assert order.index("/a") < order.index("/a/b") < order.index("/a/b/c")


def test_bind_defaults_are_podmans(make) -> None:
    def options(*asked: str) -> object:
        return by_target(build_mounts(make(mounts=(MountOption("bind", "/h", "/m", asked),))))["/m"]["options"]
    assert options() == ["rw", "rprivate", "rbind"]
    assert options("ro", "rslave") == ["ro", "rslave", "rbind"]
    assert options("bind", "nosuid") == ["bind", "nosuid", "rw", "rprivate"]


def test_tmpfs_defaults_are_podmans(make) -> None:
    def options(*asked: str) -> object:
        return by_target(build_mounts(make(mounts=(MountOption("tmpfs", "", "/m", asked),))))["/m"]["options"]
    assert options("size=1") == ["size=1", "rw", "rprivate", "nosuid", "nodev", "tmpcopyup"]
    assert options("ro", "suid", "dev", "notmpcopyup") == ["ro", "suid", "dev", "rprivate"]


def test_volume_defaults_are_podmans(make) -> None:
    def options(*asked: str) -> object:
        return by_target(build_mounts(make(mounts=(MountOption("volume", "/v/_data", "/m", asked),))))["/m"]["options"]
    assert options() == ["rw", "rprivate", "nosuid", "nodev", "rbind"]
    assert options("ro", "suid", "nocopy", "U", "O", "runbindable") == ["ro", "suid", "runbindable", "nodev", "rbind"]


def test_devpts_has_the_runtimes_own_defaults(make) -> None:
    mount = by_target(build_mounts(make(mounts=(MountOption("devpts", "", "/m", ("mode=600", "max=3")),))))["/m"]
    assert mount["type"] == "devpts"
    assert mount["options"] == ["mode=600", "max=3", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "gid=5"]


def test_the_callers_mount_takes_the_place_of_conmans(make) -> None:
    files = (BindFile("/etc/hosts", "/bundle/hosts"),)
    mounts = by_target(build_mounts(make(files=files, mounts=(MountOption("bind", "/mine", "/etc/hosts"),))))
    assert mounts["/etc/hosts"]["source"] == "/mine"
    assert by_target(build_mounts(make(files=files)))["/etc/hosts"]["options"] == ["bind", "rprivate"]
    shm = by_target(build_mounts(make(mounts=(MountOption("tmpfs", "", "/dev/shm/"),))))
    assert shm["/dev/shm"]["source"] == "tmpfs"


def test_the_callers_dev_is_taken_as_it_is(make) -> None:
    mounts = by_target(build_mounts(make(mounts=(MountOption("bind", "/dev", "/dev"),))))
    assert not [t for t in mounts if str(t).startswith("/dev/")]


def test_read_only_gives_writable_tmpfs_where_podman_does(make) -> None:
    mounts = by_target(build_mounts(make(read_only=True, mounts=(MountOption("bind", "/h", "/tmp"),),
                                         files=(BindFile("/etc/hosts", "/f"),))))
    assert mounts["/run"]["type"] == mounts["/var/tmp"]["type"] == "tmpfs"
    assert mounts["/tmp"]["source"] == "/h"
    assert "ro" in mounts["/etc/hosts"]["options"]


def test_init_is_mounted_and_needed(make) -> None:
    assert by_target(build_mounts(make(init=True, init_path="/sbin/tini")))["/run/conman-init"]["source"] == "/sbin/tini"
    with pytest.raises(InvalidInput, match="no init binary"):
        build_mounts(make(init=True))


@pytest.mark.parametrize("mount", [
    MountOption("bind", "/h", "/"), MountOption("bind", "/h", "/x/.."), MountOption("bind", "/h", "rel"),
    MountOption("bind", "rel", "/m"), MountOption("image", "/h", "/m"), MountOption("volume", "v", "rel")])
def test_bad_mounts(make, mount: MountOption) -> None:
    with pytest.raises(InvalidInput):
        build_mounts(make(mounts=(mount,)))


def test_two_mounts_of_one_target(make) -> None:
    with pytest.raises(InvalidInput, match="/m: duplicate mount destination"):
        build_mounts(make(mounts=(MountOption("bind", "/h", "/m"), MountOption("tmpfs", "", "/m/"))))


def test_root_propagation_follows_the_mounts() -> None:
    def of(*options: str) -> str:
        return rootfs_propagation(ContainerOptions(mounts=(MountOption("bind", "/h", "/m", options),)))
    assert (of(), of("rslave"), of("slave"), of("rshared")) == ("", "rslave", "rslave", "shared")
