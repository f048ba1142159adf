"""A process in the container that exchanges folders and links while we copy: nothing of the host is read or written.

CVE-2018-15664: docker resolved a path in the container and opened it by name afterwards. The process here works through the
container's root as one inside would, with renameat2(2), as fast as it can.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest

from .conftest import Inside

ROUNDS = 12 if "CONMAN_STRESS" not in os.environ else 500

EXCHANGER = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
folder = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY)
one, other = os.fsencode(sys.argv[2]), os.fsencode(sys.argv[3])
count = 0
print("begun", flush=True)
while os.getppid() == int(sys.argv[4]):
    for _ in range(500):
        libc.renameat2(folder, one, folder, other, 2)
        count += 1
    with open(sys.argv[5], "w") as told:
        told.write(str(count))
"""
"""Exchange two names of a folder, again and again."""

STAGE_ATTACKER = """
import os, sys
folder, host = sys.argv[1], sys.argv[2]
count = 0
print("begun", flush=True)
while os.getppid() == int(sys.argv[3]):
    for name in os.listdir(folder):
        if not name.startswith(".conman-cp-"):
            continue
        try:
            for inner in os.listdir(f"{folder}/{name}"):
                os.rename(f"{folder}/{name}/{inner}", f"{folder}/{name}/.away")
                os.symlink(host, f"{folder}/{name}/{inner}")
                count += 1
        except OSError:
            pass  # copied, placed or gone by now
    with open(sys.argv[4], "w") as told:
        told.write(str(count))
"""
"""Put links to a folder of the host in the place of whatever is staged."""


class Attacker:
    """A hostile process; ended with the block."""

    def __init__(self, program: str, told: Path, *arguments: str) -> None:
        self.told = told
        self._process = subprocess.Popen([sys.executable, "-c", program, *arguments, str(os.getpid()), str(told)],
                                         stdout=subprocess.PIPE)
        assert self._process.stdout is not None and self._process.stdout.readline() == b"begun\n"

    def __enter__(self) -> Attacker:
        return self

    def __exit__(self, *details: object) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()

    def count(self) -> int:
        """How often it did what it does."""
        return int(self.told.read_text() or "0") if self.told.exists() else 0


@pytest.fixture
def prize(folder: Path) -> Iterator[Path]:
    """A folder of the host with a secret, which is to be neither read nor written to."""
    path = folder / "prize"
    path.mkdir(mode=0o700)
    (path / "secret").write_text("of the host")
    yield path
    assert sorted(os.listdir(path)) == ["secret"] and (path / "secret").read_text() == "of the host"
    assert path.stat().st_mode & 0o7777 == 0o700 and path.stat().st_uid == 0


def trap(work: Path, prize: Path) -> Path:
    """``desk/d`` with the prize's path in it, and ``desk/l``, a link to ``/``; returns the inner place of the prize."""
    inner = work / "d" / str(prize).lstrip("/")
    inner.mkdir(parents=True)
    (inner / "secret").write_text("of the container")
    (work / "l").symlink_to("/")
    return inner


def test_out_of_a_folder_that_becomes_a_link(running: Inside, work: Path, folder: Path, prize: Path) -> None:
    trap(work, prize)
    results = set()
    with Attacker(EXCHANGER, folder / "told", str(work), "d", "l") as attacker:
        for number in range(ROUNDS):
            to = folder / f"out{number}"
            done = running.conman("cp", running.at(f"/desk/d{prize}/secret"), str(to))
            results.add(to.read_text() if to.exists() else done.stderr.split(":")[0])
            assert to.exists() == (done.returncode == 0)
        assert attacker.count() > ROUNDS
    assert results <= {"of the container", "Error"}


def test_a_tree_out_of_which_folders_become_links(running: Inside, work: Path, folder: Path, prize: Path) -> None:
    trap(work, prize)
    (work / "d/only-inside").write_text("x")
    with Attacker(EXCHANGER, folder / "told", str(work), "d", "l") as attacker:
        for number in range(ROUNDS):
            to = folder / f"out{number}"
            running.conman("cp", running.at("/desk/."), str(to))
            for here, _, files in os.walk(to):
                for name in files:
                    assert Path(here, name).read_text() != "of the host"
                    assert name in ("only-inside", "secret"), "a link is copied as a link, and never gone through"
        assert attacker.count() > ROUNDS


