"""Sessions from Python: bytes, files and descriptors, half-close, sizes, and what is said of how they ended."""

from __future__ import annotations

import hashlib
import io
import os
import threading
from typing import Iterator

import pytest

from conman_kernel import Cancel, Conman, Container, ContainerOptions
from conman_kernel.errors import Cancelled, DeadlineExceeded, InvalidInput, InvalidState
from conman_kernel.slots.attach import End, Outcome, Output

from .conftest import Store

pytestmark = [pytest.mark.integration,
              pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts, namespaces and cgroups")]

PATIENCE = 60.0
MEGABYTES = 24


@pytest.fixture(scope="module")
def c(store: Store) -> Iterator[Conman]:
    with store.open() as conman:
        yield conman


@pytest.fixture
def made(c: Conman, store: Store) -> Iterator[list[Container]]:
    """Containers put in here are removed at the end."""
    found: list[Container] = []
    yield found
    for container in found:
        container.remove(force=True, timeout=0)


def create(c: Conman, store: Store, made: list[Container], *command: str, stdin_open: bool = False,
           terminal: bool = False) -> Container:
    container = c.containers.create(store.image, ContainerOptions(command=command, stdin_open=stdin_open, terminal=terminal,
                                                                  stop_timeout=0))
    made.append(container)
    return container


def test_attach_with_bytes(c, store, made):
    cat = create(c, store, made, "sh", "-c", "cat; echo done >&2; exit 4", stdin_open=True)
    cat.start()
    out, err = io.BytesIO(), io.BytesIO()
    outcome = cat.attach(stdin=b"some\nbytes", stdout=out, stderr=err, cancel=Cancel(PATIENCE))
    assert (outcome.ended, outcome.exit_code) == ("exited", 4)
    assert (out.getvalue(), err.getvalue()) == (b"some\nbytes", b"done\n")


def test_attach_with_descriptors_and_files(c, store, made, tmp_path):
    cat = create(c, store, made, "cat", stdin_open=True)
    cat.start()
    content = os.urandom(1 << 20)
    (tmp_path / "in").write_bytes(content)
    with open(tmp_path / "in", "rb") as source, open(tmp_path / "out", "wb") as sink:
        assert cat.attach(stdin=source.fileno(), stdout=sink, cancel=Cancel(PATIENCE)).exit_code == 0
    assert (tmp_path / "out").read_bytes() == content


def test_run_between_pipes(c, store):
    # The bytes never pass through this process: the shim has the pipes.
    content = os.urandom(1 << 20) * MEGABYTES
    source_reader, source = os.pipe()
    sink_reader, sink = os.pipe()
    digest = hashlib.sha256()

    def give() -> None:
        with open(source, "wb") as file:
            file.write(content)

    def take() -> None:
        with open(sink_reader, "rb") as file:
            while data := file.read(1 << 16):
                digest.update(data)

    threads = [threading.Thread(target=work, daemon=True) for work in (give, take)]
    for thread in threads:
        thread.start()
    result = c.containers.run(store.image, ["cat"], options=ContainerOptions(remove=True), stdin=source_reader, stdout=sink,
                              cancel=Cancel(PATIENCE))
    for fd in (source_reader, sink):
        os.close(fd)
    for thread in threads:
        thread.join(PATIENCE)
    assert (result.exit_code, result.stdout) == (0, b"")
    assert digest.digest() == hashlib.sha256(content).digest()


def test_run_whose_reader_goes(c, store):
    reader, writer = os.pipe()
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        c.containers.run(store.image, ["yes"], options=ContainerOptions(remove=True), stdout=writer, cancel=Cancel(PATIENCE))
    os.close(writer)
    assert c.containers.list(all=True) == []


def test_a_session_by_hand(c, store, made):
    box = create(c, store, made, "sh", "-c", "read a; echo got $a; cat >/dev/null; echo closed; exit 3", stdin_open=True)
    with box.start_session(stdin=True, cancel=Cancel(PATIENCE)) as session:
        assert session.stdin_open and not session.terminal and session.foreground
        assert session.send(b"it\n") == 3
        assert until(session, b"got it\n") == b"got it\n"
        session.close_stdin()
        assert until(session, b"closed\n") == b"closed\n"
        assert ending(session).outcome is Outcome.EXITED
    assert box.wait() == 3


def test_leaving_a_session_leaves_the_container(c, store, made):
    box = create(c, store, made, "cat", stdin_open=True)
    box.start()
    for number in range(3):
        with box.session(stdin=True) as session:
            session.send(b"%d\n" % number)
            assert until(session, b"%d\n" % number) == b"%d\n" % number
            session.detach()
    assert box.refresh().state == "running"


def test_several_sessions_hear_the_same(c, store, made):
    box = create(c, store, made, "cat", stdin_open=True)
    box.start()
    sessions = [box.session(stdin=number == 0) for number in range(5)]
    sessions[0].send(b"to all\n")
    assert [until(session, b"to all\n") for session in sessions] == [b"to all\n"] * 5
    sessions[0].close_stdin()
    assert {ending(session).outcome for session in sessions} == {Outcome.EXITED}
    for session in sessions:
        session.close()


def test_the_size_before_and_while_it_runs(c, store, made):
    box = create(c, store, made, "sh", "-c", "stty size; read a; stty size", terminal=True, stdin_open=True)
    with box.start_session(stdin=True, size=(31, 97), cancel=Cancel(PATIENCE)) as session:
        assert until(session, b"31 97\r\n") == b"31 97\r\n"
        box.resize(rows=12, columns=34)
        session.send(b"\n")
        assert b"12 34\r\n" in until(session, b"12 34\r\n")


def test_a_program_that_asks_for_what_cannot_be(c, store, made):
    idle = create(c, store, made, "sleep", "1000")
    for ask in (lambda: idle.attach(stdout=io.BytesIO()), idle.session, lambda: idle.resize(rows=1, columns=1)):
        with pytest.raises(InvalidState):
            ask()
    idle.start()
    with pytest.raises(InvalidInput):
        idle.attach(stdin=b"x", stdout=io.BytesIO())
    with pytest.raises(InvalidState):
        idle.resize(rows=1, columns=1)
    with pytest.raises(InvalidState):
        idle.start_session()


def test_a_deadline_leaves_the_container(c, store, made):
    idle = create(c, store, made, "sleep", "1000")
    idle.start()
    with pytest.raises(DeadlineExceeded):
        idle.attach(stdout=io.BytesIO(), cancel=Cancel(0.3))
    token = Cancel()
    threading.Timer(0.2, token.cancel).start()
    with pytest.raises(Cancelled):
        idle.attach(stdout=io.BytesIO(), cancel=token)
    assert idle.refresh().state == "running"


def test_a_descriptor_for_the_end(c, store, made):
    quick = create(c, store, made, "sh", "-c", "read a; exit 9", stdin_open=True)
    assert quick.watch() == -1
    quick.start()
    end = quick.watch()
    with quick.session(stdin=True) as session:
        session.send(b"\n")
        assert Cancel(PATIENCE).wait_readable(end) == [end]
    os.close(end)
    assert quick.wait() == 9 and quick.watch() == -1


def until(session, expected: bytes) -> bytes:
    """What comes on stream 1, up to the expected."""
    got = b""
    watch = Cancel(PATIENCE)
    while expected not in got:
        item = session.receive()
        if isinstance(item, Output):
            got += item.data
        elif item is None:
            watch.wait_readable(session.fileno())
        else:
            raise AssertionError(f"{item} after {got!r}")
    return got


def ending(session) -> End:
    watch = Cancel(PATIENCE)
    while not isinstance(item := session.receive(), End):
        if item is None:
            watch.wait_readable(session.fileno())
    return item
