"""PROTOCOL.md, "Health": who is checked when, what is written down, and that a check harms nothing."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .conftest import FAKE, PATIENCE, Rig

PATIENT = ("sh", "-c", "read line")


def checked(rig: Rig, *program: str, options: tuple[str, ...] = (), **keys: object) -> list[str]:
    """The records of a health check; ``keys`` without their prefix."""
    argv = [sys.executable, "-I", "-S", str(FAKE), rig.path("health.pid"), *options, "--", *program]
    given = {"pid_file": rig.path("health.pid"), "file": rig.path("health"), "interval": 50, "timeout": 20_000, "retries": 2, **keys}
    return [*(f"health={word}" for word in argv), *(f"health_{key}={value}" for key, value in given.items())]


def begin(rig: Rig, *records: str) -> int:
    return rig.start(rig.runtime(*PATIENT), "stdin=1", *records)


class Seen:
    def __init__(self, text: str) -> None:
        lines = text.splitlines()
        self.status, self.streak = lines[0].removeprefix("status="), int(lines[1].removeprefix("streak="))
        self.log = [(int(a), int(b), int(code), bytes.fromhex(out)) for a, b, code, out in
                    ((line.removeprefix("check=") + " ").split(" ")[:4] for line in lines[2:])]


def until(rig: Rig, wanted) -> Seen:
    """Read the health file until it is as wanted."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            seen = Seen((rig.folder / "health").read_text())
        except FileNotFoundError:
            seen = None
        if seen is not None and wanted(seen):
            return seen
        assert time.monotonic() < deadline, seen and vars(seen)
        select.select([rig.handle], [], [], 0.01)


def test_a_check_that_succeeds_is_healthy(rig) -> None:
    begin(rig, *checked(rig, "sh", "-c", "echo fine; echo more >&2"))
    seen = until(rig, lambda s: len(s.log) == 5)
    assert (seen.status, seen.streak) == ("healthy", 0)
    assert all((code, sorted(out.split())) == (0, [b"fine", b"more"]) and a <= b for a, b, code, out in seen.log)


def test_one_that_ends_before_its_runtime_has_its_own_code(rig) -> None:
    # Both are waited for in one go then, whichever the kernel names first.
    begin(rig, *checked(rig, "sh", "-c", f"touch {rig.path('over')}; exit 2", options=("--until", rig.path("over"), "0"), interval=0))
    for _ in range(5):
        client = rig.attach(flags=0)
        client.send(7)
        assert client.frame() == (0x89, b"\1")
        client.close()
        (rig.folder / "over").unlink()
    assert {code for _, _, code, _ in Seen((rig.folder / "health").read_text()).log} == {2}


def test_only_the_last_five_are_kept(rig) -> None:
    begin(rig, *checked(rig, "sh", "-c", f"echo x >> {rig.path('count')}; wc -l < {rig.path('count')}"))
    seen = until(rig, lambda s: len(s.log) == 5 and int(s.log[-1][3]) > 6)
    numbers = [int(out) for _, _, _, out in seen.log]
    assert numbers == list(range(numbers[0], numbers[0] + 5))


def test_failures_count_up_to_unhealthy_and_one_success_ends_them(rig) -> None:
    begin(rig, *checked(rig, "test", "-e", rig.path("well"), retries=3))
    until(rig, lambda s: s.status == "unhealthy" and s.streak > 3)
    (rig.folder / "well").touch()
    assert until(rig, lambda s: s.status == "healthy").streak == 0


def test_before_the_retries_are_used_up_it_is_starting(rig) -> None:
    begin(rig, *checked(rig, "false", retries=1000))
    assert until(rig, lambda s: s.streak == 2).status == "starting"


