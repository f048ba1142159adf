"""kill -9 of pause, unpause, rename, update, restart, init and the start after it, between any two steps: the next command finds
a container as it was before or as it is to be, which goes on to work."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import pytest

POINTS = 4
"""How many steps of a verb are tried; all of them under ``-m stress``."""

SLEEPS = ("sleep", "1000")
Look = Callable[[], str]


def tried(store, tmp_path: Path, request: pytest.FixtureRequest, words: tuple[str, ...], *, prepare: Callable[[], None],
          look: Look, allowed: tuple[str, ...]) -> set[str]:
    """Kill at sampled steps; what was seen afterwards, all of it allowed."""
    prepare()
    places = store.count(tmp_path, *words)
    seen, failed = set(), []
    assert len(places) > 30, places
    count = len(places) if "stress" in request.config.option.markexpr else POINTS
    for step in sorted({1 + round(n * (len(places) - 1) / (count - 1)) for n in range(count)}):
        store.command("rm", "-f", "-t", "0", "victim", "heir")
        prepare()
        code, err = store.kill_at(step, *words)
        assert code in (-9, 0), (step, code, err)
        shown = store.command("ps", "-a")
        found = look() if not shown.stderr else f"ps said {shown.stderr}"
        seen.add(found)
        if found not in allowed:
            failed.append(f"step {step}, {places[step - 1]}: {found}")
    assert not failed, "\n".join(failed)
    store.command.clear()
    assert store.wait_quiet() and not store.left()
    return seen


def state(store) -> str:
    return store.command.ok("ps", "-a", "--format", "{{.State}}").strip()


def works(store) -> str:
    """The state, and whether the container really is in it."""
    found = state(store)
    if found == "paused":
        store.command.ok("unpause", "victim")
    elif found in ("exited", "created", "initialized"):
        store.command.ok("start", "victim")
    store.command.ok("exec", "victim", "true")
    return found


def run(store, *flags: str) -> None:
    store.command.ok("run", "-d", *flags, "--name", "victim", store.image, *SLEEPS)


def test_pause(store, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    seen = tried(store, tmp_path, request, ("pause", "victim"), prepare=lambda: run(store), look=lambda: works(store),
                 allowed=("running", "paused"))
    assert seen == {"running", "paused"}


def test_unpause(store, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    def prepare() -> None:
        run(store)
        store.command.ok("pause", "victim")

    tried(store, tmp_path, request, ("unpause", "victim"), prepare=prepare, look=lambda: works(store),
          allowed=("running", "paused"))


def test_rename(store, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    seen = tried(store, tmp_path, request, ("rename", "victim", "heir"), prepare=lambda: run(store),
                 look=lambda: store.command.ok("ps", "--format", "{{.Names}} {{.State}}").strip(),
                 allowed=("victim running", "heir running"))
    assert len(seen) == 2


def test_update(store, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    def look() -> str:
        recorded = store.command.ok("inspect", "--format", "{{.HostConfig.PidsLimit}}", "victim").strip()
        return f"{recorded} {_pids(store.command.ok('ps', '-q', '--no-trunc').strip())}"

    seen = tried(store, tmp_path, request, ("update", "--pids-limit", "55", "victim"),
                 prepare=lambda: run(store, "--pids-limit", "99"), look=look, allowed=("99 99", "55 55"))
    assert "99 99" in seen


def _pids(id: str) -> str:
    from conman_kernel.containers.cgroups import container_dirs
    from conman_kernel.containers.hostfacts import read_facts

    return next(path.read_text().strip() for folder in container_dirs(read_facts(), id)
                if (path := Path(folder, "pids.max")).exists())


def test_restart(store, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    tried(store, tmp_path, request, ("restart", "-t", "0", "victim"), prepare=lambda: run(store),
          look=lambda: works(store), allowed=("running", "exited"))


def test_restart_with_rm(store, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Killed after the end and before the new start, it may be gone: it was stopped, as with ``stop``."""
    def look() -> str:
        return works(store) if state(store) else ""

    tried(store, tmp_path, request, ("restart", "-t", "0", "victim"), prepare=lambda: run(store, "--rm"), look=look,
          allowed=("running", "exited", ""))


def create(store) -> None:
    store.command.ok("create", "--name", "victim", store.image, *SLEEPS)


def test_init(store, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    tried(store, tmp_path, request, ("init", "victim"), prepare=lambda: create(store), look=lambda: works(store),
          allowed=("created", "initialized", "exited"))


def test_start_of_an_initialized_one(store, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    def prepare() -> None:
        create(store)
        store.command.ok("init", "victim")

    tried(store, tmp_path, request, ("start", "victim"), prepare=prepare, look=lambda: works(store),
          allowed=("initialized", "running"))
