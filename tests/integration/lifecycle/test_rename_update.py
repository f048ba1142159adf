"""rename and update: what is so at once, what lasts, and what leaves everything as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from conman_kernel.containers.cgroups import container_dirs
from conman_kernel.containers.hostfacts import read_facts
from conman_kernel.testing.command import Command

SLEEPS = ("sleep", "1000")
MB = 1 << 20


def in_force(id: str, v1: str, v2: str) -> str:
    """A file of the container's cgroup, whatever hierarchies this host has."""
    for folder in container_dirs(read_facts(), id):
        for name in (v1, v2):
            path = Path(folder, name)
            if path.exists():
                return path.read_text().strip()
    raise AssertionError(f"no {v1} and no {v2}")


def memory(id: str) -> str:
    return in_force(id, "memory.limit_in_bytes", "memory.max")


def pids(id: str) -> str:
    return in_force(id, "pids.max", "pids.max")


@pytest.fixture
def runs(conman: Command, image: str, gone: list[str]) -> str:
    """A running container's id; its name is ``old``."""
    gone += ["old", "new"]
    return conman.ok("run", "-d", "--name", "old", image, *SLEEPS).strip()


def test_a_running_one_is_renamed(conman: Command, runs: str) -> None:
    assert conman.ok("rename", "old", "new") == ""
    assert conman.ok("ps", "--format", "{{.ID}} {{.Names}}") == f"{runs[:12]} new\n"
    assert conman.ok("exec", "new", "echo", "here") == "here\n"
    assert conman("inspect", "old").returncode == 125
    conman.ok("rename", "new", "new")
    conman.ok("rename", runs[:12], "old")


def test_a_name_that_is_taken_or_none(conman: Command, image: str, runs: str, gone: list[str]) -> None:
    gone.append("other")
    other = conman.ok("create", "--name", "other", image, "true").strip()
    done = conman("rename", "old", "other")
    assert done.returncode == 125
    assert done.stderr == (f"Error: renaming container {runs}: name other already in use: container already exists\n"
                           f"Hint: choose another name; {other[:12]} has that one\n")
    assert conman("rename", "old", "b/ad").stderr.startswith('Error: "b/ad" is no valid container name')
    assert conman("rename", "nosuch", "x").returncode == 125 and conman("rename", "old").returncode == 125
    assert conman.ok("ps", "--format", "{{.Names}}") == "old\n"
    conman.ok("rm", "other")
    conman.ok("rename", "old", "other")


def test_limits_change_at_once_and_last(conman: Command, runs: str) -> None:
    assert conman.ok("update", "--memory", "64m", "--pids-limit", "77", "--cpus", "0.5", "old") == f"{runs}\n"
    assert (memory(runs), pids(runs)) == (str(64 * MB), "77")
    host = conman.inspect("old")["HostConfig"]
    assert (host["Memory"], host["PidsLimit"], host["NanoCpus"]) == (64 * MB, 77, 500_000_000)
    conman.ok("restart", "--time", "0", "old")
    assert (memory(runs), pids(runs)) == (str(64 * MB), "77")
    conman.ok("update", "--memory", "-1", "--pids-limit", "-1", "--cpus", "0", "old")
    assert pids(runs) == "max" and memory(runs) not in (str(64 * MB), "0")


def test_a_stopped_one_has_them_from_its_next_start(conman: Command, runs: str) -> None:
    conman.ok("stop", "--time", "0", "old")
    conman.ok("update", "-m", "48m", "--cpu-shares", "300", "old")
    conman.ok("start", "old")
    assert memory(runs) == str(48 * MB)
    assert conman.inspect("old")["HostConfig"]["CpuShares"] == 300


@pytest.mark.parametrize("words, message", [
    (("--memory", "1k"), "the memory limit of 1024 bytes is below the least that starts a process"),
    (("--memory", "64m", "--memory-swap", "8m"), "the memory+swap limit counts both together"),
    (("--cpus", "x"), "invalid number of CPUs 'x'"), (("--cpuset-cpus", "4095"), "cannot update container old: runc: "),
    (("--pids-limit", "many"), "invalid pids limit 'many'"), (("--bogus",), "unknown flag: --bogus")])
def test_what_cannot_be_changes_nothing(conman: Command, runs: str, words: tuple[str, ...], message: str) -> None:
    conman.ok("update", "--memory", "64m", "--pids-limit", "77", "old")
    done = conman("update", "--pids-limit", "5", *words, "old") if "--pids-limit" not in words else conman("update", *words, "old")
    assert done.returncode == 125 and done.stdout == ""
    assert done.stderr.startswith(f"Error: {message}") and len(done.stderr.splitlines()) <= 2
    assert (memory(runs), pids(runs)) == (str(64 * MB), "77")
    assert conman.inspect("old")["HostConfig"]["PidsLimit"] == 77


def test_a_limit_below_what_is_used_changes_nothing(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("fat")
    # What lies in a tmpfs is memory that cannot be had back.
    id = conman.ok("run", "-d", "--name", "fat", "--tmpfs", "/t", image, "sh", "-c",
                   "head -c 20000000 /dev/zero > /t/x; echo up; exec sleep 1000").strip()
    follow = conman.start("logs", "--follow", "fat")
    assert follow.stdout is not None and follow.stdout.readline() == b"up\n"
    follow.kill()
    follow.communicate()
    before = memory(id)
    done = conman("update", "--memory", "8m", "--pids-limit", "5", "fat")
    assert done.returncode == 125
    assert done.stderr.startswith("Error: the memory limit of 8388608 bytes is below what container fat uses: ")
    assert len(done.stderr.splitlines()) == 1
    assert (memory(id), pids(id)) == (before, "2048")
    assert conman.inspect("fat")["HostConfig"]["Memory"] == 0
    conman.ok("update", "--memory", "64m", "fat")


def test_who_shares_with_a_renamed_one_goes_on_to(conman: Command, image: str, runs: str, gone: list[str]) -> None:
    gone.append("sharer")
    conman.ok("create", "--name", "sharer", "--pid", "container:old", image, "ps")
    assert conman.inspect("sharer")["HostConfig"]["PidMode"] == f"container:{runs}"
    conman.ok("rename", "old", "new")
    assert "sleep 1000" in conman.ok("start", "-a", "sharer")
