"""What a service manager tells conman's own process is not meant for containers."""

from __future__ import annotations

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
