"""The plugin, as the kernel meets it. What it does is the kernel's ``support.joined``, tested there."""

from __future__ import annotations

import os
import termios
import threading
from pathlib import Path
from typing import Mapping

from conman_kernel.cancel import Cancel
from conman_kernel.log import StderrLog
from conman_kernel.slots.attach import API, AttachRequest, Outcome
from conman_kernel.slots.provider import PluginContext
from conman_kernel.testing.memory_session import MemorySession
from conman_pty_attach import conman_attach


def opened():
    options: Mapping[str, object] = {}
    context = PluginContext(name="pty-attach", options=options, state_dir="/nowhere", run_dir="/nowhere", log=StderrLog("error"))
    return conman_attach().open(context)


def request(session: MemorySession, *fds: int) -> AttachRequest:
    stdin, stdout, stderr = fds
    return AttachRequest(session=session, stdin=stdin, stdout=stdout, stderr=stderr, detach_keys=b"\x10\x11", forward_signals=True,
                         cancel=Cancel(30))


def test_it_declares_itself() -> None:
    assert (conman_attach().api, conman_attach().options) == (API, ())
    assert opened().direct is True


def test_pipes(tmp_path: Path) -> None:
    with MemorySession() as session, open(tmp_path / "out", "wb") as out, open("/dev/null", "rb") as nothing:
        session.say(b"hello")
        session.exit()
        assert opened().run(request(session, nothing.fileno(), out.fileno(), -1)).outcome is Outcome.EXITED
    assert (tmp_path / "out").read_bytes() == b"hello"


def test_a_terminal() -> None:
    person, program = os.openpty()
    before = termios.tcgetattr(program)
    with MemorySession(terminal=True) as session:
        session.say(b"prompt ")
        keys = threading.Thread(target=lambda: (os.read(person, 7), os.write(person, b"ls\r\x10\x11")))
        keys.start()
        assert opened().run(request(session, program, program, program)).outcome is Outcome.DETACHED
        keys.join()
        assert bytes(session.fed) == b"ls\r"
    assert termios.tcgetattr(program) == before
    os.close(person)
    os.close(program)
