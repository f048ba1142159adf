"""Ctrl-C at varied moments of pull and run: exit code 130 (or the container's own), and nothing is left."""

from __future__ import annotations

import os
import select
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.testing.aftermath import differences, look
from conman_kernel.testing.command import Command
from conman_kernel.testing.images import busybox_image
from conman_kernel.testing.registry import Action, Fault, Registry

GROUP_INTERRUPT = -signal.SIGINT


def spread(places: list[str], request: pytest.FixtureRequest, count: int = 10) -> list[int]:
    """The steps to try: some, or all of them under ``-m stress``."""
    step = 1 if "stress" in request.config.option.markexpr else max(1, len(places) // count)
    return list(range(1, len(places) + 1, step))


@pytest.mark.parametrize("flags", [("--rm",), ("--rm", "-d")], ids=["run", "run-d"])
def test_run(store, tmp_path: Path, request: pytest.FixtureRequest, flags: tuple[str, ...]) -> None:
    words = ("run", *flags, "--name", "victim", store.image, "true")
    places = store.count(tmp_path, *words)
    store.wait_quiet()
    for step in spread(places, request):
        code, err = store.kill_at(step, *words, number=GROUP_INTERRUPT)
        assert code in (130, 0), (places[step - 1], code, err)
        assert len(err.splitlines()) <= 1, (places[step - 1], err)
        assert store.wait_quiet(), places[step - 1]
        assert store.left() == [], places[step - 1]


def test_a_running_command_gets_it(store) -> None:
    run = store.command.start("run", "--rm", store.image, "sh", "-c", "trap 'exit 77' INT; echo up; while :; do sleep 0.05; done")
    assert run.stdout is not None and run.stdout.readline() == b"up\n"
    os.killpg(run.pid, signal.SIGINT)
    _, err = run.communicate(timeout=30)
    assert (run.returncode, err) == (77, b"")
    assert store.left() == []


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as made:
        made.add_image(busybox_image(), "box:latest")
        yield made


@pytest.fixture
def empty() -> Iterator[Command]:
    """A command with a store that has seen a pull, and is empty."""
    folder = tempfile.mkdtemp(prefix="ci-", dir="/dev/shm")
    yield Command(folder)
    shutil.rmtree(folder)


@pytest.mark.parametrize("verb", [("pull",), ("run", "--rm")], ids=["pull", "run"])
@pytest.mark.parametrize("action", [Action.STALL, Action.SILENT])
def test_a_registry_that_stalls(registry: Registry, empty: Command, verb: tuple[str, ...], action: Action) -> None:
    image = f"{registry.host}/box:latest"
    empty.ok("pull", "-q", image)
    empty.ok("rmi", image)
    before = look(empty.root, empty.run_root)
    registry.forget()
    registry.fail(Fault(action, on="/blobs/", at=1000))
    process = empty.start(*verb, image)
    while not registry.count("GET", "/blobs/"):
        assert process.poll() is None
        select.select([], [], [], 0.01)  # the registry's log has no descriptor to wait on
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    said = [line for line in err.splitlines() if not line.startswith((b"Trying to pull", b"Copying"))]
    assert len(said) <= 1 and all(line.startswith(b"Error: ") for line in said), err
    assert differences(before, empty.root, empty.run_root) == []
    registry.heal()
    empty.ok("pull", "-q", image)
    assert empty.ok("run", "--rm", image, "echo", "well") == "well\n"


def test_pull(store, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    store.command.ok("rmi", store.image)
    quiet, store.quiet = store.quiet, look(store.command.root, store.command.run_root)
    places = store.count(tmp_path, "pull", "-q", store.image)
    store.command.ok("rmi", store.image)
    for step in spread(places, request):
        code, err = store.kill_at(step, "pull", "-q", store.image, number=GROUP_INTERRUPT)
        assert code in (130, 0), (places[step - 1], code, err)
        assert len(err.splitlines()) <= 1, (places[step - 1], err)
        if code == 0:
            store.command.ok("rmi", store.image)
        assert store.left() == [], places[step - 1]
    store.command.ok("pull", "-q", store.image)
    store.quiet = quiet
