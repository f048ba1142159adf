"""The progress of a pull, on a real terminal of known size and elsewhere."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios
from typing import Callable, Iterator

import pytest

from conman_kernel.cli import out
from conman_kernel.cli.progress import BarProgress, PlainProgress, _line
from conman_kernel.images.records import Progress

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


class Screen:
    """A terminal that understands what the display sends: text, newline, cursor up, erase below."""

    def __init__(self) -> None:
        self.lines: list[str] = [""]
        self.row = 0

    def feed(self, text: str) -> None:
        while text:
            if text.startswith("\x1b["):
                end = next(i for i, c in enumerate(text) if c.isalpha())
                argument, command, text = text[2:end], text[end], text[end + 1:]
                if command == "A":
                    self.row -= int(argument)
                elif command == "J":
                    del self.lines[self.row:]
                    self.lines.append("")
                continue
            character, text = text[0], text[1:]
            if character == "\n":
                self.row += 1
                if self.row == len(self.lines):
                    self.lines.append("")
            elif character != "\r":
                self.lines[self.row] += character

    @property
    def text(self) -> list[str]:
        return [line for line in self.lines if line]


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    made = Screen()
    monkeypatch.setattr(out, "error_text", made.feed)
    return made


@pytest.fixture
def terminal() -> Iterator[Callable[[int, int], int]]:
    leader, follower = pty.openpty()

    def sized(columns: int, rows: int) -> int:
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        return follower

    yield sized
    os.close(leader)
    os.close(follower)


def test_bars_are_redrawn_in_place(screen: Screen, terminal: Callable[[int, int], int]) -> None:
    show = BarProgress(terminal(100, 24))
    show(Progress("resolving", ""))
    show(Progress("downloading", A, 0, 10_000_000))
    show(Progress("downloading", B, 0, 2_000))
    show(Progress("downloaded", A, 10_000_000, 10_000_000))
    assert len(screen.text) == 2
    show(Progress("unpacking", A, 5_000_000, 10_000_000))
    assert screen.text[0].startswith("Unpacking layer aaaaaaaaaaaa") and "5 MB / 10 MB" in screen.text[0]
    show(Progress("unpacked", A, 10_000_000, 10_000_000))
    show(Progress("exists", B))
    show(Progress("done", "f" * 64))
    show.close()
    assert screen.text == ["Copying blob aaaaaaaaaaaa done | 10 MB", "Copying blob bbbbbbbbbbbb skipped: already exists"]


def test_never_wider_or_higher_than_the_terminal(screen: Screen, terminal: Callable[[int, int], int]) -> None:
    show = BarProgress(terminal(45, 5))
    for number in range(12):
        show(Progress("downloading", f"sha256:{number:064d}", 1_000_000, 123_000_000))
    assert len(screen.text) <= 4
    assert all(len(line) < 45 for line in screen.text)
    show.close()


@pytest.mark.parametrize("columns", [1, 10, 49, 50, 60, 80, 200])
@pytest.mark.parametrize("current", [0, 1, 500, 1000])
def test_a_line_fits(columns: int, current: int) -> None:
    for kind in ("downloading", "unpacking", "downloaded", "unpacked", "exists"):
        for total in (1000, -1, 0):
            line = _line(Progress(kind, A, current, total), columns)
            assert 1 <= len(line) <= max(1, columns - 1)
            assert line.count("[") == line.count("]") or columns < 60


def test_a_full_bar_is_full() -> None:
    line = _line(Progress("downloading", A, 1000, 1000), 100)
    bar = line[line.index("[") + 1:line.index("]")]
    assert set(bar) == {"="} and "1 kB / 1 kB" in line


def test_plain_lines(screen: Screen) -> None:
    show = PlainProgress()
    for event in (Progress("resolving", ""), Progress("downloading", A, 0, 9), Progress("downloading", A, 5, 9),
                  Progress("downloaded", A, 9, 9), Progress("exists", B), Progress("unpacked", A), Progress("done", "f" * 64)):
        show(event)
    show.close()
    assert screen.text == [f"Copying blob {A}", f"Copying blob {B} skipped: already exists"]
