"""kill -9 of the command between any two steps, and a reboot: addresses, rules, namespaces and names are given back by the next."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import uuid
from pathlib import Path

import pytest

from conman_kernel import Conman
from conman_kernel.testing.aftermath import processes, wait_gone

from .conftest import Host

INJECT = Path(__file__).parents[1] / "crash/inject"
POINTS = int(os.environ.get("CONMAN_TEST_POINTS", "4"))
REBOOTED = 'mount --bind "$1" /proc/sys/kernel/random/boot_id; shift; exec "$@"'


def stepped(host: Host, step: int, *words: str, count: Path | None = None) -> tuple[int, str]:
    """Run a command that is killed at a step; 0: never, then the steps are written to ``count``."""
    environ = {"PYTHONPATH": str(INJECT), "CONMAN_TEST_STEP": str(step), "CONMAN_TEST_SIGNAL": str(int(signal.SIGKILL))}
    if count is not None:
        environ["CONMAN_TEST_STEPS"] = str(count)
    process = host.conman.start(*words, stdin=subprocess.DEVNULL, **environ)
    _, err = process.communicate(timeout=120)
    return process.returncode, err.decode()


def wait_quiet(host: Host) -> None:
    """Wait until no process of the store is left."""
    while found := set(processes(host.conman.root, host.conman.run_root)):
        assert wait_gone(found, 60.0), found


def sample(steps: int, request: pytest.FixtureRequest) -> list[int]:
    """The steps to try: the first, the last, and some between."""
    if "stress" in request.config.option.markexpr:
        return list(range(1, steps + 1))
    return sorted({1 + round(n * (steps - 1) / (POINTS - 1)) for n in range(POINTS)})


@pytest.mark.parametrize("flags", [("--rm",), ("-d",)], ids=["run-rm", "run-d"])
def test_run(host: Host, tmp_path: Path, request: pytest.FixtureRequest, flags: tuple[str, ...]) -> None:
    words = ("run", *flags, "--name", "victim", "-p", "8080:80", host.image, "true")
    code, err = stepped(host, 0, *words, count=tmp_path / "steps")
    assert code == 0, err
    places = (tmp_path / "steps").read_text().splitlines()
    assert sum("conman_kernel/networks/" in place for place in places) > 50, places
    wait_quiet(host)
    host.conman.clear()
    failed = []
    for step in sample(len(places), request):
        code, err = stepped(host, step, *words)
        assert code in (-9, 0), (step, code, err)
        wait_quiet(host)
        shown = host.conman("ps", "-a", "-q")
        if shown.returncode or shown.stderr:
            failed.append(f"step {step}, {places[step - 1]}: ps said {shown.stderr}")
        host.conman.clear()
        left = [f"{kind}: {what}" for kind, what in host.facts().items() if what] + host.left()
        if left:
            failed.append(f"step {step}, {places[step - 1]}: {left[:6]}")
    assert not failed, "\n".join(failed)
    assert host.conman.ok("run", "--rm", "-p", "8080:80", host.image, "echo", "well") == "well\n"


def test_connect(host: Host, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    host.conman.ok("network", "create", "front")
    host.conman.ok("run", "-d", "--name", "one", host.image, "sleep", "1000")
    code, err = stepped(host, 0, "network", "connect", "front", "one", count=tmp_path / "steps")
    assert code == 0, err
    host.conman.ok("network", "disconnect", "front", "one")
    places = (tmp_path / "steps").read_text().splitlines()
    for step in sample(len(places), request)[1::2]:
        code, err = stepped(host, step, "network", "connect", "front", "one")
        host.conman("network", "disconnect", "front", "one")
        assert host.conman.ok("exec", "one", "sh", "-c", "ip link | grep -c eth1 || true") == "0\n", places[step - 1]
    host.conman.ok("rm", "-f", "-t", "0", "one")
    host.nothing_left()


def test_the_shim_is_killed(host: Host) -> None:
    host.conman.ok("run", "-d", "--name", "one", "-p", "8080:80", host.image, "sleep", "1000")
    with Conman(root=host.conman.root, run_root=host.conman.run_root, environ={}) as conman:
        row = conman.containers.get("one").row
    os.kill(row.shim_pid, signal.SIGKILL)
    os.kill(row.pid, signal.SIGKILL)
    assert wait_gone({row.shim_pid, row.pid}, 30.0)
    assert host.conman.ok("ps", "-a", "--format", "{{.State}}") == "exited\n"
    host.nothing_left()
    host.conman.ok("rm", "one")


def test_after_a_reboot_containers_are_joined_again(host: Host, tmp_path: Path) -> None:
    """Another boot id, an empty run folder, and a host's namespace without anything in it."""
    host.conman.ok("run", "-d", "--name", "one", "--ip", "10.88.0.77", "-p", "8080:80", host.image, "sleep", "1000")
    host.conman.ok("run", "-d", "--name", "two", host.image, "sleep", "1000")
    with Conman(root=host.conman.root, run_root=host.conman.run_root, environ={}) as conman:
        rows = [container.row for container in conman.containers.list()]
    for row in rows:
        os.kill(row.shim_pid, signal.SIGKILL)
        os.kill(row.pid, signal.SIGKILL)
    assert wait_gone({pid for row in rows for pid in (row.shim_pid, row.pid)}, 30.0)
    for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
        if line.split()[4].startswith(f"{host.folder}/run/"):
            subprocess.run(["umount", "-l", line.split()[4]], check=True)
    for row in rows:
        for folder in Path("/sys/fs/cgroup").glob(f"**/conman/{row.id}"):
            folder.rmdir()
    shutil.rmtree(host.conman.run_root)
    host.new_namespace()
    (tmp_path / "boot_id").write_text(f"{uuid.uuid4()}\n")

    def after(*arguments: str) -> str:
        done = subprocess.run(["unshare", "-m", "sh", "-c", REBOOTED, "sh", str(tmp_path / "boot_id"),
                               *host.conman.argv(*arguments)], capture_output=True, text=True, env=host.conman.environ,
                              stdin=subprocess.DEVNULL, timeout=120)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout

    assert sorted(after("ps", "-a", "--format", "{{.Names}} {{.State}}").splitlines()) == ["one exited", "two exited"]
    # One private mount namespace for all of it: what is pinned in one is not seen in the next.
    script = ('"$@" start one two && "$@" exec one ip -4 addr show eth0 && "$@" exec two cat /etc/hosts && '
              '"$@" rm -f -t 0 one two >/dev/null')
    done = subprocess.run(["unshare", "-m", "sh", "-c", f'mount --bind "$1" /proc/sys/kernel/random/boot_id; shift; {script}', "sh",
                           str(tmp_path / "boot_id"), *host.conman.argv()], capture_output=True, text=True,
                          env=host.conman.environ, stdin=subprocess.DEVNULL, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "10.88.0.77/16" in done.stdout and "10.88.0.77\tone" in done.stdout
    host.nothing_left()
