"""Whiteouts in both forms, and which layers cannot be unpacked alone."""

from __future__ import annotations

import os
import stat
import tarfile

import pytest


def names(folder) -> list[str]:
    return sorted(os.listdir(folder))


def is_whiteout(path) -> bool:
    state = os.lstat(path)
    return stat.S_ISCHR(state.st_mode) and state.st_rdev == 0


def is_opaque(path) -> bool:
    return "trusted.overlay.opaque" in os.listxattr(path) and os.getxattr(path, "trusted.overlay.opaque") == b"y"


@pytest.fixture
def lower(bench, new_layer):
    """Something below: d/{old,sub/{one,two}}, f, lib -> usr/lib, usr/lib/a."""
    layer = new_layer().folder("d/", 0o711, uid=8).add("d/old").folder("d/sub/").add("d/sub/one").add("d/sub/two")
    bench.unpack(layer.add("f").folder("usr/").folder("usr/lib/").add("usr/lib/a").symlink("lib", "usr/lib"), base=True)
    return bench


def test_applied_whiteouts_delete(lower, new_layer):
    lower.unpack(new_layer().add(".wh.f").add("d/.wh.sub").add(".wh.nothing").add("none/.wh.x"))
    assert names(lower.root) == ["d", "lib", "usr"] and names(lower.root / "d") == ["old"]


def test_an_applied_opaque_mark_spares_what_the_layer_brings(lower, new_layer):
    layer = new_layer().folder("d/").add("d/new").folder("d/sub/").add("d/sub/three").add("d/.wh..wh..opq")
    lower.unpack(layer.add("d/later"))
    assert names(lower.root / "d") == ["later", "new", "sub"] and names(lower.root / "d/sub") == ["three"]


def test_an_applied_whiteout_spares_what_the_layer_brings(lower, new_layer):
    lower.unpack(new_layer().folder("d/").add("d/new").add(".wh.d").add("f", data=b"mine").add(".wh.f"))
    assert names(lower.root / "d") == ["new"] and (lower.root / "f").read_bytes() == b"mine"


def test_a_deleted_folder_that_comes_back_is_new(lower, new_layer):
    lower.unpack(new_layer().add(".wh.d").folder("d/").add("d/new"))
    assert names(lower.root / "d") == ["new"] and (lower.root / "d").stat().st_uid == 0


def test_an_undescribed_folder_keeps_its_attributes_and_time(lower, new_layer):
    before = (lower.root / "d").stat()
    lower.unpack(new_layer().add("d/new"))
    after = (lower.root / "d").stat()
    assert (after.st_mtime_ns, after.st_mode, after.st_uid) == (before.st_mtime_ns, before.st_mode, 8)


def test_a_described_folder_loses_attributes_it_has_no_more(bench, new_layer):
    bench.unpack(new_layer().folder("d/", xattrs={"user.a": "1", "user.b": "2"}), base=True)
    bench.unpack(new_layer().folder("d/", xattrs={"user.b": "3"}))
    assert os.listxattr(bench.root / "d") == ["user.b"] and os.getxattr(bench.root / "d", "user.b") == b"3"


def test_entries_below_a_symlink_go_where_it_points(lower, new_layer):
    lower.unpack(new_layer().add("lib/x").add("lib/.wh.a"))
    assert names(lower.root / "usr/lib") == ["x"] and (lower.root / "lib").is_symlink()


def test_whiteouts_of_a_first_layer_mean_nothing(bench, new_layer):
    for alone in (True, False):
        bench.unpack(new_layer().add(".wh.x").add("a", data=b"1").add(".wh.a").add(".wh..wh..opq"), base=True, alone=alone)
        assert names(bench.root) == ["a"]


def test_overlay_form(bench, new_layer):
    layer = new_layer().folder("d/").add("d/.wh.gone").folder("o/").add("o/.wh..wh..opq").add("o/kept").add(".wh.top")
    result = bench.unpack(layer, alone=True)
    assert not result.needs_parent and names(bench.root) == ["d", "o", "top"]
    assert is_whiteout(bench.root / "d/gone") and is_whiteout(bench.root / "top")
    assert is_opaque(bench.root / "o") and names(bench.root / "o") == ["kept"] and not is_opaque(bench.root / "d")


def test_overlay_form_of_names_both_deleted_and_brought(bench, new_layer):
    layer = new_layer().add(".wh.a").folder("a/").add("a/x").folder("b/").add("b/x").add(".wh.b")
    layer.add(".wh.c").add("c", data=b"1").add("e", data=b"1").add(".wh.e").add("g").folder("g/")
    assert not bench.unpack(layer, alone=True).needs_parent
    assert is_opaque(bench.root / "a") and is_opaque(bench.root / "b") and is_opaque(bench.root / "g")
    assert (bench.root / "c").read_bytes() == (bench.root / "e").read_bytes() == b"1"


def test_a_deletion_below_a_deleted_folder_is_nothing_more(bench, new_layer):
    assert not bench.unpack(new_layer().add(".wh.a").add("a/.wh.b"), alone=True).needs_parent
    assert is_whiteout(bench.root / "a")


def test_a_zero_device_is_a_whiteout_in_every_form(lower, new_layer):
    lower.unpack(new_layer().add("f", tarfile.CHRTYPE, device=(0, 0)))
    assert not (lower.root / "f").exists()


def test_a_layer_that_describes_its_folders_stands_alone(bench, new_layer):
    result = bench.unpack(new_layer().folder("usr/").folder("usr/bin/").add("usr/bin/x").link("y", "usr/bin/x"), alone=True)
    assert not result.needs_parent and result.diff_id.startswith("sha256:")


@pytest.mark.parametrize("build, word", [
    (lambda layer: layer.add("usr/bin/x"), "not described"),
    (lambda layer: layer.folder("usr/").add("usr/bin/x"), "not described"),
    (lambda layer: layer.add("usr/x").folder("usr/"), "not described"),
    (lambda layer: layer.add("usr/.wh.x"), "not described"),
    (lambda layer: layer.add("usr/.wh..wh..opq"), "not described"),
    (lambda layer: layer.add(".wh..wh..opq"), "root"),
    (lambda layer: layer.folder("usr/").symlink("lib", "usr").add("lib/x"), "symlink"),
    (lambda layer: layer.link("a", "b"), "hard link"),
    (lambda layer: layer.folder("d/").link("a", "d/b"), "hard link"),
    (lambda layer: layer.link("a", "d/b"), "not described"),
    (lambda layer: layer.add(".wh.d").add("d/x"), "deleted"),
], ids=["unlisted-parents", "unlisted-inner-parent", "parent-listed-late", "whiteout-in-unlisted", "opaque-unlisted",
        "opaque-root", "through-a-symlink", "hard-link-across-layers", "hard-link-across-layers-in-listed-folder",
        "hard-link-into-unlisted", "below-a-deleted-folder"])
def test_layers_that_need_their_parent(bench, new_layer, build, word):
    result = bench.unpack(build(new_layer()), alone=True)
    assert result.needs_parent and word in result.why and result.diff_id == ""
    result = bench.unpack(new_layer().folder("d/").add("d/b").add("b"), base=True, alone=True)
    assert not result.needs_parent
    assert not bench.unpack(build(new_layer())).needs_parent
