"""What a volume has when a container shows it first: the image's content with its owners, and of the host nothing."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from .conftest import place, volume, volumes_of


def test_content_with_owners(conman) -> None:
    shown = conman.ok("run", "--rm", "-v", "data:/data", "one", "sh", "-c", "cat /data/a; stat -c '%a %u %g' /data /data/a /data/sub")
    assert shown == "hello2750 33 44\n640 33 55\n700 1 2\n"
    kept = place(conman, "data")
    assert (kept / "a").stat().st_ino == (kept / "b").stat().st_ino and os.readlink(kept / "link") == "a"
    assert "NeedsCopyUp" not in volume(conman, "data") and "NeedsChown" not in volume(conman, "data")


def test_kept_from_container_to_container(conman) -> None:
    conman.ok("run", "--rm", "-v", "data:/data", "one", "sh", "-c", "rm /data/a; echo mine > /data/mine")
    assert conman.ok("run", "--rm", "-v", "data:/elsewhere", "one", "ls", "/elsewhere").split() == ["b", "link", "mine", "sub"]
    assert conman.ok("run", "--rm", "-v", "data:/data", "one", "ls", "/data").split() == ["b", "link", "mine", "sub"]


@pytest.mark.parametrize("target", ["/out", "/out/", "/up"])
def test_a_symlink_leads_to_the_images_own(conman, target: str) -> None:
    conman.ok("run", "--rm", "-v", f"etc:{target}", "one", "true")
    kept = place(conman, "etc")
    assert (kept / "os-release").read_bytes() != Path("/etc/os-release").read_bytes()
    assert not (kept / "shadow").exists() and "root" in (kept / "passwd").read_text()


def test_a_symlink_to_nowhere_or_to_itself(conman) -> None:
    done = conman("run", "--rm", "-v", "x:/loop", "one", "true")
    assert done.returncode in (125, 126) and done.stderr.startswith("Error: ")
    assert list(place(conman, "x").iterdir()) == []


@pytest.mark.parametrize("target, expected", [("/empty", (0o1777, 7, 8)), ("/new/one", (0o755, 5, 6)), ("/plain/x", None)])
def test_owner_and_mode_where_nothing_is_copied(conman, target: str, expected: tuple[int, int, int] | None) -> None:
    done = conman("run", "--rm", "-u", "5:6", "-v", f"v:{target}", "one", "true")
    state = place(conman, "v").stat()
    if expected is None:  # a file is in the way: the runtime says so
        assert done.returncode != 0 and done.stderr.startswith("Error: ")
    else:
        assert done.returncode == 0 and (stat.S_IMODE(state.st_mode), state.st_uid, state.st_gid) == expected


@pytest.mark.parametrize("words", [("-v", "v:/data:nocopy"), ("--mount", "type=volume,src=v,dst=/data,volume-nocopy=true")])
def test_nocopy(conman, words: tuple[str, str]) -> None:
    assert conman.ok("run", "--rm", *words, "one", "sh", "-c", "ls /data; stat -c %u /data") == "33\n"


def test_two_that_start_at_once_with_one_new_volume(conman) -> None:
    running = [conman.start("run", "--rm", "-v", "data:/data", "one", "sh", "-c", "ls /data | tr '\\n' ' '; cat /data/a")
               for _ in range(4)]
    for process in running:
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out, err) == (0, b"a b link sub hello", b"")
    assert volumes_of(conman) == ["data"]


def test_content_comes_into_one_that_somebody_shows_already(conman) -> None:
    conman.ok("run", "-d", "--name", "first", "-v", "data:/nothing", "one", "sleep", "1000")
    conman.ok("run", "--rm", "-v", "data:/data", "one", "true")
    assert conman.ok("exec", "first", "cat", "/nothing/a") == "hello"


def test_anonymous_ones_and_the_images(conman) -> None:
    conman.ok("run", "--name", "c", "-v", "/data/sub", "two", "sh", "-c", "echo x > /vol/x")
    mounts = {mount["Destination"]: mount for mount in conman.inspect("c")["Mounts"]}
    assert set(mounts) == {"/data", "/vol", "/data/sub"} and all(len(mount["Name"]) == 64 for mount in mounts.values())
    assert sorted(mount["Name"] for mount in mounts.values()) == volumes_of(conman)
    assert (Path(mounts["/vol"]["Source"]) / "x").read_text() == "x\n"
    conman.ok("rm", "c")
    assert len(volumes_of(conman)) == 3, "they stay without -v"


@pytest.mark.parametrize("mode, kind", [("bind", "volume"), ("tmpfs", "tmpfs"), ("ignore", "")])
def test_image_volume(conman, mode: str, kind: str) -> None:
    shown = conman.ok("run", "--rm", "--image-volume", mode, "two", "sh", "-c", "grep -c ' /data tmpfs' /proc/mounts; ls /data")
    assert shown.split() == (["0", "a", "b", "link", "sub"] if not kind else ["1", "a", "b", "link", "sub"])
    assert volumes_of(conman) == []


def test_what_is_mounted_wins_over_what_the_image_declares(conman, folder: Path) -> None:
    conman.ok("run", "--name", "c", "-v", f"{folder}:/data", "--tmpfs", "/vol", "two", "true")
    assert [mount["Destination"] for mount in conman.inspect("c")["Mounts"]] == ["/data"] and volumes_of(conman) == []