def test_failures_in_the_start_period_do_not_count(rig) -> None:
    begin(rig, *checked(rig, "sh", "-c", f"test -e {rig.path('well')} || exit 7", start_period=100_000, retries=1))
    seen = until(rig, lambda s: len(s.log) >= 3)
    assert (seen.status, seen.streak, seen.log[0][2]) == ("starting", 0, 7)
    (rig.folder / "well").touch()
    until(rig, lambda s: s.status == "healthy")
    (rig.folder / "well").unlink()
    until(rig, lambda s: s.status == "unhealthy")  # the period is over with the first success


def test_the_output_is_bounded_and_a_loud_check_does_not_hang(rig) -> None:
    begin(rig, *checked(rig, "sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x", interval=20_000))
    client = rig.attach(flags=0)
    client.send(7)
    kind, payload = client.frame()
    assert kind == 0x89 and payload == b"\0" + b"x" * 500


def test_a_check_that_hangs_is_killed_with_what_it_began_and_counts(rig) -> None:
    script = f"sleep 1000 & echo $! > {rig.path('child')}; echo $$ > {rig.path('own')}; echo words; wait"
    begin(rig, *checked(rig, "sh", "-c", script, timeout=400, retries=1, interval=100))
    seen = until(rig, lambda s: s.status == "unhealthy")
    assert seen.log[0][2] == -1 and b"400 ms" in seen.log[0][3]
    for name in ("child", "own"):
        pid = int((rig.folder / name).read_text() or "0")
        # The next check may have begun: its process is another.
        deadline = time.monotonic() + PATIENCE
        while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]:
            if int((rig.folder / name).read_text() or "0") != pid:
                break
            assert time.monotonic() < deadline


def test_a_runtime_that_hangs_is_killed_and_counts(rig) -> None:
    begin(rig, *checked(rig, "true", options=("--hang", "1000"), timeout=300, retries=1))
    assert until(rig, lambda s: s.status == "unhealthy").log[0][2] == -1
    rig.attach().send(2, b"\n")
    assert rig.exited()["code"] == "0"


def test_a_runtime_that_refuses_is_a_failure_with_its_words(rig) -> None:
    begin(rig, *checked(rig, "true", options=("--fail", "1", "no such program"), retries=1))
    seen = until(rig, lambda s: s.status == "unhealthy")
    assert seen.log[0][2:] == (-1, b"no such program")


def test_a_runtime_that_is_not_there_is_a_failure(rig) -> None:
    records = [r for r in checked(rig, "true", retries=1) if not r.startswith("health=")]
    begin(rig, "health=/no/such/runtime", *records)
    assert b"No such file" in until(rig, lambda s: s.status == "unhealthy").log[0][3]


@pytest.mark.parametrize("content", ["", "1", "-1", "x", "4000001"])
def test_a_pid_file_that_lies_kills_nobody(rig, content: str) -> None:
    records = [r for r in checked(rig, "true", timeout=500, retries=1) if not r.startswith("health=")]
    begin(rig, "health=sh", "health=-c", f"health=printf %s '{content}' > {rig.path('health.pid')}", *records)
    assert until(rig, lambda s: s.status == "unhealthy").log[0][2] == -1


def test_a_frozen_container_is_not_checked(rig) -> None:
    events = rig.folder / "cgroup.events"
    events.write_text("populated 1\nfrozen 1\n")
    begin(rig, *checked(rig, "true"), "health_paused=/no/such/file", f"health_paused={events}")
    client = rig.attach(flags=0)
    client.send(7)
    kind, payload = client.frame()
    assert (kind, payload[0]) == (0x89, 2) and b"paused" in payload
    assert not select.select([rig.handle], [], [], 0.3)[0]  # several intervals
    assert Seen((rig.folder / "health").read_text()).log == []
    events.write_text("populated 1\nfrozen 0\n")
    until(rig, lambda s: s.status == "healthy")


def test_nothing_is_checked_without_an_interval_but_on_demand(rig) -> None:
    begin(rig, *checked(rig, "sh", "-c", "echo asked; exit 3", interval=0, retries=1))
    assert until(rig, lambda s: True).log == []
    client, flags = rig.welcomed(0)
    assert flags & 64
    client.send(7)
    assert client.frame() == (0x89, b"\1asked\n")
    assert until(rig, lambda s: len(s.log) == 1).status == "unhealthy"
    assert rig.cpu_while_idle() == 0


