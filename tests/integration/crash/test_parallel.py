"""Several conman processes at once: no corruption, no deadlock, honest errors."""

from __future__ import annotations

import pytest


def finish(process) -> tuple[int, str, str]:
    """A process's exit code, output and error output; one that hangs is a failure."""
    out, err = process.communicate(timeout=90)
    assert b"Traceback" not in err and b"has a defect" not in err, err
    return process.returncode, out.decode(), err.decode()


def test_eight_runs(store) -> None:
    started = [store.command.start("run", "--rm", store.image, "sh", "-c", f"echo {n}; exit {n}") for n in range(8)]
    shows = [store.command.start("ps", "-a") for _ in range(4)]
    assert [finish(p) for p in started] == [(n, f"{n}\n", "") for n in range(8)]
    assert all(code == 0 and not err for code, _, err in map(finish, shows))
    assert store.left() == []


def test_one_name(store) -> None:
    started = [store.command.start("run", "--rm", "--name", "same", store.image, "sh", "-c", "sleep 0.3; echo done") for _ in range(6)]
    results = [finish(p) for p in started]
    won = [r for r in results if r[0] == 0]
    lost = [r for r in results if r[0] != 0]
    assert won and all(r == (0, "done\n", "") for r in won)
    assert all(code == 125 and '"same" is already in use' in err for code, _, err in lost), lost
    assert store.left() == []


def test_one_start(store) -> None:
    store.command.ok("create", "--name", "one", store.image, "sh", "-c", "echo run >> /runs; cat /runs; sleep 1000")
    started = [store.command.start("start", "one") for _ in range(6)]
    assert [finish(p) for p in started] == [(0, "one\n", "")] * 6
    assert store.command.ok("logs", "one") == "run\n" or store.command.ok("exec", "one", "cat", "/runs") == "run\n"


@pytest.mark.parametrize("round", range(3))
def test_stop_kill_and_rm(store, round: int) -> None:
    store.command.ok("run", "-d", "--name", "one", store.image, "sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done")
    verbs = [("stop", "-t", "5", "one"), ("rm", "-f", "-t", "5", "one"), ("kill", "one"), ("wait", "one"), ("ps", "-a"), ("inspect", "one")]
    for verb, (code, _, err) in zip(verbs, [finish(p) for p in [store.command.start(*v) for v in verbs]]):
        honest = "no such container" in err or "can only kill running" in err or "no such object" in err
        assert code == 0 or honest, (verb, code, err)
    assert store.command.ok("ps", "-a", "-q") == ""
    assert store.left() == []


def test_removed_by_two(store) -> None:
    for _ in range(4):
        store.command.ok("create", "--name", "one", store.image, "true")
        results = [finish(p) for p in [store.command.start("rm", "one") for _ in range(4)]]
        assert any(code == 0 for code, _, _ in results)
        assert all(code == 0 or "no such container" in err for code, _, err in results), results
    assert store.left() == []


def test_create_and_rmi(store) -> None:
    made = [store.command.start("create", store.image, "true") for _ in range(3)]
    gone = store.command.start("rmi", store.image)
    results = [finish(p) for p in made]
    code, _, err = finish(gone)
    assert all(c == 0 or "image not known" in e or "no such image" in e.lower() or "pull" in e for c, _, e in results), results
    assert code in (0, 2), err
    store.command.clear()
    store.command.ok("pull", "-q", store.image)
    assert store.command.ok("run", "--rm", store.image, "echo", "well") == "well\n"
    assert store.left() == []


def test_one_pull_by_many(store) -> None:
    store.command.ok("rmi", store.image)
    results = [finish(p) for p in [store.command.start("pull", "-q", store.image) for _ in range(4)]]
    assert {code for code, _, _ in results} == {0} and len({out for _, out, _ in results}) == 1, results
    assert store.left() == []


@pytest.mark.stress
def test_a_long_crowd(store) -> None:
    for _ in range(10):
        started = [store.command.start("run", "--rm", "--name", f"n{n % 5}", store.image, "echo", str(n)) for n in range(12)]
        for n, process in enumerate(started):
            code, out, err = finish(process)
            assert (code, out) == (0, f"{n}\n") or (code == 125 and "already in use" in err)
    assert store.left() == []
