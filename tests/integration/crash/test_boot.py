"""After a reboot ``system boot`` starts what should run."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

from conman_kernel import Conman
from conman_kernel.testing.aftermath import wait_gone

from .conftest import Store
from .test_reboot import after, pull_the_plug  # noqa: F401 (a fixture)


def states(text: str) -> dict[str, str]:
    return dict(line.split(" ", 1) for line in text.splitlines())


def test_what_should_run_is_started_and_the_rest_is_not(store: Store, after) -> None:  # noqa: F811
    ok, image = store.command.ok, store.image
    for name, policy in (("always", "always"), ("unless", "unless-stopped"), ("failing", "on-failure"), ("never", "no"), ("ended", "always"),
                         ("stopped", "unless-stopped")):
        ok("run", "-d", "--name", name, "--restart", policy, image, "sleep", "1000")
    ok("create", "--name", "made", "--restart", "always", image, "sleep", "1000")
    ok("stop", "-t", "0", "ended", "stopped")
    pull_the_plug(store)
    booted = after("system", "boot")
    assert booted.returncode == 0, booted.stderr
    assert len(booted.stdout.splitlines()) == 3
    shown = states(after("ps", "-a", "--format", "{{.Names}} {{.State}}").stdout)
    assert shown == {"always": "running", "unless": "running", "ended": "running", "failing": "exited", "never": "exited", "stopped": "exited",
                     "made": "created"}
    again = after("system", "boot")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert after("inspect", "--format", "{{.RestartCount}}", "always").stdout == "0\n"
    after("rm", "-f", "-t", "0", *shown)


def test_those_that_others_live_in_come_first_and_a_failure_holds_up_nobody(store: Store, after) -> None:  # noqa: F811
    ok, image = store.command.ok, store.image
    ok("create", "--name", "guest", "--restart", "always", image, "sleep", "1000")
    ok("run", "-d", "--name", "host", "--restart", "always", image, "sleep", "1000")
    ok("rm", "guest")
    ok("run", "-d", "--name", "middle", "--restart", "always", "--pid", "container:host", image, "sleep", "1000")
    ok("run", "-d", "--name", "top", "--restart", "always", "--uts", "container:middle", image, "sleep", "1000")
    # The oldest of all, and it does not start: what it ran is gone.
    ok("run", "-d", "--name", "broken", "--restart", "unless-stopped", image, "sh", "-c", "rm -f /bin/*; while :; do :; done")
    pid = store.command.inspect("broken")["State"]["Pid"]  # type: ignore[index]
    root = f"/proc/{pid}/root/bin"
    while os.path.exists(root) and os.listdir(root):
        continue
    pull_the_plug(store)
    booted = after("system", "boot")
    assert booted.returncode == 125
    assert len(booted.stdout.splitlines()) == 3
    assert booted.stderr.startswith("Error: container broken was not started: ") and len(booted.stderr.splitlines()) <= 2
    assert set(states(after("ps", "--format", "{{.Names}} {{.State}}").stdout)) == {"host", "middle", "top"}
    after("rm", "-f", "-t", "0", "top", "middle", "host", "broken")


def row_of(store: Store) -> tuple[str, int]:
    with closing(sqlite3.connect(store.command.root + "/index.db")) as connection:
        state, shim = connection.execute("SELECT state, shim_pid FROM containers").fetchone()
    return str(state), int(shim)


def test_a_restart_that_was_waited_for_is_one_of_them(store: Store, after) -> None:  # noqa: F811
    store.command.ok("run", "-d", "--name", "loop", "--restart", "always", store.image, "sh", "-c", "exit 1")
    end = time.monotonic() + 60
    while row_of(store)[0] != "restarting":
        assert time.monotonic() < end
    with closing(sqlite3.connect(store.command.root + "/index.db")) as connection, connection:
        connection.execute("UPDATE containers SET backoff = 60000")
    while (found := row_of(store))[0] != "restarting" or "60000" not in Path(f"/proc/{found[1]}/cmdline").read_text().split("\0"):
        assert time.monotonic() < end
    os.kill(found[1], signal.SIGKILL)
    assert wait_gone({found[1]}, 20)
    shutil.rmtree(store.command.run_root)
    assert after("ps", "-a", "--format", "{{.Names}} {{.State}}").stdout == "loop exited\n"
    assert len(after("system", "boot").stdout.splitlines()) == 1
    after("rm", "-f", "-t", "0", "loop")


def test_the_unit_names_this_store(store: Store) -> None:
    unit = store.command.ok("system", "boot", "--unit")
    (line,) = [line for line in unit.splitlines() if line.startswith("ExecStart=")]
    words = line.removeprefix("ExecStart=").split()
    assert words[1:] == ["--root", store.command.root, "--run-root", store.command.run_root, "system", "boot"]
    assert os.access(words[0], os.X_OK)
    assert subprocess.run(words, capture_output=True, timeout=60).returncode == 0  # nothing to start


def test_from_python(store: Store) -> None:
    store.command.ok("run", "-d", "--name", "on", "--restart", "always", store.image, "sleep", "1000")
    store.command.ok("stop", "-t", "0", "on")
    with Conman(root=store.command.root, run_root=store.command.run_root) as conman:
        report = conman.system.boot()
        assert [container.name for container in report.started] == ["on"] and report.failed == ()
        assert conman.containers.get("on").state == "running"