def test_who_asks_during_a_check_gets_its_answer(rig) -> None:
    begin(rig, *checked(rig, "sh", "-c", f"echo x >> {rig.path('count')}; cat {rig.path('go')}", interval=0))
    os.mkfifo(rig.path("go"))
    clients = [rig.attach(flags=0) for _ in range(3)]
    clients[0].send(7)
    deadline = time.monotonic() + PATIENCE
    while not (rig.folder / "count").exists():
        assert time.monotonic() < deadline
    for client in clients[1:]:
        client.send(7)
    clients[1].close()  # one that leaves takes nothing from the others
    (rig.folder / "go").write_text("done")
    assert [client.frame() for client in (clients[0], clients[2])] == [(0x89, b"\0done")] * 2
    assert (rig.folder / "count").read_text() == "x\n"


def test_without_a_check_nobody_is_answered(rig) -> None:
    begin(rig)
    client, flags = rig.welcomed(7)
    assert not flags & 64
    client.send(7)
    client.send(2, b"\n")
    assert client.output()[2] == (0x85, b"\0")


def test_a_change_is_told_once_with_the_new_status(rig) -> None:
    told = rig.path("told")
    begin(rig, *checked(rig, "test", "-e", rig.path("well"), retries=2), "health_changed=sh", "health_changed=-c",
          f"health_changed=echo $1 >> {told}", "health_changed=x")
    until(rig, lambda s: s.status == "unhealthy" and s.streak >= 4)
    (rig.folder / "well").touch()
    until(rig, lambda s: s.status == "healthy" and len([1 for c in s.log if c[2] == 0]) >= 3)
    deadline = time.monotonic() + PATIENCE
    while Path(told).read_text() != "unhealthy\nhealthy\n":
        assert time.monotonic() < deadline, Path(told).read_text()
        select.select([rig.handle], [], [], 0.01)


def test_the_process_ends_in_the_middle_of_a_check(rig) -> None:
    begin(rig, *checked(rig, "sh", "-c", f"echo $$ > {rig.path('own')}; exec sleep 1000", interval=0), "cleanup=touch",
          f"cleanup={rig.path('cleaned')}")
    client, asker = rig.attach(), rig.attach(flags=0)
    asker.send(7)
    deadline = time.monotonic() + PATIENCE
    while not (rig.folder / "own").exists() or not (rig.folder / "own").read_text():
        assert time.monotonic() < deadline
    process = os.pidfd_open(int((rig.folder / "own").read_text()))
    client.send(2, b"\n")
    assert asker.frame()[0] == 0x89
    assert rig.exited()["code"] == "0"
    rig.say("release")
    rig.gone()
    assert (rig.folder / "cleaned").exists()
    assert select.select([process], [], [], PATIENCE)[0]  # it was killed; that takes a moment
    os.close(process)


def test_output_and_signals_go_on_beside_a_check(rig) -> None:
    rig.start(rig.runtime("sh", "-c", "trap 'echo heard' USR1; echo up; while read line; do echo $line; done; echo over; while :; do sleep 0.01; done"),
              "stdin=1", *checked(rig, "sleep", "1000", interval=20))
    client = rig.attach()
    for word in (b"one\n", b"two\n"):
        client.send(2, word)
        client.until(word)
    client.send(3)
    client.until(b"over\n")
    client.send(5, bytes((10,)))
    client.until(b"heard\n")


def test_nothing_of_it_is_loaded_without_a_check() -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); import conman_shim.supervisor; print(*sys.modules)"
    source = Path(__file__).resolve().parents[1] / "src"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code, str(source)], capture_output=True, text=True, check=True)
    assert not {"conman_shim.health", "conman_shim.check"} & set(done.stdout.split())
