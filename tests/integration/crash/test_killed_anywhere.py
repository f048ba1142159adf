"""kill -9 of the command between any two steps: the next command finds and clears what is left.

Every parameter is one verb; the steps are sampled (all of them under ``-m stress``).
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHORT = int(os.environ.get("CONMAN_TEST_POINTS", "5"))
"""How many steps of a verb are tried."""


def sample(steps: int, count: int) -> list[int]:
    """``count`` of the steps 1...``steps``, evenly spread, the first and the last among them."""
    return sorted({1 + round(n * (steps - 1) / (count - 1)) for n in range(count)})


def chosen(request: pytest.FixtureRequest, places: list[str], count: int = SHORT) -> list[int]:
    """The steps to try."""
    assert len(places) > 30, places
    return sample(len(places), len(places) if "stress" in request.config.option.markexpr else count)


def run_and_look(store, words: tuple[str, ...], places: list[str], steps: list[int]) -> None:
    """Kill at each step; everything is to be gone after the next ``ps -a`` and a removal of what is shown."""
    failed = []
    for step in steps:
        code, err = store.kill_at(step, *words)
        assert code in (-9, 0), (step, code, err)
        assert store.wait_quiet(), f"step {step}, {places[step - 1]}: {err}"
        shown = store.command("ps", "-a", "-q", "--no-trunc")
        if shown.returncode or shown.stderr:
            failed.append(f"step {step}, {places[step - 1]}: ps said {shown.stderr}")
        if "--rm" in words and shown.stdout:
            failed.append(f"step {step}, {places[step - 1]}: --rm left {store.command('ps', '-a').stdout}")
        store.command.clear()
        left = store.left()
        if left:
            failed.append(f"step {step}, {places[step - 1]}:\n  " + "\n  ".join(left[:6]))
            if len(failed) > 5:
                break
    assert not failed, "\n".join(failed)
    assert store.command.ok("run", "--rm", store.image, "echo", "well") == "well\n"


@pytest.mark.parametrize("flags", [(), ("--rm",), ("--rm", "-d")], ids=["run", "run-rm", "run-rm-d"])
def test_run(store, tmp_path: Path, request: pytest.FixtureRequest, flags: tuple[str, ...]) -> None:
    words = ("run", *flags, "--name", "victim", store.image, "true")
    places = store.count(tmp_path, *words)
    store.wait_quiet()
    store.command.clear()
    run_and_look(store, words, places, chosen(request, places))


def test_create(store, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    words = ("create", "--name", "victim", "--cidfile", str(tmp_path / "cid"), store.image, "true")
    places = store.count(tmp_path, *words)
    store.command.clear()
    for step in chosen(request, places, 8):
        (tmp_path / "cid").unlink(missing_ok=True)
        run_and_look(store, words, places, [step])


def test_rm(store, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    def fresh() -> None:
        store.command.ok("run", "--name", "victim", store.image, "true")

    fresh()
    places = store.count(tmp_path, "rm", "victim")
    for step in chosen(request, places, 8):
        fresh()
        store.kill_at(step, "rm", "victim")
        shown = store.command.ok("ps", "-a", "--format", "{{.Names}} {{.State}}")
        assert shown in ("", "victim exited\n"), (places[step - 1], shown)
        store.command.clear()
        assert store.left() == [], places[step - 1]


@pytest.mark.parametrize("verb", [("stop", "-t", "0"), ("rm", "-f", "-t", "0")], ids=["stop", "rm-f"])
def test_ending(store, tmp_path: Path, request: pytest.FixtureRequest, verb: tuple[str, ...]) -> None:
    def fresh() -> None:
        store.command.ok("run", "-d", "--name", "victim", store.image, "sleep", "1000")

    fresh()
    places = store.count(tmp_path, *verb, "victim")
    store.command.clear()
    for step in chosen(request, places, 8):
        fresh()
        store.kill_at(step, *verb, "victim")
        shown = store.command.ok("ps", "-a", "--format", "{{.Names}} {{.State}}")
        assert shown in ("", "victim exited\n", "victim running\n"), (places[step - 1], shown)
        store.command.clear()
        assert store.left() == [], places[step - 1]


def test_start(store, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    store.command.ok("create", "--name", "victim", store.image, "sh", "-c", "exit 7")
    places = store.count(tmp_path, "start", "-a", "victim")
    store.command.clear()
    for step in chosen(request, places, 10):
        store.command.ok("create", "--name", "victim", store.image, "sh", "-c", "exit 7")
        store.kill_at(step, "start", "-a", "victim")
        assert store.wait_quiet(), places[step - 1]
        state = store.command.ok("ps", "-a", "--format", "{{.State}} {{.Names}}").strip()
        assert state in ("created victim", "exited victim"), (places[step - 1], state)
        assert store.command("start", "-a", "victim").returncode == 7, places[step - 1]
        store.command.clear()
        assert store.left() == [], places[step - 1]


def test_exec(store, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    store.command.ok("run", "-d", "--name", "host", store.image, "sleep", "1000")
    words = ("exec", "host", "echo", "hi")
    places = store.count(tmp_path, *words)
    for step in chosen(request, places, 8):
        store.kill_at(step, *words)
        assert store.command.ok("exec", "host", "echo", "again") == "again\n", places[step - 1]
    store.command.clear()
    assert store.left() == []


def test_pull(store, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    store.command.ok("rmi", store.image)
    store.quiet = type(store)(store.command, store.image).quiet
    words = ("pull", "-q", store.image)
    places = store.count(tmp_path, *words)
    store.command.ok("rmi", store.image)
    failed = []
    for step in chosen(request, places):
        store.kill_at(step, *words)
        assert store.wait_quiet(), places[step - 1]
        store.command.ok("images")
        store.command.ok("ps", "-a")
        store.command.ok("pull", "-q", store.image)
        assert store.command.ok("run", "--rm", store.image, "echo", "well") == "well\n"
        store.command.ok("rmi", store.image)
        left = store.left()
        if left:
            failed.append(f"step {step}, {places[step - 1]}:\n  " + "\n  ".join(left[:6]))
    assert not failed, "\n".join(failed)
