"""The columns of top: which words name them, and how numbers are shown."""

from __future__ import annotations

import pytest

from conman_kernel.containers.top.columns import COLUMNS, DEFAULT, Names, chosen, duration
from conman_kernel.containers.top.reading import Process
from conman_kernel.errors import InvalidInput

PROCESS = Process(hpid=4711, pid=2, ppid=1, pgid=1, uids=(5, 6), gids=(7, 8), groups=(8, 9), comm="web", args=("web", "-v"),
                  state="S", nice=-5, cpu_ns=1_500_000_000, elapsed_ns=3_000_000_000, started=0.0, tty="", vsz=2048, rss=512,
                  capabilities=(0, 1, (1 << 38) - 1, 0b101, 0), seccomp=2, label="")
NAMES = Names({6: "six"}, {8: "eight"}, {6: "host-six"}, {})


def shown(name: str) -> str:
    return COLUMNS[name][2](PROCESS, NAMES)


@pytest.mark.parametrize("name, text", [
    ("user", "six"), ("ruser", "5"), ("group", "eight"), ("rgroup", "7"), ("groups", "eight,9"), ("huser", "host-six"),
    ("hgroups", "8,9"), ("pcpu", "50.000"), ("etime", "3s"), ("time", "1.5s"), ("tty", "?"), ("args", "web -v"), ("comm", "web"),
    ("hpid", "4711"), ("nice", "-5"), ("capinh", "none"), ("capprm", "CHOWN"), ("capeff", "full"), ("capbnd", "CHOWN,DAC_READ_SEARCH"),
    ("seccomp", "filter"), ("label", "?"), ("vsz", "2048")])
def test_columns(name: str, text: str) -> None:
    assert shown(name) == text


def test_words_name_columns() -> None:
    assert chosen(()) == DEFAULT
    assert chosen(("pid,args", "%C", "user")) == ("pid", "args", "pcpu", "user")
    for words in (("pid", "bogus"), ("-ef",), ("",), ("pid,",)):
        with pytest.raises(InvalidInput, match="unknown descriptor"):
            chosen(words)


@pytest.mark.parametrize("nanoseconds, text", [
    (0, "0s"), (7, "7ns"), (1_500, "1.5µs"), (20_000_000, "20ms"), (999_999_999, "999.999999ms"), (10**9, "1s"),
    (52_675_064_137, "52.675064137s"), (90 * 10**9, "1m30s"), (3_600 * 10**9, "1h0m0s"), (3_723_500_000_000, "1h2m3.5s")])
def test_durations_are_gos(nanoseconds: int, text: str) -> None:
    assert duration(nanoseconds) == text
