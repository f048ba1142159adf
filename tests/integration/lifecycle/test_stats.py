"""``stats``, with real containers: what the numbers mean, which rows are there, how rounds follow each other."""

from __future__ import annotations

import json
import subprocess
import time
from typing import Iterator

import pytest

from conman_kernel import Cancel, Conman, ContainerOptions
from conman_kernel.errors import Cancelled, InvalidInput, InvalidState, NotFound
from conman_kernel.testing.command import Command

HEAD = "ID NAME CPU % MEM USAGE / LIMIT MEM % NET IO BLOCK IO PIDS CPU TIME AVG CPU %"
BUSY = "while :; do :; done"


@pytest.fixture
def sleeper(conman: Command, image: str, gone: list[str]) -> str:
    """A container that sleeps, with a limit on memory."""
    gone.append("sleeper")
    id = conman.ok("run", "-d", "--name", "sleeper", "--memory", "64m", image, "sleep", "300").strip()
    # Until the runtime has become the command, its threads are counted.
    while conman.ok("stats", "--no-stream", "--format", "{{.PIDs}}") != "1\n":
        continue
    return id


@pytest.fixture
def library(conman: Command) -> Iterator[Conman]:
    with Conman(root=conman.root, run_root=conman.run_root) as c:
        yield c


def rows(text: str) -> list[list[str]]:
    head, *lines = text.splitlines()
    assert " ".join(head.split()) == HEAD
    return [line.split() for line in lines]


def test_a_row_in_podmans_form(conman: Command, sleeper: str) -> None:
    id, name, cpu, used, _, limit, percent, *_, pids, spent, average = rows(conman.ok("stats", "--no-stream"))[0]
    assert (id, name, limit, pids) == (sleeper[:12], "sleeper", "67.11MB", "1")
    assert cpu == average and cpu.endswith("%") and percent.endswith("%")
    assert used.endswith(("kB", "MB")) and spent.endswith(("ms", "s"))
    found = json.loads(conman.ok("stats", "--no-stream", "--format", "json", "sleeper"))
    assert [sorted(row) for row in found] == [["avg_cpu", "block_io", "cpu_percent", "cpu_time", "id", "mem_percent", "mem_usage",
                                               "name", "net_io", "pids"]]
    assert (found[0]["id"], found[0]["name"], found[0]["pids"], found[0]["net_io"]) == (sleeper[:12], "sleeper", "1", "0B / 0B")
    assert conman.ok("stats", "--no-stream", "--format", "{{.Name}} {{.MemLimit}} {{.PIDs}}") == f"sleeper {64 << 20} 1\n"
    assert conman.ok("stats", "--no-stream", "--no-trunc", "--format", "{{.ID}}", "-l") == sleeper + "\n"
    assert conman.ok("container", "stats", "--no-stream", "--format", "table {{.Name}} {{.MemPerc}}").splitlines()[0].split() == [
        "NAME", "MEM", "%"]


def test_what_does_not_run_is_shown_where_it_is_asked_for(conman: Command, image: str, gone: list[str]) -> None:
    assert rows(conman.ok("stats", "--no-stream")) == []
    assert json.loads(conman.ok("stats", "--no-stream", "--format", "json")) == []
    gone += ["one", "two"]
    conman.ok("create", "--name", "one", image, "true")
    conman.ok("run", "-d", "--name", "two", image, "sleep", "300")
    assert [row[1] for row in rows(conman.ok("stats", "--no-stream"))] == ["two"]
    assert [row[1] for row in rows(conman.ok("stats", "--no-stream", "--all"))] == ["one", "two"]
    shown = rows(conman.ok("stats", "--no-stream", "two", "one"))
    assert [row[1] for row in shown] == ["two", "one"]
    assert shown[1][2:] == "0.00% 0B / 0B 0.00% 0B / 0B 0B / 0B 0 0s 0.00%".split()


