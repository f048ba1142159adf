"""Volumes of a container that does not run: what is copied goes into them and comes from them, as after a start."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.testing.command import Command


def mounts(conman: Command) -> list[str]:
    """What is mounted below the store and its run folder."""
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if f" {conman.folder}/" in line]


@pytest.fixture
def made(conman: Command, image: str) -> Iterator[str]:
    """A container with a named volume over ``/etc``, never started."""
    before = mounts(conman)
    conman.ok("create", "--name", "rests", "-v", "kept:/etc", "-v", "/bin:/host:ro", image, "sleep", "1000")
    yield "rests"
    conman("rm", "--force", "--time", "0", "rests")
    conman("volume", "rm", "--force", "kept")
    assert mounts(conman) == before


def data(conman: Command) -> Path:
    return Path(conman.ok("volume", "inspect", "--format", "{{.Mountpoint}}", "kept").strip())


def test_the_images_content_is_there_and_stays(conman: Command, made: str, folder: Path) -> None:
    (folder / "extra.conf").write_text("mine\n")
    conman.ok("cp", str(folder / "extra.conf"), f"{made}:/etc/extra.conf")
    assert (data(conman) / "extra.conf").read_text() == "mine\n"
    assert (data(conman) / "passwd").exists(), "the volume has what the image has there"
    conman.ok("start", made)
    assert conman.ok("exec", made, "cat", "/etc/extra.conf") == "mine\n"
    assert "root" in conman.ok("exec", made, "cat", "/etc/passwd")


def test_out_of_a_volume_and_past_it(conman: Command, made: str, folder: Path) -> None:
    conman.ok("start", made)
    conman.ok("exec", made, "sh", "-c", "echo said > /etc/said; echo plain > /plain")
    conman.ok("stop", "-t", "0", made)
    conman.ok("cp", f"{made}:/etc/said", str(folder / "said"))
    conman.ok("cp", f"{made}:/plain", str(folder / "plain"))
    assert ((folder / "said").read_text(), (folder / "plain").read_text()) == ("said\n", "plain\n")
    (data(conman) / "said").unlink()
    assert conman("cp", f"{made}:/etc/said", str(folder / "gone")).returncode == 125


def test_an_overlay_is_seen_and_not_kept(conman: Command, image: str, folder: Path, gone: list[str]) -> None:
    (folder / "lower").mkdir()
    (folder / "lower/file").write_text("below\n")
    gone.append("over")
    conman.ok("create", "--name", "over", "-v", f"{folder}/lower:/data:O", image, "true")
    conman.ok("cp", "over:/data/file", str(folder / "copy"))
    assert (folder / "copy").read_text() == "below\n"
    conman.ok("cp", str(folder / "copy"), "over:/data/new")
    assert not (folder / "lower/new").exists()


def test_a_volume_that_is_a_file_system_is_mounted_meanwhile(conman: Command, image: str, folder: Path, gone: list[str]) -> None:
    before = mounts(conman)
    conman.ok("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "fleeting")
    gone.append("sees")
    conman.ok("create", "--name", "sees", "-v", "fleeting:/data", image, "true")
    (folder / "file").write_text("x")
    conman.ok("cp", str(folder / "file"), "sees:/data/file")
    assert conman("cp", "sees:/data/file", str(folder / "back")).returncode == 125, "a tmpfs of its own each time"
    assert mounts(conman) == before
    conman.ok("rm", "sees")
    conman.ok("volume", "rm", "fleeting")
