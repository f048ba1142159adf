"""Pinned namespaces, made by the host's tools or, where these are missing, by our own program."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import Cancelled, Unavailable
from conman_kernel.networks import namespaces
from conman_kernel.networks.namespaces import Pinning, is_pinned, unpin


@pytest.fixture(params=["tools", "program"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "program":
        monkeypatch.setattr(namespaces, "_tools", lambda path: [])
    else:
        assert namespaces._tools("/x"), "setpriv, unshare and ip are on every test host"
    return str(request.param)


def test_pinned_with_its_loopback_up(way: str, scratch: Path) -> None:
    path = str(scratch / "net")
    Pinning(path).wait(Cancel(30.0))
    assert is_pinned(path)
    links = subprocess.run(["nsenter", f"--net={path}", "ip", "-br", "link"], capture_output=True, text=True, check=True).stdout
    assert links.split()[0] == "lo" and "UP" in links and len(links.splitlines()) == 1
    assert os.stat(path).st_ino != os.stat("/proc/self/ns/net").st_ino
    unpin(path)
    assert not os.path.exists(path)
    unpin(path)


def test_what_cannot_be_made_is_one_line(way: str, scratch: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        Pinning(str(scratch / "no/folder")).wait(Cancel(30.0))
    assert "\n" not in str(caught.value)


def test_cancelled(way: str, scratch: Path) -> None:
    cancel = Cancel()
    cancel.cancel()
    with pytest.raises(Cancelled):
        Pinning(str(scratch / "net")).wait(cancel)
    unpin(str(scratch / "net"))
