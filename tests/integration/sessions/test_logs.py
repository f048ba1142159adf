"""``conman logs`` on real containers: rotated, followed, overtaken, several at once."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from pathlib import Path

import pytest

from conman_kernel import Conman
from conman_kernel.testing.command import Command

from . import facts

LINE = b"x" * 79 + b"\n"
FLOOD = f"yes {'x' * 79} | head -c {{}}"


def log_path(conman: Command, name: str) -> Path:
    found = conman.inspect(name)["HostConfig"]
    assert isinstance(found, dict)
    return Path(found["LogConfig"]["Path"])


def files(path: Path) -> list[Path]:
    """The oldest first."""
    old = sorted(path.parent.glob("ctr.log.[0-9]*"), key=lambda p: -int(p.name.rpartition(".")[2]))
    return [*old, path]


def end_of_log(path: Path) -> int:
    """Bytes of log so far, all files that ever were included."""
    state = path.stat()
    lines = (path.parent / "ctr.log.offsets").read_text().splitlines()
    return next(int(start) for inode, start in map(str.split, lines) if int(inode) == state.st_ino) + state.st_size


def run(conman: Command, image: str, gone: list[str], name: str, script: str, *options: str) -> None:
    gone.append(name)
    conman.ok("run", "-d", "--name", name, *options, image, "sh", "-c", script)


def test_a_rotated_log_reads_as_one(conman: Command, image: str, gone: list[str]) -> None:
    run(conman, image, gone, "rot", "seq 1 3000; exit 3", "--log-opt", "max-size=30k", "--log-opt", "max-file=10")
    assert conman.ok("wait", "rot") == "3\n"
    path = log_path(conman, "rot")
    assert len(files(path)) == 5 and all(p.stat().st_size <= 30_000 for p in files(path))
    numbers = [str(n) for n in range(1, 3001)]
    assert conman.ok("logs", "rot").split() == conman.ok("logs", "-f", "rot").split() == numbers
    assert conman.ok("logs", "--tail", "1500", "rot").split() == numbers[1500:]
    config = conman.inspect("rot")["HostConfig"]["LogConfig"]  # type: ignore[index]
    assert config == {"Type": "cri", "Config": {"max-size": "30000", "max-file": "10"}, "Path": str(path), "Tag": "", "Size": "30kB"}
    conman.ok("start", "rot")
    assert conman.ok("wait", "rot") == "3\n"
    assert conman.ok("logs", "rot").split() == numbers * 2


def test_the_oldest_go(conman: Command, image: str, gone: list[str]) -> None:
    run(conman, image, gone, "old", "seq 1 3000", "--log-opt", "max-size=30k,max-file=2")
    conman.ok("wait", "old")
    shown = conman.ok("logs", "old").split()
    assert 650 < len(shown) < 1300 and shown == [str(n) for n in range(3001 - len(shown), 3001)]
    path = log_path(conman, "old")
    assert sorted(os.listdir(path.parent)) == ["ctr.log", "ctr.log.1", "ctr.log.offsets", "exit"]


def test_the_configuration_sets_what_the_command_line_does_not(conman: Command, image: str, gone: list[str]) -> None:
    gone += ["conf"]
    conman.ok("run", "--name", "conf", image, "seq", "1", "2000", CONMAN_CONTAINERS_LOG_SIZE="10k", CONMAN_CONTAINERS_LOG_FILES="4")
    assert len(files(log_path(conman, "conf"))) == 4


@pytest.mark.parametrize(("option", "words"), [
    ("max-size=lots", "invalid log size 'lots'"), ("max-file=0", "max-file"), ("path=/tmp/x", "invalid log option 'path=/tmp/x': not supported"),
    ("tag=x", "invalid log option 'tag=x': not supported"), ("nonsense=1", "invalid log option 'nonsense=1'"), ("max-size", "invalid log option"),
])
def test_log_options_that_are_none(conman: Command, image: str, option: str, words: str) -> None:
    done = conman("create", "--log-opt", option, image, "true")
    assert done.returncode == 125 and words in done.stderr


def _follow(conman: Command, name: str, *options: str) -> tuple[str, int, int]:
    """Follow to the end.

    :returns: digest and length of standard output, and the most memory the command had, in MiB.
    """
    process = subprocess.Popen(conman.argv("logs", "-f", *options, name), env=conman.environ, stdout=subprocess.PIPE)
    assert process.stdout is not None
    digest = hashlib.sha256()
    length = most = 0
    while data := process.stdout.read(1 << 18):
        digest.update(data)
        length += len(data)
        try:  # what wait4(2) tells begins with the memory of who forked it
            most = max(most, facts.memory_kib(process.pid, "VmHWM"))
        except StopIteration:
            continue  # it has written its last and is gone
    assert facts.finish(process) == 0 and most
    return digest.hexdigest(), length, most >> 10


def _wanted(size: int) -> str:
    digest = hashlib.sha256()
    block = LINE * 4096
    for _ in range(size // len(block)):
        digest.update(block)
    digest.update(block[:size % len(block)])
    return digest.hexdigest()


@pytest.mark.parametrize("mebibytes", [64, pytest.param(1024, marks=pytest.mark.stress)])
def test_all_of_it_through_a_follower(conman: Command, image: str, gone: list[str], mebibytes: int) -> None:
    size = mebibytes << 20
    run(conman, image, gone, "all", FLOOD.format(size))
    digest, length, memory = _follow(conman, "all")
    assert (length, digest) == (size, _wanted(size))
    assert memory < 64
    assert _follow(conman, "all")[:2] == (digest, length)


def test_a_ten_megabyte_line_through_a_follower(conman: Command, image: str, gone: list[str]) -> None:
    run(conman, image, gone, "long", "head -c 10000000 /dev/zero; echo; echo after")
    digest, _, memory = _follow(conman, "long")
    assert digest == hashlib.sha256(bytes(10_000_000) + b"\nafter\n").hexdigest()
    assert memory < 64
    assert conman.raw("logs", "--tail", "2", "long").stdout == bytes(10_000_000) + b"\nafter\n"
    assert conman.ok("logs", "--tail", "1", "long") == "after\n"


def test_a_follower_that_was_overtaken_is_told_how_much_it_missed(conman: Command, image: str, gone: list[str],
                                                                    begin: facts.Begin) -> None:
    """It is stopped by its own full pipe while the log is rotated a few hundred times."""
    run(conman, image, gone, "fast", "echo first; read go; seq 1 200000; echo last", "-i", "--log-opt", "max-size=20k,max-file=2")
    follower = begin("logs", "-f", "fast")
    path = log_path(conman, "fast")
    assert follower.stdout is not None and follower.stderr is not None
    assert os.read(follower.stdout.fileno(), 6) == b"first\n"
    conman.ok("attach", "fast", stdin=b"go\n")
    conman.ok("wait", "fast")
    out, error = follower.communicate(timeout=facts.PATIENCE)
    lines = (b"first\n" + out).split(b"\n")
    assert lines.pop() == b"" and lines[-1] == b"last"
    words = rb"^conman: (\d+) bytes of the log of fast were rotated away before they could be shown$"
    told = [int(number) for number in re.findall(words, error, re.M)]
    assert told and error.count(b"\n") == len(told)
    # A line that came in two pieces has a header more, which is not to be seen here.
    pieces, rest = divmod(end_of_log(path) - sum(told) - sum(41 + len(line) for line in lines), 41)
    assert rest == 0 and 0 <= pieces <= 2 * len(told)


def test_what_was_missed_is_exact(library: Conman, conman: Command, image: str, gone: list[str]) -> None:
    run(conman, image, gone, "exact", "echo first; read go; seq 1 50000; echo last", "-i", "--log-opt", "max-size=20k,max-file=2")
    container = library.containers.get("exact")
    entries = container.logs(follow=True)
    found = [next(entries)]
    conman.ok("attach", "exact", stdin=b"go\n")
    container.wait()
    found += entries
    missed = [entry.missed for entry in found if entry.missed]
    shown = sum(40 + len(e.data) + (not e.data.endswith(b"\n")) for e in found if e.stream)
    assert len(missed) == 1 and found[-1].data == b"last\n"
    assert missed[0] + shown == end_of_log(log_path(conman, "exact"))


def test_several_at_once_until_all_have_ended(conman: Command, image: str, gone: list[str], begin: facts.Begin) -> None:
    run(conman, image, gone, "one", "echo a1; read x; echo a2", "-i")
    run(conman, image, gone, "two", "echo b1 >&2; read x; printf b2", "-i")
    follower = begin("logs", "-f", "-n", "one", "two")
    assert follower.stdout is not None and follower.stderr is not None
    assert os.read(follower.stdout.fileno(), 100) == b"one a1\n"
    assert os.read(follower.stderr.fileno(), 100) == b"two b1\n"
    conman.ok("attach", "two", stdin=b"\n")
    assert os.read(follower.stdout.fileno(), 100) == b"two b2"
    assert follower.poll() is None
    conman.ok("attach", "one", stdin=b"\n")
    assert follower.stdout.read() == b"one a2\n" and follower.wait(facts.PATIENCE) == 0


def test_both_streams_are_kept_apart_while_followed(conman: Command, image: str, gone: list[str]) -> None:
    run(conman, image, gone, "both", "for i in 1 2 3 4 5; do echo o$i; echo e$i >&2; done")
    done = conman("logs", "-f", "both")
    assert (done.stdout, done.stderr) == ("o1\no2\no3\no4\no5\n", "e1\ne2\ne3\ne4\ne5\n")


def test_a_container_that_was_never_started_has_nothing_to_wait_for(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("idle")
    conman.ok("create", "--name", "idle", image, "true")
    assert conman.ok("logs", "-f", "idle") == conman.ok("logs", "idle") == ""


def test_until_ends_a_follower(conman: Command, image: str, gone: list[str]) -> None:
    run(conman, image, gone, "on", "echo now; sleep 1000")
    assert conman.ok("logs", "-f", "--until", "0.3s", "on") == "now\n"
    assert conman.ok("logs", "-f", "--until", "2020-01-01T00:00:00Z", "on") == ""
    conman.ok("kill", "on")


def test_times_as_shown_are_exact(conman: Command, image: str, gone: list[str]) -> None:
    run(conman, image, gone, "times", "for i in 1 2 3 4 5 6; do echo $i; usleep 2000; done; printf end")
    conman.ok("wait", "times")
    shown = [line.split(" ") for line in conman.ok("logs", "-t", "times").splitlines()]
    assert [text for _, text in shown] == ["1", "2", "3", "4", "5", "6", "end"]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", time) for time, _ in shown)
    third, fifth = shown[2][0], shown[4][0]  # a shim that was kept from running reads several lines at one time
    between = [text for time, text in shown if third <= time <= fifth]
    assert conman.ok("logs", "--since", third, "--until", fifth, "times").split() == between
    upto = [text for time, text in shown if time <= fifth]
    assert conman.ok("logs", "--until", fifth, "--tail", "2", "times").split() == upto[-2:]


def test_what_stands_before_a_line_stands_there_once(conman: Command, image: str, gone: list[str]) -> None:
    run(conman, image, gone, "pieces", "printf a; usleep 50000; printf b; usleep 50000; echo c; echo d")
    conman.ok("wait", "pieces")
    assert log_path(conman, "pieces").read_bytes().count(b" P ") == 2
    assert conman.ok("logs", "-n", "pieces") == "pieces abc\npieces d\n"
    assert conman.ok("logs", "--tail", "2", "pieces") == "abc\nd\n"
    color, end = "\x1b[37m", "\x1b[0m"
    assert conman.ok("logs", "--color", "-n", "pieces") == f"{color}pieces a{end}{color}b{end}{color}c{end}\n{color}pieces d{end}\n"
    id = str(conman.inspect("pieces")["Id"])[:12]
    assert conman.ok("logs", "pieces", "pieces") == f"{id} abc\n{id} d\n" * 2


@pytest.mark.parametrize("how", ["truncate", "remove"])
def test_a_log_that_somebody_clears_while_it_is_followed(conman: Command, image: str, gone: list[str], begin: facts.Begin,
                                                          how: str) -> None:
    run(conman, image, gone, "clear", "echo before; read x; echo after", "-i")
    follower = begin("logs", "-f", "clear")
    assert follower.stdout is not None
    assert os.read(follower.stdout.fileno(), 100) == b"before\n"
    path = log_path(conman, "clear")
    if how == "truncate":
        os.truncate(path, 0)
    else:
        path.unlink()
    conman.ok("attach", "clear", stdin=b"\n")
    out, error = follower.communicate(timeout=facts.PATIENCE)
    assert (out, error, follower.returncode) == (b"after\n", b"", 0)


def test_from_python_and_on_from_a_time(library: Conman, image: str, gone: list[str], conman: Command) -> None:
    run(conman, image, gone, "py", "echo a; usleep 2000; echo b >&2; usleep 2000; echo c")
    container = library.containers.get("py")
    container.wait()
    entries = list(container.logs())
    # Each stream has its order; between two of them nothing is promised.
    assert [e.data for e in entries if e.stream == 1] == [b"a\n", b"c\n"] and [e.data for e in entries if e.stream == 2] == [b"b\n"]
    assert [e.data for e in container.logs(since=entries[1].time)] == [e.data for e in entries[1:]]
    assert [e.data for e in container.logs(stderr=False, tail=2)] == [b"a\n", b"c\n"]
    assert [e.data for e in container.logs(until=container.created - 1)] == []
    assert list(container.logs(stdout=False, stderr=False)) == []
    with container.log_reader() as reader:
        assert [(e.stream, e.data) for e in reader.chunks()] == [(e.stream, e.data) for e in entries]
        assert reader.over
