"""What surrounds the command: a service manager's environment, a shell that stops it."""

from __future__ import annotations

import signal
import subprocess

import pytest

from conman_kernel.processes import environment


def test_a_notify_socket_stays_with_the_caller(cli: object, box: str) -> None:
    cli.ok("pull", "-q", box)  # type: ignore[attr-defined]
    out = cli.ok("run", "--rm", box, "env", NOTIFY_SOCKET="/run/conman-test-notify", LISTEN_FDS="1")  # type: ignore[attr-defined]
    assert "NOTIFY_SOCKET" not in out and "LISTEN_FDS" not in out
    # runc would wait here until the container says that it is ready.
    id = cli.ok("run", "-d", "-t", box, "sleep", "1000", NOTIFY_SOCKET="/n").strip()  # type: ignore[attr-defined]
    cli.ok("rm", "-f", "-t", "0", id)  # type: ignore[attr-defined]


def test_everything_else_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "x")
    monkeypatch.setenv("WATCHDOG_USEC", "1")
    assert environment()["HTTPS_PROXY"] == "x" and "WATCHDOG_USEC" not in environment()


def test_one_whose_foreground_run_is_stopped_can_be_waited_for_and_removed(cli: object, box: str) -> None:
    cli.ok("pull", "-q", box)  # type: ignore[attr-defined]
    argv = cli.argv("run", "--name", "fore", box, "sh", "-c", "echo here; exec sleep 1000")  # type: ignore[attr-defined]
    with subprocess.Popen(argv, env=cli.environ, stdout=subprocess.PIPE, text=True) as run:  # type: ignore[attr-defined]
        assert run.stdout is not None
        assert run.stdout.readline() == "here\n"
        run.send_signal(signal.SIGSTOP)
        try:
            cli.ok("kill", "fore")  # type: ignore[attr-defined]
            assert cli("wait", "fore", timeout=30).stdout == "137\n"  # type: ignore[attr-defined]
            assert cli("rm", "-f", "fore", timeout=30).returncode == 0  # type: ignore[attr-defined]
        finally:
            run.send_signal(signal.SIGCONT)
        assert run.wait(30) == 137