@pytest.mark.parametrize("words, message", [
    (("nosuch",), 'no container with name or ID "nosuch" found: no such container'),
    (("-i", "0"), "invalid interval, must be a positive number greater zero"),
    (("-a", "-l"), "--all, --latest and containers cannot be used together"),
    (("--format", "{{.Nope}}", "--no-stream", "sleeper"), "Nope")])
def test_bad_words(conman: Command, sleeper: str, words: tuple[str, ...], message: str) -> None:
    done = conman("stats", *words)
    assert done.returncode == 125 and message in done.stderr and done.stdout == ""


def test_a_terminal_shows_one_round_in_the_place_of_the_other(conman: Command, image: str, sleeper: str, gone: list[str]) -> None:
    gone.append("second")
    conman.ok("run", "-d", "--name", "second", image, "sleep", "300")
    terminal = conman.on_terminal("stats", columns=70)
    first = terminal.expect(b"\x1b[J")
    assert first.startswith(b"\x1b[2J\x1b[H") and b"sleeper" in first and b"second" in first
    assert max(len(line.removesuffix(b"\x1b[K\r")) for line in first.removeprefix(b"\x1b[2J\x1b[H").split(b"\n")) == 70
    conman.ok("rm", "-f", "-t", "0", "second")
    while b"second" in (shown := terminal.expect(b"\x1b[J")):
        continue
    assert shown.startswith(b"\x1b[H") and b"sleeper" in shown
    terminal.resize(4, 20)
    while b"more lines" not in (shown := terminal.expect(b"\x1b[J")) and shown.count(b"\n") > 2:
        continue
    terminal.type(b"\x03")
    assert terminal.wait() == 130


def test_a_window_that_is_too_low_says_what_is_not_shown(conman: Command, image: str, gone: list[str]) -> None:
    for name in ("a", "b", "c", "d"):
        gone.append(name)
        conman.ok("run", "-d", "--name", name, image, "sleep", "300")
    terminal = conman.on_terminal("stats", rows=4)
    shown = terminal.expect(b"\x1b[J")
    assert shown.count(b"\n") == 3 and b"(3 more lines do not fit: --no-stream shows them)" in shown
    terminal.type(b"\x03")
    assert terminal.wait() == 130


def test_a_pipe_gets_round_after_round_until_nobody_reads(conman: Command, sleeper: str) -> None:
    with conman.start("stats", "--format", "{{.Name}}") as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == [b"sleeper\n"] * 2
        process.stdout.close()
        assert process.wait(30) == 141


