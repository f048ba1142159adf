"""record-attach: what is in the file is what was on the screen."""

from __future__ import annotations

import json
import os
import signal
import stat
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.testing.command import Command, Terminal


@pytest.fixture
def recordings(conman: Command) -> Iterator[Path]:
    """The folder of recordings; what a test leaves there is removed."""
    folder = Path(conman.root, "plugins", "record-attach", "recordings")
    yield folder
    for path in folder.glob("*"):
        path.unlink()
    for empty in (folder, folder.parent):
        if empty.is_dir():
            empty.rmdir()


def load(folder: Path) -> tuple[dict[str, object], list[tuple[float, str, str]]]:
    (path,) = folder.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(folder.stat().st_mode) == 0o700
    header, *events = map(json.loads, path.read_text().splitlines())
    assert [at for at, _, _ in events] == sorted(at for at, _, _ in events)
    return header, [tuple(event) for event in events]


def screen(terminal: Terminal, *typed: tuple[bytes, bytes]) -> bytes:
    """Type, read until something is shown; everything that was shown."""
    shown = b""
    for keys, wanted in typed:
        terminal.type(keys)
        shown += terminal.expect(wanted)
    return shown


def test_a_session_on_a_terminal(conman: Command, image: str, recordings: Path) -> None:
    terminal = conman.on_terminal("--attach-plugin", "record-attach", "run", "--rm", "-it", "--name", "filmed", image, "sh",
                                  rows=31, columns=97)
    shown = screen(terminal, (b"", b"# "), (b"echo \xe2\x98\x83 sn''ow\r", "\N{SNOWMAN} snow\r\n".encode()))
    terminal.resize(40, 120)
    shown += screen(terminal, (b"while [ \"$(stty size)\" != '40 120' ]; do sleep 0.02; done; echo re''sized\r", b"resized\r\n"),
                    (b"exit 3\r", b"conman: warning: "))
    assert terminal.wait() == 3
    (path,) = recordings.iterdir()
    assert terminal.seen == f"this session was recorded in {path}\r\n".encode()
    header, events = load(recordings)
    assert (header["version"], header["width"], header["height"], header["title"], header["command"]) == (2, 97, 31, "filmed", "sh")
    assert "".join(data for _, code, data in events if code == "o").encode() == shown.removesuffix(b"conman: warning: ")
    assert [data for _, code, data in events if code == "r"] == ["120x40"]
    assert {code for _, code, _ in events} == {"o", "r"}, "keys are not recorded unless that is wanted"


def test_one_default_another_for_a_call(conman: Command, host: str, recordings: Path) -> None:
    """CONMAN_ATTACH_NAME is the default, --attach-plugin is nearer; on attach and exec."""
    conman.ok("exec", host, "echo", "seen", CONMAN_ATTACH_NAME="record-attach")
    header, events = load(recordings)
    assert header["command"] == "echo seen"
    assert [event[1:] for event in events] == [("o", "seen\r\n")]
    conman.ok("exec", "--attach-plugin", "pty-attach", host, "echo", "unseen", CONMAN_ATTACH_NAME="record-attach")
    load(recordings)
    terminal = Terminal(conman.argv("attach", "--attach-plugin=record-attach", host), conman.environ, 24, 80)
    screen(terminal, (b"echo h''ere\r", b"here\r\n"), (b"\x10\x11", b"recorded in"))
    assert terminal.wait() == 0
    assert len(list(recordings.iterdir())) == 2


def test_without_a_terminal_nothing_is_mixed_in(conman: Command, image: str, recordings: Path) -> None:
    done = conman("--attach-plugin", "record-attach", "run", "--rm", "-i", image, "sh", "-c", "cat; echo err >&2; exit 4", stdin=b"in\n")
    assert (done.returncode, done.stdout, done.stderr) == (4, "in\n", "err\n")
    header, events = load(recordings)
    assert (header["width"], header["height"]) == (80, 24)
    assert sorted(data for _, _, data in events) == ["err\r\n", "in\r\n"]


def test_killed_it_leaves_a_readable_file(conman: Command, host: str, recordings: Path, watched) -> None:
    terminal = watched("--attach-plugin", "record-attach", "attach", host)
    terminal.here()
    os.kill(terminal.client, signal.SIGKILL)
    terminal.wait()
    assert "here\r\n" in "".join(data for _, code, data in load(recordings)[1] if code == "o")


def test_a_plugin_that_is_not_there(conman: Command, image: str) -> None:
    done = conman("--attach-plugin", "recrod-attach", "run", "--rm", image, "true")
    assert done.returncode == 125
    assert "no plugin recrod-attach" in done.stderr and "did you mean record-attach?" in done.stderr
