"""``cp`` into and out of the volumes of containers that do not run."""

from __future__ import annotations

from pathlib import Path

from .conftest import place, volume


def test_into_one_that_was_never_started(conman, folder: Path) -> None:
    (folder / "new").write_text("new")
    conman.ok("create", "--name", "c", "-v", "data:/data", "-v", "b:/data/sub", "one", "sh", "-c", "cat /data/new /data/a; ls /data/sub")
    conman.ok("cp", f"{folder}/new", "c:/data/new")
    conman.ok("cp", f"{folder}/new", "c:/data/sub/inner")
    assert (place(conman, "data") / "new").read_text() == "new" and not (place(conman, "data") / "sub/inner").exists()
    assert conman.ok("start", "-a", "c") == "newhelloinner\n", "the image's content is there all the same"


def test_out_of_one_that_ended(conman, folder: Path) -> None:
    conman.ok("run", "--name", "c", "-v", "data:/data", "one", "sh", "-c", "echo kept > /data/kept")
    conman.ok("cp", "c:/data/kept", f"{folder}/kept")
    assert (folder / "kept").read_text() == "kept\n"


def test_a_file_system_of_its_own_is_mounted_meanwhile(conman, folder: Path) -> None:
    conman.ok("volume", "create", "--opt", "type=none", "--opt", f"device={folder}", "--opt", "o=bind", "b")
    (folder / "x").write_text("x")
    conman.ok("create", "--name", "c", "-v", "b:/b", "one", "true")
    assert conman.ok("cp", "c:/b/x", "-")
    assert not place(conman, "b").is_mount() and volume(conman, "b")["MountCount"] == 0


def test_an_overlay_is_not_written_to(conman, folder: Path) -> None:
    (folder / "x").write_text("x")
    conman.ok("create", "--name", "c", "-v", f"{folder}:/o:O", "one", "true")
    assert conman.ok("cp", "c:/o/x", "-")
    conman("cp", f"{folder}/x", "c:/o/y")
    assert [path.name for path in folder.iterdir()] == ["x"]