def test_into_a_folder_that_becomes_a_link(running: Inside, work: Path, folder: Path, prize: Path) -> None:
    inner = trap(work, prize)
    (folder / "payload").mkdir()
    (folder / "payload/evil").write_text("evil")
    (folder / "file").write_text("evil")
    arrived = 0
    with Attacker(EXCHANGER, folder / "told", str(work), "d", "l") as attacker:
        for _ in range(ROUNDS):
            for what in ("payload/.", "payload", "file"):
                done = running.conman("cp", f"{folder}/{what}", running.at(f"/desk/d{prize}"))
                arrived += done.returncode == 0
        assert attacker.count() > ROUNDS
    where = next(p for p in (inner, work / "l" / str(prize).lstrip("/")) if not (work / p.relative_to(work).parts[0]).is_symlink())
    assert arrived == 0 or (where / "file").exists() or (where / "evil").exists(), "what arrived is in the container"


def test_a_stage_that_is_meddled_with(running: Inside, work: Path, folder: Path, prize: Path) -> None:
    """Root in the container may enter the folder where copies are staged; it gains nothing by it."""
    for number in range(40):
        (folder / f"payload/d{number}").mkdir(parents=True)
        (folder / f"payload/d{number}/secret").write_text("evil")
        os.chmod(folder / f"payload/d{number}", 0o2777)
        os.chown(folder / f"payload/d{number}", 1000, 1000)
    tar = subprocess.run(["tar", "-C", str(folder / "payload"), "-c", "."], stdout=subprocess.PIPE, check=True).stdout
    with Attacker(STAGE_ATTACKER, folder / "told", str(work), str(prize)) as attacker:
        for _ in range(ROUNDS):
            running.conman("cp", f"{folder}/payload/.", running.at("/desk"))
            running.conman("cp", "--overwrite", f"{folder}/payload", running.at("/desk"))
            running.conman("cp", "-", running.at("/desk"), stdin=tar)
        assert attacker.count() > 0
    running.conman.ok("ps")  # clears what the attacker kept from being cleared


@pytest.mark.parametrize("target", ["/etc/shadow", "../../../../../../etc/shadow", "/proc/1/root/etc/shadow",
                                    "/proc/self/root/etc/shadow"])
def test_a_link_to_the_hosts_shadow(running: Inside, work: Path, folder: Path, target: str) -> None:
    """It is the container's, which has none."""
    (work / "shadow").symlink_to(target)
    done = running.conman("cp", running.at("/desk/shadow"), f"{folder}/got")
    assert done.returncode == 125 and 'Error: "/desk/shadow" could not be found on container copies' in done.stderr
    assert not (folder / "got").exists()
    (running.root / "etc/shadow").write_text("the container's")
    done = running.conman("cp", running.at("/desk/shadow"), f"{folder}/got")
    os.unlink(running.root / "etc/shadow")
    # A link of /proc is text here: /proc/1/root is "/", which is the container's. Nobody of us is a process there, so that there
    # is no /proc/self.
    if "self" in target:
        assert done.returncode == 125 and not (folder / "got").exists()
    else:
        assert done.returncode == 0 and (folder / "got").read_text() == "the container's"


def test_a_loop_of_links(running: Inside, work: Path, folder: Path) -> None:
    (work / "a").symlink_to("b")
    (work / "b").symlink_to("a")
    done = running.conman("cp", running.at("/desk/a"), f"{folder}/got")
    assert (done.returncode, done.stderr.count("\n")) == (125, 1) and "symbolic links" in done.stderr


def test_a_process_that_has_another_root(conman_in: Inside, folder: Path) -> None:
    """What is copied is the container's, wherever its first process has gone with chroot(2)."""
    conman_in.conman.ok("cp", conman_in.at("/etc/passwd"), f"{folder}/passwd")
    assert "root:" in (folder / "passwd").read_text()


@pytest.fixture
def conman_in(running: Inside, image: str) -> Iterator[Inside]:
    """A container whose first process changes its root to an almost empty folder."""
    conman = running.conman
    conman.ok("run", "-d", "--name", "jailed", image, "sh", "-c",
              "mkdir -p /jail/bin && cp /bin/busybox /jail/bin/ && exec chroot /jail /bin/busybox sh -c 'echo in; exec /bin/busybox sleep 100000'")
    with conman.start("logs", "-f", "jailed") as logs:
        assert logs.stdout is not None and logs.stdout.readline() == b"in\n"
        logs.kill()
    yield Inside(conman, "jailed", Path())
    conman("rm", "--force", "--time", "0", "jailed")
