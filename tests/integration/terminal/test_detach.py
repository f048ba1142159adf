"""The detach keys."""

from __future__ import annotations

import pytest

from conman_kernel.testing.command import Command


@pytest.mark.parametrize("keys, typed", [
    ((), b"\x10\x11"),
    (("--detach-keys", "ctrl-a,d"), b"\x01d"),
    (("--detach-keys", "a,a,b"), b"aaab"),          # the first a is not the sequence's
    (("--detach-keys", "~,."), b"~~."),
    (("--detach-keys", "ctrl-@"), b"\x00"),
    (("--detach-keys", "ctrl-\\,ctrl-]"), b"\x1c\x1d"),
], ids=str)
def test_they_leave_it_running(conman: Command, host: str, watched, keys: tuple[str, ...], typed: bytes) -> None:
    terminal = watched("attach", *keys, host)
    terminal.here()
    terminal.expect(b"# ")
    for at in range(len(typed)):
        terminal.type(typed[at:at + 1])
    assert terminal.outcome() == 0
    assert b"\r\ncode=0\r\n" in terminal.seen, "the shell goes on at the beginning of a line"
    assert conman.ok("exec", host, "echo", "lives") == "lives\n"


def test_what_only_begins_like_them_comes_through(host: str, watched) -> None:
    terminal = watched("attach", "--detach-keys", "e,x", host)
    terminal.here()  # it types echo
    terminal.type(b"stty raw -echo; echo re''ady; dd bs=1 count=3 2>/dev/null | od -An -tx1; stty sane\r")
    terminal.expect(b"ready")
    terminal.type(b"ee")
    terminal.type(b".")  # one e came at once, the other with this
    terminal.expect(b"65 65 2e")
    terminal.expect(b"# ")
    terminal.type(b"ex")
    assert terminal.outcome() == 0


def test_ctrl_p_alone_comes_through_with_the_next_key(host: str, watched) -> None:
    terminal = watched("attach", host)
    terminal.here()
    terminal.type(b"stty raw -echo; echo re''ady; dd bs=1 count=3 2>/dev/null | od -An -tx1; stty sane\r")
    terminal.expect(b"ready")
    terminal.type(b"\x10")
    terminal.type(b"\x10")
    terminal.type(b"x")
    terminal.expect(b"10 10 78")
    terminal.type(b"\x10\x11")
    assert terminal.outcome() == 0


def test_disabled_they_are_keys_like_others(conman: Command, host: str, watched) -> None:
    terminal = watched("attach", "--detach-keys", "", host)
    terminal.here()
    terminal.type(b"stty raw -echo; echo re''ady; dd bs=1 count=2 2>/dev/null | od -An -tx1; stty sane\r")
    terminal.expect(b"ready")
    terminal.type(b"\x10\x11")
    terminal.expect(b"10 11")
    conman.ok("rm", "-f", "-t", "0", host)
    terminal.outcome()


def test_the_configurations(host: str, watched, monkeypatch: pytest.MonkeyPatch, conman: Command) -> None:
    monkeypatch.setitem(conman.environ, "CONMAN_CONTAINERS_DETACH_KEYS", "ctrl-x,q")
    terminal = watched("attach", host)
    terminal.here()
    terminal.type(b"\x18q")
    assert terminal.outcome() == 0


def test_from_run_and_from_start(conman: Command, image: str, gone: list[str], watched) -> None:
    gone.append("box")
    terminal = watched("run", "-it", "--name", "box", image, "sh")
    terminal.here()
    terminal.type(b"\x10\x11")
    assert terminal.outcome() == 0
    conman.ok("stop", "-t", "0", "box")
    terminal = watched("start", "-ai", "--detach-keys", "ctrl-x", "box")
    terminal.here()
    terminal.type(b"\x18")
    assert terminal.outcome() == 0
    assert conman.ok("exec", "box", "echo", "lives") == "lives\n"


def test_from_exec(conman: Command, host: str, watched) -> None:
    terminal = watched("exec", "-it", host, "sh")
    terminal.here()
    terminal.type(b"echo $$ > /tmp/pid\r")
    terminal.expect(b"# ")
    terminal.type(b"\x10\x11")
    assert terminal.outcome() == 0
    assert conman.ok("exec", host, "sh", "-c", "kill -0 $(cat /tmp/pid) && echo lives") == "lives\n"


@pytest.mark.parametrize("keys, wrong", [
    ("ab", "ab"), ("a,,b", ""), (",", ""), ("ctrl-p,", ""), ("ctrl-", "ctrl-"), ("ctrl-1", "ctrl-1"), ("ctrl-P", "ctrl-P"),
    ("Ctrl-p", "Ctrl-p"), ("ctrl-pp", "ctrl-pp"), (" a", " a"), ("é", "é"), ("ctrl-~", "ctrl-~")])
def test_what_is_no_key(conman: Command, image: str, keys: str, wrong: str) -> None:
    done = conman("run", "--rm", "-it", "--detach-keys", keys, image, "true")
    assert done.returncode == 125
    assert done.stderr.startswith(f"Error: invalid detach keys: Unknown character: '{wrong}'\n")
