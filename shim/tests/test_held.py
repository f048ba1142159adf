"""Descriptors that the kernel gives before the configuration are held: PROTOCOL.md, the message ``hold``."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest


def test_a_socket_is_held_until_the_end_and_handed_to_nobody(rig) -> None:
    plug = socket.socket()
    plug.bind(("127.0.0.1", 0))
    place = plug.getsockname()
    spare = os.open("/dev/null", os.O_RDONLY)
    socket.send_fds(rig.control, [b"hold\0"], [plug.fileno(), spare])
    plug.close()
    os.close(spare)
    pid = rig.start(rig.runtime("sleep", "100"))
    with pytest.raises(OSError, match="in use"):
        socket.create_server(place)
    inside = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
    assert not any(target.startswith("socket:") for target in inside), inside
    os.kill(pid, 9)
    rig.exited()
    socket.create_server(place).close()  # whoever hears of the end may have the port


def test_a_create_that_fails_lets_go(rig) -> None:
    plug = socket.socket()
    plug.bind(("127.0.0.1", 0))
    place = plug.getsockname()
    socket.send_fds(rig.control, [b"hold\0"], [plug.fileno()])
    plug.close()
    rig.configure(rig.runtime("true", options=("--fail", "3", "no")))
    assert rig.heard()[0] == "error"
    rig.say("done")
    rig.gone()
    socket.create_server(place).close()


def test_no_message_at_all_but_the_end_lets_go(rig) -> None:
    plug = socket.socket()
    plug.bind(("127.0.0.1", 0))
    place = plug.getsockname()
    socket.send_fds(rig.control, [b"hold\0"], [plug.fileno()])
    plug.close()
    rig.control.close()
    rig.gone()
    socket.create_server(place).close()
