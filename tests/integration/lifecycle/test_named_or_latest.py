"""Which container, plugin or time is meant; ``start -a`` of a container that runs."""

from __future__ import annotations

import time

from conman_kernel.testing.command import Command


def test_attach_takes_a_name_or_the_latest(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("newest")
    conman.ok("run", "-d", "--name", "newest", image, "sleep", "1000")
    done = conman("attach", "--latest", "other", timeout=30)
    assert (done.returncode, done.stderr) == (125, "Error: --latest and containers cannot be used together\n")
    assert conman.ok("exec", "--latest", "echo", "newest") == "newest\n"


def test_start_attached_joins_what_runs(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("on")
    conman.ok("run", "-d", "-i", "--name", "on", image, "sh", "-c", "read x; echo got $x; exit 4")
    pid = conman.inspect("on")["State"]["Pid"]  # type: ignore[index]
    done = conman("start", "-a", "-i", "on", stdin=b"word\n")
    assert pid and (done.returncode, done.stdout, done.stderr) == (4, "got word\n", "")


def test_an_empty_time_is_none(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("said")
    conman.ok("run", "--name", "said", image, "echo", "hi")
    assert conman.ok("logs", "--since", "", "--until", "", "said") == "hi\n"
    assert conman.ok("logs", "--since", str(int(time.time()) + 1000), "said") == ""


def test_a_plugin_of_another_slot_is_said_to_be_one(conman: Command, image: str) -> None:
    done = conman("--attach-plugin", "runc-runtime", "run", "--rm", image, "true")
    assert done.returncode == 125
    assert done.stderr.startswith("Error: runc-runtime is a plugin of conman.runtime, not of conman.attach\n"), done.stderr
    assert "pip install" not in done.stderr
    conman.clear()
