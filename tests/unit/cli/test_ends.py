"""How a command ends when the person or the reader of its output ends it: quietly, with the documented code."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.cli.signals import CAUGHT, Cancelling
from conman_kernel.errors import Cancelled

from .conftest import CODE


@pytest.mark.parametrize("words", [["--version"], ["ps"], ["--help"], ["config", "show"]])
def test_nobody_reads(store: tuple[str, ...], words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    argv = words if words == ["--version"] else [*store, *words]
    done = subprocess.run([sys.executable, "-c", CODE, *argv], stdout=writer, stderr=subprocess.PIPE, timeout=60)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_stops_a_pull(store: tuple[str, ...], number: int, code: int) -> None:
    """The registry accepts the connection and says nothing: only the signal can end this."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        name = f"127.0.0.1:{silent.getsockname()[1]}/box:latest"
        pull = subprocess.Popen([sys.executable, "-c", CODE, *store, "pull", name], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True)
        silent.settimeout(30)
        connection, _ = silent.accept()
        with connection:
            pull.send_signal(number)
            out, err = pull.communicate(timeout=30)
    assert pull.returncode == code, err
    assert out == "" and "Traceback" not in err and "Error" not in err


@pytest.mark.parametrize("number", CAUGHT)
def test_a_signal_fires_the_token_and_handlers_are_put_back(number: int) -> None:
    before = signal.getsignal(number)
    cancel = Cancel()
    with Cancelling(cancel) as caught:
        os.kill(os.getpid(), number)
        with pytest.raises(Cancelled, match=signal.Signals(number).name):
            cancel.wait_readable(timeout=10)
        assert caught.number == number
    assert signal.getsignal(number) == before
    cancel.close()


def test_what_was_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Cancelling(Cancel()):
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("words", [["run", "--nam", "x"], ["run", "--pull", "never", "nope"], ["start", "nope"], ["exec", "nope", "x"],
                                   ["run", "--rm", "--help"]])
def test_an_early_shim_that_is_not_wanted_is_gone(store: tuple[str, ...], words: list[str]) -> None:
    """The shim is launched before anything is known; its pipe to us closes when the last of its processes is gone."""
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    done = subprocess.run([sys.executable, "-c", CODE, *store, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60,
                          close_fds=False)
    os.close(writer)
    assert done.returncode in (0, 125)
    assert select.select([reader], [], [], 10) == ([reader], [], []) and os.read(reader, 1) == b""
    os.close(reader)
