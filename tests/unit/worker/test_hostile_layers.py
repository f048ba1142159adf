"""Layers that try to leave their root, or to make no sense. The ``bench`` fixture checks what lies beside the root."""

from __future__ import annotations

import os
import stat
import tarfile

import pytest

from conman_kernel.errors import InvalidInput


@pytest.fixture(params=["merged", "base"])
def how(request):
    return {"base": request.param == "base"}


@pytest.mark.parametrize("name", ["../outside/x", "a/../../outside/x", "/../../outside/x", "/x/../.././outside/./x"])
def test_names_with_dots_stop_at_the_root(bench, new_layer, how, name):
    bench.unpack(new_layer().add(name, data=b"inside"), **how)
    assert (bench.root / "outside/x").read_bytes() == b"inside" and os.listdir(bench.root) == ["outside"]


@pytest.mark.parametrize("name", ["..", "a/b/../../..", "/../.."])
def test_names_that_are_the_root(bench, new_layer, how, name):
    bench.unpack(new_layer().add(name, data=b"evil"), **how)
    assert os.listdir(bench.root) == []
    bench.unpack(new_layer().folder(name, 0o711), **how)
    assert stat.S_IMODE(bench.root.stat().st_mode) == 0o711 and os.listdir(bench.root) == []


def test_absolute_names_lie_beneath_the_root(bench, new_layer):
    bench.unpack(new_layer().add("/etc//./x", data=b"1").add("./a/../b", data=b"2"))
    assert (bench.root / "etc/x").read_bytes() == b"1" and (bench.root / "b").read_bytes() == b"2"


@pytest.mark.parametrize("target", ["../outside", "/outside", "../../../../../../outside", "d/../../outside"])
def test_symlinks_are_followed_as_in_a_chroot(bench, new_layer, how, target):
    layer = new_layer().folder("d/").folder("outside/").symlink("escape", target)
    layer.add("escape/new", data=b"inside").add("escape/sentinel", data=b"inside")
    bench.unpack(layer, **how)
    assert (bench.root / "outside/new").read_bytes() == b"inside"
    assert os.readlink(bench.root / "escape") == target


def test_a_symlink_to_the_real_outside_makes_folders_inside(bench, new_layer, how):
    bench.unpack(new_layer().symlink("e", str(bench.outside)).add("e/x", data=b"1"), **how)
    assert (bench.root / str(bench.outside).lstrip("/") / "x").read_bytes() == b"1"


def test_symlinks_in_a_circle_are_refused(bench, new_layer, how):
    with pytest.raises(InvalidInput, match="symlinks"):
        bench.unpack(new_layer().symlink("a", "b").symlink("b", "a").add("a/x"), **how)


def test_a_chain_of_symlinks_is_followed(bench, new_layer, how):
    layer = new_layer().folder("real/").folder("real/deep/").symlink("one", "two/../three").symlink("two", "real/deep")
    layer.symlink("real/three", "/real/deep").add("one/x", data=b"1")
    bench.unpack(layer, **how)
    assert (bench.root / "real/deep/x").read_bytes() == b"1"


def test_a_file_does_not_write_through_a_symlink(bench, new_layer, how):
    layer = new_layer().symlink("f", str(bench.outside / "sentinel")).add("f", data=b"evil")
    bench.unpack(layer, **how)
    assert (bench.root / "f").read_bytes() == b"evil" and not (bench.root / "f").is_symlink()


def test_a_folder_does_not_describe_through_a_symlink(bench, new_layer, how):
    before = bench.outside.stat()
    bench.unpack(new_layer().symlink("d", str(bench.outside)).folder("d/", 0o777, uid=9), **how)
    assert (bench.root / "d").is_dir() and not (bench.root / "d").is_symlink()
    assert bench.outside.stat().st_uid == before.st_uid


@pytest.mark.parametrize("target", ["../outside/sentinel", "/outside/sentinel", "s/sentinel", "nothing", "d", "h", ""])
def test_hard_links_stay_inside(bench, new_layer, how, target):
    layer = new_layer().symlink("s", str(bench.outside)).folder("d/").link("h", target)
    with pytest.raises(InvalidInput):
        bench.unpack(layer, **how)
    assert (bench.outside / "sentinel").stat().st_nlink == 1


def test_a_hard_link_to_a_symlink_links_the_symlink(bench, new_layer, how):
    bench.unpack(new_layer().symlink("s", str(bench.outside / "sentinel")).link("h", "s").add("h", data=b"new"), **how)
    assert (bench.root / "h").read_bytes() == b"new" and (bench.root / "s").is_symlink()


@pytest.mark.parametrize("name", [".wh.", ".wh..", ".wh...", "d/.wh.", "d/.wh..", "d/.wh..."])
@pytest.mark.parametrize("alone", [True, False])
def test_whiteouts_that_name_no_entry_are_refused(bench, new_layer, name, alone):
    with pytest.raises(InvalidInput, match="whiteout"):
        bench.unpack(new_layer().folder("d/").add(name), alone=alone)


