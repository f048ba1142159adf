"""Nothing that a process says is lost, whatever it looks like and however soon it ends; and it sees the end of its input."""

from __future__ import annotations

import pytest

from conman_kernel import Conman, ContainerOptions
from conman_kernel.cancel import Cancel
from conman_kernel.slots.attach import End, Output
from conman_kernel.testing.command import Command

from . import facts

TIMES = [pytest.param(20, id="short"), pytest.param(500, id="long", marks=pytest.mark.stress)]

SAYINGS = {
    "no newline at the end": b"one\ntwo",
    "only no newline": b"x",
    "blank lines": b"\n\none\n\n\ntwo\n\n",
    "only a newline": b"\n",
    "invalid UTF-8": b"\xff\xfe\x80 \xc3( \xed\xa0\x80\n\xf5",
    "every byte": bytes(range(256)),
    "carriage returns": b"a\rb\r\n\r",
    "what looks like a log": b"2026-01-01T00:00:00.000000000Z stdout F x\n",
    "10 MB in a line": b"0123456789abcdef" * 655_360 + b"\nnext\n",
}


# Output and exit in the same instant: a thousand times, half of them each way.


@pytest.mark.parametrize("times", TIMES)
def test_output_and_exit_in_the_same_instant_of_a_run(library: Conman, image: str, times: int) -> None:
    found = library.images.get(image)
    for number in range(times):
        done = library.containers.run(found, ["sh", "-c", f"echo {number}; echo no {number} >&2; exit {number % 256}"],
                                      options=ContainerOptions(remove=True), cancel=Cancel(facts.PATIENCE))
        assert (done.exit_code, done.stdout, done.stderr) == (number % 256, b"%d\n" % number, b"no %d\n" % number)


@pytest.mark.parametrize("times", TIMES)
def test_output_and_exit_in_the_same_instant_of_an_exec(library: Conman, conman: Command, image: str, gone: list[str],
                                                        times: int) -> None:
    gone.append("host")
    conman.ok("run", "-d", "--name", "host", image, "sleep", "1000")
    host = library.containers.get("host")
    for number in range(times):
        done = host.exec(["sh", "-c", f"echo {number}; echo no {number} >&2; exit {number % 256}"], cancel=Cancel(facts.PATIENCE))
        assert (done.exit_code, done.stdout, done.stderr) == (number % 256, b"%d\n" % number, b"no %d\n" % number)


@pytest.mark.parametrize("times", [pytest.param(8, id="short"), pytest.param(250, id="long", marks=pytest.mark.stress)])
def test_output_and_exit_in_the_same_instant_on_a_terminal(library: Conman, image: str, times: int) -> None:
    found = library.images.get(image)
    for number in range(times):
        done = library.containers.run(found, ["sh", "-c", f"seq {number} 999; printf end; exit 3"],
                                      options=ContainerOptions(remove=True, terminal=True), cancel=Cancel(facts.PATIENCE))
        said = "".join(f"{line}\r\n" for line in range(number, 1000)) + "end"
        assert (done.exit_code, done.stdout.decode()) == (3, said)


# What it looks like is nobody's business.


@pytest.mark.parametrize("saying", SAYINGS.values(), ids=SAYINGS.keys())
def test_every_byte_arrives_and_is_logged(conman: Command, image: str, gone: list[str], saying: bytes) -> None:
    gone.append("said")
    done = conman.raw("run", "-i", "--name", "said", image, "cat", stdin=saying)
    assert (done.returncode, done.stderr) == (0, b"") and done.stdout == saying
    logs = conman.raw("logs", "said")
    assert (logs.returncode, logs.stderr) == (0, b"") and logs.stdout == saying


