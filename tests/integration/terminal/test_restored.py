"""The terminal is as it was, however the client ends."""

from __future__ import annotations

import os
import select
import signal
import termios

import pytest

from conman_kernel.testing.command import Command

DEADLY = ("HUP", "INT", "QUIT", "TRAP", "ABRT", "USR1", "USR2", "ALRM", "TERM", "STKFLT", "XCPU", "VTALRM", "PROF", "IO", "PWR",
          "SYS", "RTMIN", "RTMAX")


def test_after_every_signal_that_ends_the_client(conman: Command, host: str, watched) -> None:
    for number in (getattr(signal, f"SIG{name}") for name in DEADLY):
        terminal = watched("attach", host)
        terminal.here()
        os.kill(terminal.client, number)
        assert terminal.outcome() == 128 + number
    assert conman.ok("exec", host, "echo", "lives") == "lives\n"


@pytest.mark.parametrize("name", ["TERM", "QUIT"])
def test_after_a_run_that_is_killed(conman: Command, image: str, gone: list[str], watched, name: str) -> None:
    gone.append("left")
    number = getattr(signal, f"SIG{name}")
    terminal = watched("run", "-it", "--name", "left", image, "sh")
    terminal.here()
    os.kill(terminal.client, number)
    assert terminal.outcome() == 128 + number
    assert conman.ok("exec", "left", "echo", "lives") == "lives\n"


def test_what_python_ignores_ends_nothing(host: str, watched) -> None:
    terminal = watched("attach", host)
    terminal.here("one")
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        os.kill(terminal.client, number)
    terminal.here("two")
    terminal.type(b"\x10\x11")
    assert terminal.outcome() == 0


def test_after_the_end_of_the_container(image: str, watched) -> None:
    terminal = watched("run", "--rm", "-it", image, "sh")
    terminal.here()
    terminal.type(b"exit 7\r")
    assert terminal.outcome() == 7


def test_after_a_run_that_could_not_start(image: str, watched) -> None:
    terminal = watched("run", "--rm", "-it", image, "nosuch")
    assert terminal.outcome() == 127


def test_after_the_container_was_removed_from_elsewhere(conman: Command, host: str, watched) -> None:
    terminal = watched("attach", host)
    terminal.here()
    conman.ok("rm", "-f", "-t", "0", host)
    assert terminal.outcome() in (125, 137)


@pytest.mark.parametrize("arguments", [("-i",), ("-t",), ()], ids=" ".join)
def test_without_both_the_mode_is_not_touched(conman: Command, image: str, gone: list[str], watched, arguments: tuple[str, ...]) -> None:
    gone.append("plain")
    terminal = watched("run", *arguments, "--name", "plain", image, "sh", "-c", "echo up; while :; do sleep 1; done")
    terminal.expect(b"up")
    with open(f"/proc/{terminal.client}/fd/0", "rb") as stdin:
        local = termios.tcgetattr(stdin)[3]
    assert local & termios.ICANON and local & termios.ECHO and local & termios.ISIG
    conman.ok("rm", "-f", "-t", "0", "plain")
    assert terminal.outcome() in (125, 137)


def test_a_terminal_that_goes_away_ends_the_client_and_not_the_container(conman: Command, host: str, watched) -> None:
    terminal = watched("attach", host)
    terminal.here()
    client = os.pidfd_open(terminal.client)
    os.close(terminal.fd)
    assert select.select([client], [], [], 20)[0]
    os.close(client)
    os.waitpid(terminal.pid, 0)
    terminal.fd = -1
    assert conman.ok("exec", host, "echo", "lives") == "lives\n"


def test_it_ends_even_where_the_hangup_is_ignored(conman: Command, host: str, watched) -> None:
    terminal = watched("attach", host, wrap=("sh", "-c", "trap '' HUP; exec \"$@\"", "sh"))
    terminal.here()
    client = os.pidfd_open(terminal.client)
    os.close(terminal.fd)
    assert select.select([client], [], [], 20)[0]
    os.close(client)
    os.waitpid(terminal.pid, 0)
    terminal.fd = -1
    assert conman.ok("exec", host, "echo", "lives") == "lives\n"
