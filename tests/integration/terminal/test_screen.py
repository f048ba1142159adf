"""What a person sees and types: sizes, control keys, echoes, several terminals."""

from __future__ import annotations

import select

import pytest

from conman_kernel.testing.command import Command, Terminal

ASLEEP = b"sh -c 'echo as\"\"leep; exec sleep 1000'\r"
"""Typed at a shell: it has said so once the terminal's signals reach it."""


def sized(terminal: Terminal, rows: int, columns: int) -> None:
    """Have the container's shell wait for a size."""
    terminal.type(f"while [ \"$(stty size)\" != '{rows} {columns}' ]; do sleep 0.02; done; echo now''{rows}\r".encode())
    terminal.expect(f"now{rows}\r\n".encode())


def test_the_size_before_during_and_after_the_start(conman: Command, image: str) -> None:
    terminal = conman.on_terminal("run", "--rm", "-it", image, "sh", "-c", "stty size; exec sh", rows=33, columns=99)
    terminal.expect(b"33 99\r\n")
    terminal.resize(40, 120)
    sized(terminal, 40, 120)
    for rows in range(20, 30):  # many at once: the last one holds
        terminal.resize(rows, 70)
    sized(terminal, 29, 70)
    terminal.type(b"exit 3\r")
    assert terminal.wait() == 3


def test_the_size_changed_while_it_starts(conman: Command, image: str) -> None:
    terminal = conman.on_terminal("run", "--rm", "-it", image, "sh", rows=24, columns=80)
    for rows in range(30, 50):
        terminal.resize(rows, 100)
        select.select([terminal.fd], [], [], 0.01)
    terminal.expect(b"# ")
    sized(terminal, 49, 100)
    terminal.type(b"exit\r")
    assert terminal.wait() == 0


def test_attach_and_start_bring_their_size(conman: Command, host: str) -> None:
    terminal = conman.on_terminal("attach", host, rows=37, columns=91)
    sized(terminal, 37, 91)
    terminal.type(b"exit\r")
    assert terminal.wait() == 0
    again = conman.on_terminal("start", "-ai", host, rows=38, columns=92)
    again.expect(b"# ")
    again.type(b"stty size; exit 6\r")
    again.expect(b"38 92\r\n")
    assert again.wait() == 6


def test_control_keys_are_the_containers(conman: Command, host: str) -> None:
    terminal = conman.on_terminal("attach", host)
    terminal.type(ASLEEP)
    terminal.expect(b"asleep\r\n")
    terminal.type(b"\x03")
    terminal.expect(b"# ")
    terminal.type(ASLEEP)
    terminal.expect(b"asleep\r\n")
    terminal.type(b"\x1a")
    terminal.expect(b"Stopped")
    terminal.expect(b"# ")
    terminal.type(b"fg\r")
    terminal.expect(b"exec sleep 1000")
    terminal.type(b"\x03")
    terminal.expect(b"# ")
    terminal.type(b"echo a''gain; cat\r")
    terminal.expect(b"again\r\n")
    terminal.type(b"line\r")
    terminal.expect(b"line\r\nline\r\n")
    terminal.type(b"\x04")  # ends cat
    terminal.expect(b"# ")
    terminal.type(b"echo th''ere\r")
    terminal.expect(b"there\r\n")
    terminal.type(b"\x04")  # ends the shell
    assert terminal.wait() == 0


def test_ctrl_backslash_too(conman: Command, image: str) -> None:
    terminal = conman.on_terminal("run", "--rm", "-it", image, "sh")
    terminal.expect(b"# ")
    terminal.type(b"sh -c 'trap \"echo qu\"\"it; exit\" QUIT; echo re\"\"ady; while :; do sleep 0.02; done'\r")
    terminal.expect(b"ready\r\n")
    terminal.type(b"\x1c")
    terminal.expect(b"quit\r\n")
    terminal.type(b"exit 5\r")
    assert terminal.wait() == 5


def test_each_key_is_echoed_at_once(conman: Command, host: str) -> None:
    terminal = conman.on_terminal("attach", host)
    terminal.type(b"\r")
    terminal.expect(b"# ")
    for key in b"echo keys":
        terminal.type(bytes((key,)))
        terminal.expect(bytes((key,)))
    terminal.type(b"\r")
    terminal.expect(b"keys\r\n")
    terminal.type(b"exit\r")
    terminal.wait()


def test_every_byte_can_be_typed(conman: Command, host: str) -> None:
    terminal = conman.on_terminal("attach", "--detach-keys", "", host)
    terminal.type(b"stty raw -echo; echo re''ady; dd bs=1 count=256 2>/dev/null | od -An -v -tx1 | tr -d ' \\n'; stty sane\r")
    terminal.expect(b"ready")
    terminal.type(bytes(range(256)))
    terminal.expect(bytes(range(256)).hex().encode())
    terminal.type(b"exit\r")
    terminal.wait()


def test_two_terminals_on_one_container(conman: Command, host: str) -> None:
    one = conman.on_terminal("attach", host)
    one.type(b"echo o''ne\r")
    one.expect(b"one\r\n")
    two = conman.on_terminal("attach", host)
    two.type(b"echo t''wo\r")
    for terminal in (one, two):
        terminal.expect(b"two\r\n")
    one.type(b"echo fr''om one\r")
    for terminal in (one, two):
        terminal.expect(b"from one\r\n")
    one.type(b"\x10\x11")
    assert one.wait() == 0
    two.type(b"exit 4\r")
    assert two.wait() == 4


def test_exec_on_a_terminal_beside_attach(conman: Command, host: str) -> None:
    inside = conman.on_terminal("exec", "-it", host, "sh", rows=22, columns=66)
    inside.type(b"stty size\r")
    inside.expect(b"22 66\r\n")
    inside.type(ASLEEP)
    inside.expect(b"asleep\r\n")
    inside.resize(23, 67)
    inside.type(b"\x03")
    sized(inside, 23, 67)
    attached = conman.on_terminal("attach", host)
    attached.type(b"echo a''part\r")
    attached.expect(b"apart\r\n")
    inside.type(b"exit 11\r")
    assert inside.wait() == 11
    assert b"apart" not in inside.seen
    attached.type(b"\x10\x11")
    assert attached.wait() == 0


@pytest.mark.parametrize("verb", ["run", "exec"])
def test_a_terminal_that_standard_input_is_not(conman: Command, image: str, host: str, verb: str) -> None:
    arguments = ("run", "--rm", "-it", image, "cat") if verb == "run" else ("exec", "-it", host, "cat")
    done = conman(*arguments, stdin=b"line\n")
    assert (done.returncode, done.stdout) == (0, "line\r\nline\r\n")
    assert "The input device is not a TTY" in done.stderr.replace("the input", "The input")


def test_output_in_a_file_while_the_keys_are_a_terminals(conman: Command, image: str, watched, tmp_path) -> None:
    out = tmp_path / "out"
    terminal = watched("run", "--rm", "-it", image, "sh", wrap=("sh", "-c", f"exec \"$@\" > {out}", "sh"))
    terminal.type(b"echo in''side\rexit 2\r")
    assert terminal.outcome() == 2
    assert b"inside\r\n" in out.read_bytes()
    assert b"inside" not in terminal.seen
