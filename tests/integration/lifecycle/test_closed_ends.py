"""Standard descriptors that are closed, open the wrong way round, or full: said in one line, and never silently lost."""

from __future__ import annotations

import subprocess

import pytest

from conman_kernel.testing.command import Command

CLOSED = "Error: write /dev/stdout: Bad file descriptor\n"
FULL = "Error: write /dev/stdout: No space left on device\n"
ENDS = [(">&-", CLOSED), ("1</dev/null", CLOSED), (">/dev/full", FULL)]


def redirected(conman: Command, end: str, *words: str) -> tuple[int, str]:
    """Run it with a redirection of the shell's; exit code and standard error."""
    done = subprocess.run(["sh", "-c", f'exec "$@" {end}', "sh", *conman.argv(*words)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60, env=conman.environ)
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.mark.parametrize(("end", "said"), ENDS)
def test_output_that_cannot_be_written_is_an_error(conman: Command, image: str, gone: list[str], end: str, said: str) -> None:
    gone.extend(("on", "done"))
    conman.ok("run", "-d", "--name", "on", image, "sleep", "1000")
    conman.ok("run", "--name", "done", image, "echo", "hi")
    for words in (("run", "--rm", image, "echo", "hi"), ("exec", "on", "echo", "hi"), ("start", "-a", "done"), ("logs", "done"),
                  ("ps",), ("--version",)):
        assert redirected(conman, end, *words) == (125, said), words
    conman.ok("wait", "done")
    assert set(conman.ok("ps", "-a", "--format", "{{.Names}}").split()) == {"on", "done"}


@pytest.mark.parametrize("end", [">&-", "1</dev/null", "<&-", "2>&-", "<&- >&- 2>&-"])
def test_what_is_not_used_may_be_closed(conman: Command, image: str, end: str) -> None:
    assert redirected(conman, end, "run", "--rm", image, "sh", "-c", "exit 3") == (3, "")


def test_closed_input_has_ended(conman: Command, image: str) -> None:
    done = subprocess.run(["sh", "-c", 'exec "$@" <&-', "sh", *conman.argv("run", "--rm", "-i", image, "sh", "-c", "cat; echo over")],
                          capture_output=True, text=True, timeout=60, env=conman.environ)
    assert (done.returncode, done.stdout, done.stderr) == (0, "over\n", "")


def test_a_stream_that_cannot_be_told_is_no_reason_to_lose_the_other(conman: Command, image: str) -> None:
    done = subprocess.run(["sh", "-c", 'exec "$@" 2>&-', "sh", *conman.argv("run", "--rm", image, "echo", "out")],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=60, env=conman.environ)
    assert (done.returncode, done.stdout) == (0, "out\n")