def test_every_byte_arrives_on_both_streams_of_an_exec(conman: Command, library: Conman, image: str, gone: list[str]) -> None:
    gone.append("host")
    conman.ok("run", "-d", "--name", "host", image, "sleep", "1000")
    host = library.containers.get("host")
    for name, saying in SAYINGS.items():
        done = host.exec(["tee", "/dev/stderr"], stdin=saying, cancel=Cancel(facts.PATIENCE))
        assert done.exit_code == 0 and done.stdout == saying and done.stderr == saying, name


def test_two_streams_that_share_no_line(conman: Command, image: str, gone: list[str]) -> None:
    """Half a line on each in turn: in the log each stream's halves belong together."""
    gone.append("halves")
    conman.ok("run", "-d", "-i", "--name", "halves", image, "sh", "-c",
              "for n in 1 2 3; do printf o$n-; printf e$n- >&2; read x; echo o$n; echo e$n >&2; read x; done")
    # A line of input comes when the one before it was heard, so that the halves are records of their own.
    done = conman("attach", "halves", stdin=b"\n" * 6)
    assert done.returncode == 0
    logs = conman("logs", "halves")
    assert (logs.stdout, logs.stderr) == ("o1-o1\no2-o2\no3-o3\n", "e1-e1\ne2-e2\ne3-e3\n")


# The end of input.


@pytest.mark.parametrize("data, said", [(b"", ""), (b"x\n", "x\n"), (b"no newline", "no newline")])
def test_the_end_of_input_ends_the_process(conman: Command, image: str, data: bytes, said: str) -> None:
    done = conman("run", "--rm", "-i", image, "sh", "-c", "cat; exit 3", stdin=data)
    assert (done.returncode, done.stdout) == (3, said)


@pytest.mark.parametrize("data", [b"", b"x\n", b"no newline"])
def test_the_end_of_input_ends_the_process_on_a_terminal(conman: Command, image: str, data: bytes) -> None:
    done = conman("run", "--rm", "-it", image, "sh", "-c", "stty -echo; cat; exit 3", stdin=data)
    # What came before `stty` was at work is echoed.
    assert done.returncode == 3 and done.stdout.replace("\r\n", "\n").endswith(data.decode())


@pytest.mark.parametrize("terminal", [False, True], ids=["pipes", "terminal"])
def test_the_end_of_input_ends_an_exec(conman: Command, image: str, gone: list[str], terminal: bool) -> None:
    gone.append("host")
    conman.ok("run", "-d", "--name", "host", image, "sleep", "1000")
    done = conman("exec", "-it" if terminal else "-i", "host", "sh", "-c", "cat >/dev/null; exit 4", stdin=b"half")
    assert done.returncode == 4


def test_without_i_it_is_at_its_end_at_once(conman: Command, image: str) -> None:
    assert conman("run", "--rm", image, "sh", "-c", "cat; exit 5", stdin=b"unread\n").returncode == 5


# Joined before its start.


@pytest.mark.parametrize("log", ["cri", "none"])
def test_attached_before_its_start_nothing_is_lost(library: Conman, image: str, gone: list[str], log: str) -> None:
    gone.append("early")
    made = library.containers.create(image, ContainerOptions(name="early", log_driver=log, command=("seq", "1", "200000")))
    cancel = Cancel(facts.PATIENCE)
    with made.start_session(cancel=cancel) as session:
        said = bytearray()
        while not isinstance(item := session.receive(), End):
            if isinstance(item, Output):
                said += item.data
            else:
                cancel.wait_readable(session.fileno())
    assert bytes(said) == b"".join(b"%d\n" % n for n in range(1, 200_001))
    assert made.wait(cancel=cancel) == 0


def test_attached_before_its_start_by_the_command(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("early")
    conman.ok("create", "--name", "early", image, "sh", "-c", "seq 1 100000; seq 1 100000 >&2; exit 2")
    numbers = "".join(f"{n}\n" for n in range(1, 100_001))
    for _ in range(2):
        done = conman("start", "-a", "early")
        assert (done.returncode, done.stdout, done.stderr) == (2, numbers, numbers)