def test_a_whiteout_does_not_delete_through_a_symlink(bench, new_layer):
    (bench.root / "s").symlink_to(bench.outside)
    bench.unpack(new_layer().add("s/.wh.sentinel").add(".wh.s"))
    assert os.listdir(bench.root) == []


def test_an_opaque_mark_does_not_empty_a_folder_outside(bench, new_layer):
    (bench.root / "s").symlink_to("../outside")
    bench.unpack(new_layer().add("s/.wh..wh..opq"))


def test_a_folder_on_the_way_may_have_a_name_of_a_whiteout(bench, new_layer, how):
    bench.unpack(new_layer().add(".wh.d/f", data=b"1"), **how)
    assert (bench.root / ".wh.d/f").read_bytes() == b"1"


def test_aufs_bookkeeping_is_skipped(bench, new_layer, how):
    layer = new_layer().folder(".wh..wh.plnk/").add(".wh..wh.plnk/1.2").add(".wh..wh.aufs").add("kept")
    bench.unpack(layer, **how)
    assert os.listdir(bench.root) == ["kept"]


def test_an_entry_below_a_file_is_refused(bench, new_layer, how):
    with pytest.raises(InvalidInput, match="folder"):
        bench.unpack(new_layer().add("f", data=b"x").add("f/g"), **how)


def test_the_root_can_only_be_a_folder(bench, new_layer, how):
    bench.unpack(new_layer().symlink("./", "/etc"), **how)
    assert bench.root.is_dir() and not bench.root.is_symlink()
    bench.unpack(new_layer().folder("./", 0o750, uid=3), **how)
    assert stat.S_IMODE(bench.root.stat().st_mode) == 0o750 and bench.root.stat().st_uid == 3
    assert bench.root.stat().st_mtime == 1_600_000_000


@pytest.mark.parametrize("kind, device", [(tarfile.CHRTYPE, (1 << 20, 1)), (tarfile.BLKTYPE, (1, 1 << 20))])
def test_device_numbers_out_of_range_are_refused(bench, new_layer, kind, device):
    with pytest.raises(InvalidInput, match="range"):
        bench.unpack(new_layer().add("d", kind, device=device))


def test_unknown_types_are_refused(bench, new_layer):
    with pytest.raises(InvalidInput, match="unknown type"):
        bench.unpack(new_layer(tarfile.USTAR_FORMAT).add("v", b"V"))


def test_names_the_system_does_not_take_are_refused(bench, new_layer):
    with pytest.raises(InvalidInput, match="too long"):
        bench.unpack(new_layer().add("n" * 256))


def test_duplicates_the_last_one_counts(bench, new_layer, how):
    layer = new_layer().add("x", data=b"1").folder("x/").add("x/in", data=b"2").add("x", data=b"3")
    layer.folder("y/", 0o700).add("y/in").folder("y/", 0o711, uid=4).symlink("z", "y").add("z", tarfile.FIFOTYPE)
    layer.link("l", "y/in").add("l", data=b"own")
    bench.unpack(layer, **how)
    assert (bench.root / "x").read_bytes() == b"3"
    assert stat.S_IMODE((bench.root / "y").stat().st_mode) == 0o711 and (bench.root / "y/in").exists()
    assert stat.S_ISFIFO((bench.root / "z").lstat().st_mode) and (bench.root / "y/in").stat().st_nlink == 1


def test_setgid_folders_pass_nothing_on(bench, new_layer, how):
    layer = new_layer().folder("g/", 0o2775, gid=50).add("g/f").folder("g/d/").symlink("g/s", "f").add("g/u/f")
    bench.unpack(layer, **how)
    assert stat.S_IMODE((bench.root / "g").stat().st_mode) == 0o2775
    for inner in ("f", "d", "s", "u", "u/f"):
        assert (bench.root / "g" / inner).lstat().st_gid == 0, inner
    assert stat.S_IMODE((bench.root / "g/d").stat().st_mode) == 0o755


def test_folders_nobody_describes_are_plain_and_old(bench, new_layer, how):
    bench.unpack(new_layer().add("a/b/f"), **how)
    for path in ("a", "a/b"):
        state = (bench.root / path).stat()
        assert (stat.S_IMODE(state.st_mode), state.st_uid, state.st_mtime) == (0o755, 0, 0)


def test_more_folders_than_are_remembered_keep_their_times(bench, new_layer, how):
    """Some are written into again long after; one is replaced, one is described late."""
    layer, count = new_layer(), 20_000
    for index in range(count):
        layer.folder(f"d{index % 7}/{index}/", mtime=1_000_000 + index)
    layer.add("d0/0/late", data=b"1").add("d1/1", data=b"2", mtime=7).folder("d2/", mtime=5).add("d3/x/y")
    bench.unpack(layer, **how)
    root = bench.root
    for index in (0, 2, 9, count // 2, count - 1):
        assert (root / f"d{index % 7}/{index}").stat().st_mtime == 1_000_000 + index, index
    assert (root / "d2").stat().st_mtime == 5 and (root / "d3").stat().st_mtime == 0 and (root / "d3/x").stat().st_mtime == 0
    assert (root / "d1/1").read_bytes() == b"2"
