"""What differs between two trees, told as ``podman diff`` tells it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys

import pytest

from conman_kernel.slots.storage import Whiteouts


@pytest.fixture
def changed(trees, overlay):
    """A lower tree, the merged one after every kind of change, and the upper one."""
    lower = trees.make("lower")
    for name in ("d/x", "d/y", "e/a", "f/deep/er/file", "gone/in/g", "again/old", "hl1", "mode", "mdir/in", "opened"):
        (lower / name).parent.mkdir(parents=True, exist_ok=True)
        (lower / name).write_text(name)
    (lower / "hl2").hardlink_to(lower / "hl1")
    (lower / "touched-and-cleaned").mkdir()
    merged, upper = overlay(lower)
    (merged / "d/x").unlink()
    (merged / "d/new").write_text("")
    (merged / "e/a").write_text("changed")
    (merged / "f/deep/er/file").write_text("changed")
    shutil.rmtree(merged / "gone")
    (merged / "hl3").hardlink_to(merged / "hl1")
    (merged / "mode").chmod(0o600)
    (merged / "mdir").chmod(0o700)
    (merged / "nw/a").mkdir(parents=True)
    (merged / "nw/a/b").write_text("")
    (merged / "touched-and-cleaned/x").write_text("")
    (merged / "touched-and-cleaned/x").unlink()
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(merged / "sock"))
    os.mkfifo(merged / "fifo")
    return lower, merged, upper


EXPECTED = ["C /d", "A /d/new", "D /d/x", "C /e/a", "C /f/deep/er/file", "A /fifo", "D /gone", "C /hl1", "A /hl3",
            "C /mdir", "C /mode", "A /nw", "A /nw/a", "A /nw/a/b", "A /sock", "C /touched-and-cleaned"]


def test_both_forms_tell_the_same(trees, changed):
    lower, merged, upper = changed
    assert trees.changes(upper, lower, form=Whiteouts.OVERLAY) == EXPECTED
    # seen as a whole, the copy that overlayfs made of the linked file is what it was
    assert trees.changes(merged, lower) == [line for line in EXPECTED if line != "C /hl1"]


def test_a_file_that_was_only_opened_is_changed_in_the_layer_alone(trees, overlay):
    lower = trees.make("lower")
    (lower / "f").write_text("x")
    merged, upper = overlay(lower)
    with (merged / "f").open("r+"):
        pass
    assert trees.changes(upper, lower, form=Whiteouts.OVERLAY) == ["C /f"]
    assert trees.changes(merged, lower) == []


def test_a_folder_made_anew_is_told_by_what_it_lacks(trees, overlay):
    lower = trees.make("lower")
    (lower / "d/inner").mkdir(parents=True)
    (lower / "d/inner/deep").write_text("")
    (lower / "d/old").write_text("")
    merged, upper = overlay(lower)
    shutil.rmtree(merged / "d")
    (merged / "d/inner").mkdir(parents=True)
    (merged / "d/new").write_text("")
    expected = ["C /d", "C /d/inner", "D /d/inner/deep", "A /d/new", "D /d/old"]
    assert trees.changes(upper, lower, form=Whiteouts.OVERLAY) == trees.changes(merged, lower) == expected


def test_types_that_changed(trees, overlay):
    lower = trees.make("lower")
    (lower / "was-folder/in").mkdir(parents=True)
    (lower / "was-file").write_text("")
    (lower / "link").symlink_to("there")
    merged, upper = overlay(lower)
    shutil.rmtree(merged / "was-folder")
    (merged / "was-folder").write_text("")
    (merged / "was-file").unlink()
    (merged / "was-file").mkdir()
    (merged / "was-file/in").write_text("")
    (merged / "link").unlink()
    (merged / "link").symlink_to("elsewhere")
    expected = ["C /link", "C /was-file", "A /was-file/in", "C /was-folder"]
    assert trees.changes(upper, lower, form=Whiteouts.OVERLAY) == trees.changes(merged, lower) == expected


def test_without_a_lower_tree_everything_is_new(trees):
    root = trees.make("root")
    (root / "a").mkdir()
    (root / os.fsdecode(b"a/\xff\n")).write_text("")
    assert trees.changes(root) == ["A /a", "A /a/\udcff\n"]


def test_the_root_is_not_told(trees):
    lower, upper = trees.make("lower"), trees.make("upper")
    upper.chmod(0o700)
    assert trees.changes(upper, lower) == []


def test_a_symlink_is_never_followed(trees):
    lower, upper = trees.make("lower"), trees.make("upper")
    (trees.make("outside") / "secret").write_text("")
    (lower / "d").mkdir()
    (lower / "d/x").write_text("")
    (upper / "d").symlink_to(trees.folder / "outside")
    (upper / "e").symlink_to("/")
    assert trees.changes(upper, lower) == ["C /d", "A /e"]


def test_very_many_changes(trees):
    root = trees.make("root")
    for index in range(3000):
        (root / f"{index:0200}").write_bytes(b"")
    assert len(trees.changes(root)) == 3000


def test_a_deep_tree(trees):
    root = trees.make("root")
    subprocess.run(["sh", "-c", 'for i in $(seq 600); do mkdir d; cd -P d; done; echo x > f'], cwd=root, check=True)
    assert trees.changes(root)[-1] == "A" + " " + "/d" * 600 + "/f"
    assert trees.pack(root).entries == 601


def test_more_folders_beside_each_other_than_files_may_be_open(trees):
    lower, upper = trees.make("lower"), trees.make("upper")
    for index in range(1200):
        (upper / f"{index:04}").mkdir()
    command = "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200)); sys.argv.pop(0); import os;"
    command += ("from conman_kernel.cancel import Cancel; from conman_kernel.slots.storage import Whiteouts;"
                "from conman_kernel.worker.client import Worker; from conman_kernel.worker.jobs import ChangesRequest, PackRequest;"
                "upper, lower = (os.open(path, os.O_RDONLY) for path in sys.argv);"
                "print([len(Worker().changes(ChangesRequest(upper, lower, form, Cancel(60)))) for form in Whiteouts],"
                "[Worker().pack(PackRequest(upper, lower, form, os.open('/dev/null', os.O_WRONLY), Cancel(60))).entries"
                " for form in Whiteouts])")
    done = subprocess.run([sys.executable, "-c", command, upper, lower], capture_output=True, text=True, check=False)
    assert done.stdout == "[1200, 1200] [1200, 1200]\n", done.stderr
