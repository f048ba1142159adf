"""kill -9 at sampled steps of what makes, uses and removes volumes: the next command uses or clears what is left."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.testing.aftermath import Aftermath, differences, look, processes, wait_gone
from conman_kernel.testing.command import Command

from .conftest import place, store_with, volumes_of

INJECT = Path(__file__).parents[1] / "crash/inject"


class Store:
    """A store whose commands are killed."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self.quiet: Aftermath = look(command.root, command.run_root)

    def run(self, step: int, *words: str, count: Path | None = None) -> tuple[int, str]:
        """Run a command that is killed at a step (0: never)."""
        environ = {"PYTHONPATH": str(INJECT), "CONMAN_TEST_STEP": str(step), "CONMAN_TEST_SIGNAL": str(int(signal.SIGKILL))}
        if count is not None:
            environ["CONMAN_TEST_STEPS"] = str(count)
        process = self.command.start(*words, stdin=subprocess.DEVNULL, **environ)
        _, err = process.communicate(timeout=120)
        return process.returncode, err.decode()

    def steps(self, file: Path, *words: str) -> list[str]:
        """The places of a command's steps."""
        assert self.run(0, *words, count=file) == (0, "")
        return file.read_text().splitlines()

    def wait_quiet(self) -> None:
        """Until no process of the store is left."""
        end = time.monotonic() + 60
        while found := set(processes(self.command.root, self.command.run_root)):
            assert time.monotonic() < end and wait_gone(found, end - time.monotonic()), found

    def clear(self) -> None:
        """Remove containers and volumes, as a person would."""
        self.command.clear()
        self.command.ok("volume", "prune", "--force")


@pytest.fixture
def store(layouts: tuple[Path, Path]) -> Iterator[Store]:
    command = store_with(*layouts)
    made = Store(command)
    yield made
    made.clear()
    left = differences(made.quiet, command.root, command.run_root)
    shutil.rmtree(command.folder)
    assert not left, "\n".join(left)


def chosen(request: pytest.FixtureRequest, places: list[str], count: int, part: str = "") -> list[int]:
    """Evenly spread steps, among those in ``part`` where there are any; all under ``-m stress``."""
    all_steps = [number for number, where in enumerate(places, 1) if part in where]
    assert len(all_steps) > 20, places
    if "stress" in request.config.option.markexpr:
        return list(range(1, len(places) + 1))
    return sorted({all_steps[round(n * (len(all_steps) - 1) / (count - 1))] for n in range(count)})


@pytest.mark.parametrize("part", ["conman_kernel/volumes/", ""], ids=["volumes", "anywhere"])
def test_run_with_a_new_volume(store: Store, tmp_path: Path, request: pytest.FixtureRequest, part: str) -> None:
    words = ("run", "--rm", "-v", "data:/data", "-v", "/anonymous", "two", "true")
    places = store.steps(tmp_path / "steps", *words)
    store.clear()
    for step in chosen(request, places, 10, part):
        where = places[step - 1]
        code, err = store.run(step, *words)
        assert code in (-9, 0), (where, err)
        store.wait_quiet()
        assert store.command.ok("ps", "-a", "-q") == "", where
        # Whatever is there by now, the next container has the whole content, once.
        assert store.command.ok("run", "--rm", "-v", "data:/data", "one", "sh", "-c", "ls /data | tr '\\n' ' '; cat /data/a") == \
            "a b link sub hello", where
        kept = place(store.command, "data")
        assert [path.name for path in kept.parent.iterdir()] == ["_data"], where
        assert (kept.stat().st_uid, kept.stat().st_mode & 0o7777, (kept / "a").stat().st_nlink) == (33, 0o2750, 2), where
        store.clear()
        left = differences(store.quiet, store.command.root, store.command.run_root)
        assert not left, (where, left)


def test_create(store: Store, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    words = ("volume", "create", "data")
    places = store.steps(tmp_path / "steps", *words)
    store.clear()
    for step in chosen(request, places, 12):
        store.run(step, *words)
        known = volumes_of(store.command)
        assert known in ([], ["data"])
        store.command.ok("volume", "create", "--ignore", "data")
        assert list(place(store.command, "data").iterdir()) == []
        store.clear()
        left = differences(store.quiet, store.command.root, store.command.run_root)
        assert not left, (places[step - 1], left)


@pytest.mark.parametrize("words", [("volume", "rm", "data"), ("volume", "prune", "-f")], ids=["rm", "prune"])
def test_removal(store: Store, tmp_path: Path, request: pytest.FixtureRequest, words: tuple[str, ...]) -> None:
    def fresh() -> None:
        store.command.ok("volume", "create", "--ignore", "data")
        (place(store.command, "data") / "secret").write_text("x")

    fresh()
    places = store.steps(tmp_path / "steps", *words)
    for step in chosen(request, places, 12):
        fresh()
        store.run(step, *words)
        if volumes_of(store.command):  # then as before, with all that was in it
            assert (place(store.command, "data") / "secret").exists(), places[step - 1]
        else:  # then a new one of that name never shows what the old one had
            store.command.ok("volume", "create", "data")
            assert list(place(store.command, "data").iterdir()) == [], places[step - 1]
        store.clear()
        left = differences(store.quiet, store.command.root, store.command.run_root)
        assert not left, (places[step - 1], left)


def test_rm_of_a_container_with_its_volumes(store: Store, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    def fresh() -> None:
        store.command.ok("create", "--name", "c", "-v", "/anonymous", "two", "true")

    fresh()
    places = store.steps(tmp_path / "steps", "rm", "-v", "c")
    for step in chosen(request, places, 10):
        fresh()
        store.run(step, "rm", "-v", "c")
        if store.command.ok("ps", "-a", "-q"):
            assert len(volumes_of(store.command)) == 3, places[step - 1]
        else:  # begun is done: also by a command that was not told
            assert volumes_of(store.command) == [], places[step - 1]
        store.clear()
        left = differences(store.quiet, store.command.root, store.command.run_root)
        assert not left, (places[step - 1], left)


def test_one_that_is_mounted(store: Store) -> None:
    """Shim and command are killed: the next command unmounts."""
    store.command.ok("volume", "create", "--opt", "type=tmpfs", "t")
    store.command.ok("run", "-d", "--name", "c", "-v", "t:/x", "one", "sleep", "1000")
    assert place(store.command, "t").is_mount()
    from conman_kernel import Conman

    with Conman(root=store.command.root, run_root=store.command.run_root) as conman:
        row = conman.containers.get("c").row
    subprocess.run(["kill", "-9", str(row.shim_pid)], check=True)
    assert wait_gone({row.shim_pid}, 20)
    store.command.ok("ps", "-a")
    assert not place(store.command, "t").is_mount()
