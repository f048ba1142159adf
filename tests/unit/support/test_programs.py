"""Programs of the host: what they are given, what comes back, and that they end."""

from __future__ import annotations

import fcntl
import os
import select
from pathlib import Path

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import Cancelled, DeadlineExceeded, Unavailable
from conman_kernel.support.programs import Ended, Running, find, run, search_path

SH = "/bin/sh"


def sh(script: str, data: bytes = b"", *, seconds: float = 20, **more: str) -> Ended:
    return run([SH, "-c", script], {"PATH": "/usr/bin:/bin", **more}, Cancel(seconds), data)


def test_both_outputs_and_the_exit_code() -> None:
    assert sh("cat; echo wrong >&2; exit 7", b"given") == Ended(7, b"given", b"wrong\n")


def test_the_environment_is_what_was_given() -> None:
    assert sh("echo $ONE-$HOME", ONE="1").output == b"1-\n"


def test_much_input_and_much_output() -> None:
    data = os.urandom(1 << 20) * 6
    ended = sh("cat; cat /dev/zero | head -c 9000000 >&2", data)
    assert ended.code == 0 and data.startswith(ended.output) and len(ended.output) >= 4 << 20 <= len(ended.errors)


def test_a_signal_is_128_and_more() -> None:
    assert sh("kill -TERM $$").code == 143


def test_what_cannot_be_run_is_said(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    before = len(os.listdir("/proc/self/fd"))
    for path in (tmp_path / "never", tmp_path / "plain", tmp_path):
        with pytest.raises(Unavailable, match=f"cannot run {path}"):
            run([str(path)], {}, Cancel(5))
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("fired", [Cancelled, DeadlineExceeded])
def test_it_is_killed_with_what_it_started(tmp_path: Path, fired: type[Exception]) -> None:
    cancel = Cancel(0.3 if fired is DeadlineExceeded else None)
    os.mkfifo(tmp_path / "pid")
    running = Running([SH, "-c", f"sleep 98 & echo $! > {tmp_path}/pid; wait"], {"PATH": "/usr/bin:/bin"})
    inner = os.pidfd_open(int((tmp_path / "pid").read_text()))
    if fired is Cancelled:
        cancel.cancel()
    with pytest.raises(fired):
        running.wait(cancel)
    assert select.select([inner], [], [], 10)[0]
    os.close(inner)


def test_a_token_that_has_fired_starts_nothing(tmp_path: Path) -> None:
    cancel = Cancel()
    cancel.cancel()
    with pytest.raises(Cancelled):
        run([SH, "-c", f"touch {tmp_path}/started"], {"PATH": "/usr/bin:/bin"}, cancel)
    assert os.listdir(tmp_path) == []


def test_what_it_holds_is_held_as_long_as_it_lives(tmp_path: Path) -> None:
    lock = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
    fcntl.flock(lock, fcntl.LOCK_EX)
    running = Running([SH, "-c", "read word"], {}, hold=lock)
    os.close(lock)  # as if this process had been killed
    other = os.open(tmp_path / "lock", os.O_RDWR | os.O_CLOEXEC)
    assert running.wait(Cancel(20)).code == 1  # its input is at its end
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    held = Running([SH, "-c", "exec sleep 97"], {"PATH": "/usr/bin:/bin"}, hold=other)
    os.close(other)
    third = os.open(tmp_path / "lock", os.O_RDWR | os.O_CLOEXEC)
    with pytest.raises(BlockingIOError):
        fcntl.flock(third, fcntl.LOCK_EX | fcntl.LOCK_NB)
    held.kill()
    fcntl.flock(third, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(third)


def test_where_programs_are_looked_for(tmp_path: Path) -> None:
    assert search_path({}) == "/usr/sbin:/sbin:/usr/bin:/bin"
    assert search_path({"PATH": "/opt/x:/bin"}) == "/opt/x:/bin:/usr/sbin:/sbin:/usr/bin"
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "tool").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "tool").write_text("")
    folders = (str(tmp_path / "one"), str(tmp_path / "never"), str(tmp_path / "two"))
    assert find("tool", folders) == ""
    (tmp_path / "two" / "tool").chmod(0o755)
    assert find("tool", folders) == f"{tmp_path}/two/tool"
