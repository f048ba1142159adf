"""After a reboot: another boot id (bound over the kernel's in a private mount namespace), and an empty run folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import uuid
from pathlib import Path

import pytest

from conman_kernel import Conman
from conman_kernel.testing.aftermath import look, wait_gone

REBOOTED = 'mount --bind "$1" /proc/sys/kernel/random/boot_id; shift; exec "$@"'


def pull_the_plug(store) -> None:
    """End everything that runs, at once, and clear what a reboot clears."""
    with Conman(root=store.command.root, run_root=store.command.run_root) as conman:
        rows = [container.row for container in conman.containers.list()]
    for row in rows:
        assert row.pid > 1 and row.shim_pid > 1, row  # 0 would be ourselves
        os.kill(row.shim_pid, signal.SIGKILL)
        os.kill(row.pid, signal.SIGKILL)
    assert wait_gone({pid for row in rows for pid in (row.shim_pid, row.pid)}, 20)
    for point in sorted(look(store.command.root, store.command.run_root).mounts, reverse=True):
        subprocess.run(["umount", point], check=True)
    for row in rows:
        for folder in Path("/sys/fs/cgroup").glob(f"**/conman/{row.id}"):
            folder.rmdir()
    shutil.rmtree(store.command.run_root)


@pytest.fixture
def after(store, tmp_path: Path):
    """Run a command after the reboot."""
    (tmp_path / "boot_id").write_text(f"{uuid.uuid4()}\n")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["unshare", "-m", "sh", "-c", REBOOTED, "sh", str(tmp_path / "boot_id"),
                               *store.command.argv(*arguments)], capture_output=True, text=True, env=store.command.environ,
                              stdin=subprocess.DEVNULL, timeout=60)
    return run


def test_containers_are_exited_and_start_again(store, after) -> None:
    assert store.command("run", "--name", "ended", store.image, "sh", "-c", "exit 3").returncode == 3
    store.command.ok("create", "--name", "made", store.image, "true")
    store.command.ok("run", "-d", "--name", "cut", store.image, "sh", "-c", "echo run >> /runs; cat /runs; [ $(wc -l < /runs) = 2 ] || sleep 1000")
    store.command.ok("run", "-d", "--rm", "--name", "brief", store.image, "sleep", "1000")
    pull_the_plug(store)
    shown = after("ps", "-a", "--format", "{{.Names}} {{.State}}")
    assert sorted(shown.stdout.split("\n")) == ["", "cut exited", "ended exited", "made created"] and shown.stderr == ""
    assert after("wait", "ended").stdout == "3\n"
    lost = after("wait", "cut")
    assert lost.returncode == 125 and "rebooted" in lost.stderr
    again = after("start", "-a", "cut")
    assert (again.returncode, again.stdout) == (0, "run\nrun\n")
    assert after("start", "-a", "ended").returncode == 3
    assert after("rm", "made", "cut", "ended").returncode == 0
    assert after("run", "--rm", store.image, "echo", "well").stdout == "well\n"
    assert store.command.ok("ps", "-a", "-q") == ""


@pytest.mark.parametrize("verb, code", [(("rm",), 0), (("rm", "-f"), 0), (("stop",), 0), (("kill",), 125), (("exec", "cut", "true"), 255),
                                        (("inspect",), 0), (("logs",), 0), (("start",), 0), (("mount",), 0)],
                         ids=lambda value: "-".join(value) if isinstance(value, tuple) else str(value))
def test_any_command_may_be_the_first(store, after, verb: tuple[str, ...], code: int) -> None:
    store.command.ok("run", "-d", "--name", "cut", store.image, "sh", "-c", "test -e /once || { touch /once; sleep 1000; }")
    pull_the_plug(store)
    done = after(*(verb if "cut" in verb else (*verb, "cut")))
    assert done.returncode == code, done.stderr
    assert len(done.stderr.splitlines()) <= 2
    if verb == ("start",):
        assert after("wait", "cut").stdout == "0\n"
    after("rm", "-f", "cut")
    assert after("run", "--rm", store.image, "echo", "well").stdout == "well\n"