def test_one_that_is_named_ends_and_is_removed_meanwhile(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("short")
    conman.ok("run", "-d", "--name", "short", image, "sleep", "300")
    with conman.start("stats", "--format", "{{.PIDs}}", "short") as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == b"1\n"
        conman.ok("kill", "short")
        while process.stdout.readline() != b"0\n":
            continue
        conman.ok("rm", "-f", "-t", "0", "short")
        assert process.wait(30) == 125
        assert b"no such container" in process.stderr.read()


def test_samples_in_python(library: Conman, image: str) -> None:
    busy = library.containers.run_detached(image, ContainerOptions(command=("sh", "-c", BUSY), memory=32 << 20))
    try:
        samples = busy.stats(interval=0.3)
        first = next(samples)
        while (second := next(samples)).pids != 1:  # the threads of the runtime, until it has become the command
            continue
        assert (first.id, first.name, first.state) == (busy.id, busy.name, "running")
        assert first.cpu_percent == first.cpu_average
        assert second.cpu_ns > first.cpu_ns > 0 and second.time > first.time
        # Of one processor, between the two: what the counters say for the time between.
        third = next(samples)
        expected = (third.cpu_ns - second.cpu_ns) / 1e7 / (third.time - second.time)
        assert third.cpu_percent == pytest.approx(expected, rel=0.1) and 0 < third.cpu_percent < 130
        assert (third.memory_limit, third.memory_percent) == (32 << 20, pytest.approx(third.memory / (32 << 20) * 100))
        rounds = library.containers.stats([busy.name], interval=0.05)
        assert [sample.state for sample in next(rounds)] == ["running"]
        waiting = busy.stats(interval=600)
        next(waiting)
        busy.kill()
        began = time.monotonic()
        assert list(waiting) == [] and time.monotonic() - began < 60  # its end is not waited for by the clock
        while next(rounds)[0].state == "running":
            continue
        assert next(rounds)[0]._replace(time=0.0, state="exited")[2:] == ("exited", 0.0, *([0] * 11))
        assert busy.id not in {sample.id for sample in next(library.containers.stats())}
        assert busy.id in {sample.id for sample in next(library.containers.stats(all=True))}
    finally:
        busy.remove(force=True, timeout=0)
    with pytest.raises(NotFound, match="no such container"):
        next(rounds)


def test_a_restart_begins_anew(library: Conman, image: str) -> None:
    container = library.containers.run_detached(image, ContainerOptions(command=("sh", "-c", "i=0; while [ $i -lt 30000 ]; do "
                                                                                 "i=$((i+1)); done; sleep 300")))
    try:
        rounds = library.containers.stats([container.name], interval=0.02)
        while (before := next(rounds)[0]).cpu_ns < 30e6:
            continue
        container.stop(timeout=0)
        container.start()
        while (after := next(rounds)[0]).state != "running" or after.cpu_ns == 0:
            continue
        assert after.cpu_percent >= 0 and (after.cpu_ns < before.cpu_ns or after.cpu_percent == pytest.approx(after.cpu_average))
    finally:
        container.remove(force=True, timeout=0)


def test_waiting_for_the_next_round_can_be_given_up(library: Conman, image: str) -> None:
    container = library.containers.run_detached(image, ContainerOptions(command=("sleep", "300")))
    try:
        cancel = Cancel()
        for samples in (container.stats(interval=600, cancel=cancel), library.containers.stats(interval=600, cancel=cancel)):
            next(samples)
            cancel.cancel()
            with pytest.raises(Cancelled):
                next(samples)
        with pytest.raises(InvalidInput):
            container.stats(interval=0)
    finally:
        container.remove(force=True, timeout=0)
    with pytest.raises(NotFound):
        container.stats()
    created = library.containers.create(image, ContainerOptions(command=("true",)))
    with pytest.raises(InvalidState, match="not running"):
        created.stats()
    created.remove()


def test_the_network_of_its_own_namespace(library: Conman, image: str) -> None:
    own = library.containers.run_detached(image, ContainerOptions(command=("sleep", "300")))
    try:
        before = next(own.stats())
        assert (before.network_in, before.network_out) == (0, 0)
        enter = ["nsenter", "--net", f"--target={own.pid}"]
        for words in ("ip link add a0 type veth peer name b0", "ip link set lo up", "ip link set a0 up", "ip link set b0 up",
                      "ip addr add 10.99.0.1/24 dev a0"):
            subprocess.run([*enter, *words.split()], check=True)
        # To all on the wire: a0 sends, b0 receives; what lo carries is not counted.
        send = ("import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
                "s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1); "
                "[s.sendto(bytes(1000), (a, 9)) for a in ('10.99.0.255', '127.0.0.1') for _ in range(50)]")
        subprocess.run([*enter, "python3", "-c", send], check=True)
        after = next(own.stats())
        assert 50_000 <= after.network_out < 80_000 and 50_000 <= after.network_in < 80_000
    finally:
        own.remove(force=True, timeout=0)


def test_the_hosts_network_is_nobodys_own(library: Conman, image: str) -> None:
    shared = library.containers.run_detached(image, ContainerOptions(command=("sleep", "300"), network="host"))
    try:
        sample = next(shared.stats())
        assert (sample.network_in, sample.network_out) == (0, 0) and sample.pids > 0
    finally:
        shared.remove(force=True, timeout=0)




def test_no_program_is_started_to_look(conman: Command, sleeper: str) -> None:
    done = conman("stats", "--no-stream", "--format", "{{.Name}}", CONMAN_TRACE="exec")
    assert (done.returncode, done.stdout, done.stderr) == (0, "sleeper\n", "")
    assert "exec" in conman("kill", "sleeper", CONMAN_TRACE="exec").stderr, "it would be seen"
