"""The kernel's clients of a shim (control channel and attach socket) against the stock shim."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.containers.exitfile import ExitStatus, read_exit_file
from conman_kernel.containers.session import SocketSession, connect
from conman_kernel.containers.shim import CreateFailed, Shim, ShimConfig, is_alive
from conman_kernel.errors import Cancelled, DeadlineExceeded, InvalidState, NotFound, ShimLost, Unavailable
from conman_kernel.slots.attach import AttachRequest, End, Outcome, Output
from conman_pty_attach.attach import PtyAttach

FAKE = Path(__file__).resolve().parents[2] / "shim" / "tests" / "fake_runtime.py"


def config(folder: Path, *program: str, options: tuple[str, ...] = ()) -> ShimConfig:
    at = str(folder)
    return ShimConfig(id="c1", create=(sys.executable, "-I", "-S", str(FAKE), f"{at}/pid", *options, "--", *program),
                      pid_file=f"{at}/pid", exit_file=f"{at}/exit", lock=f"{at}/lock", socket=f"{at}/attach.sock",
                      log_path=f"{at}/log", error_log=f"{at}/error")


def _children(pid: int) -> set[str]:
    try:
        return set(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    except (FileNotFoundError, ProcessLookupError):
        return set()


@pytest.fixture
def shim(scratch: Path) -> Iterator[Shim]:
    made = Shim.launch()
    yield made
    try:
        handle = os.pidfd_open(made.pid) if made.pid else -1
    except ProcessLookupError:
        handle = -1
    made.close()
    if handle >= 0:
        for child in _children(made.pid):  # a test that failed may leave a stopped one, so nothing gentler will do
            os.kill(int(child), signal.SIGKILL)
        Cancel(20).wait_readable(handle)
        os.close(handle)
    assert not (scratch / "error").exists()


def join(scratch: Path, *, stdin: bool = True, foreground: bool = False) -> SocketSession:
    return connect(str(scratch / "attach.sock"), stdin=stdin, stdout=True, stderr=True, foreground=foreground,
                   cancel=Cancel(20))


def collect(session: SocketSession) -> tuple[bytes, bytes, End]:
    out = {1: bytearray(), 2: bytearray()}
    cancel = Cancel(20)
    while True:
        said = session.receive()
        if isinstance(said, Output):
            out[said.stream] += said.data
        elif isinstance(said, End):
            return bytes(out[1]), bytes(out[2]), said
        else:
            cancel.wait_readable(session.fileno())


def children() -> set[str]:
    return _children(os.getpid())


def test_the_whole_way(shim: Shim, scratch: Path) -> None:
    shim.configure(config(scratch, "sh", "-c", "echo out; echo err >&2; exit 7"))
    pid = shim.wait_created(Cancel(20))
    assert pid == int((scratch / "pid").read_text())
    assert is_alive(str(scratch / "lock"))
    assert read_exit_file(str(scratch / "exit")) is None
    session = join(scratch)
    shim.started()
    assert collect(session) == (b"out\n", b"err\n", End(Outcome.EXITED))
    assert session.receive() == End(Outcome.EXITED)
    assert session.exit_code == 7
    status = shim.wait_exited(Cancel(20))
    assert (status.code, status.signal, status.oom) == (7, 0, False)
    assert read_exit_file(str(scratch / "exit")) == status
    shim.done()
    session.close()
    shim.close()


def test_nothing_stays_a_zombie(scratch: Path) -> None:
    before = children()
    idle = Shim.launch()
    idle.close()
    used = Shim.launch()
    used.configure(config(scratch, "true"))
    used.wait_created(Cancel(20))
    used.release()
    used.close()
    assert children() == before


def test_the_runtimes_refusal(shim: Shim, scratch: Path) -> None:
    shim.configure(config(scratch, "true", options=("--fail", "3", "no such command")))
    with pytest.raises(CreateFailed, match="no such command") as caught:
        shim.wait_created(Cancel(20))
    assert (caught.value.runtime_exit, caught.value.runtime_text) == (3, "no such command")


def test_what_the_shim_could_not_prepare(shim: Shim, scratch: Path) -> None:
    shim.configure(config(scratch, "true")._replace(log_path="/no/such/folder/log"))
    with pytest.raises(Unavailable, match="log: No such file"):
        shim.wait_created(Cancel(20))


def test_a_second_shim_for_one_container(shim: Shim, scratch: Path) -> None:
    shim.configure(config(scratch, "sleep", "100"))
    shim.wait_created(Cancel(20))
    second = Shim.launch()
    second.configure(config(scratch, "sleep", "100"))
    with pytest.raises(InvalidState, match="another shim"):
        second.wait_created(Cancel(20))
    second.close()


def test_a_shim_killed_is_lost_and_its_lock_free(shim: Shim, scratch: Path) -> None:
    shim.configure(config(scratch, "sleep", "100"))
    pid = shim.wait_created(Cancel(20))
    session = join(scratch)
    shim.started()
    os.kill(shim.pid, signal.SIGKILL)
    with pytest.raises(ShimLost):
        shim.wait_exited(Cancel(20))
    assert collect(session)[2].outcome is Outcome.LOST
    assert not is_alive(str(scratch / "lock"))
    os.kill(pid, signal.SIGKILL)
    session.close()


def test_waits_end_with_their_token(shim: Shim, scratch: Path) -> None:
    shim.configure(config(scratch, "sleep", "100"))
    shim.wait_created(Cancel(20))
    shim.started()
    with pytest.raises(DeadlineExceeded):
        shim.wait_exited(Cancel(0.05))
    token = Cancel()
    threading.Timer(0.05, token.cancel).start()
    with pytest.raises(Cancelled):
        shim.wait_exited(token)


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(NotFound, match="/no/such/shim"):
        Shim.launch(["/no/such/shim"])


def test_an_exit_file_that_is_none(scratch: Path) -> None:
    (scratch / "exit").write_text("code=seven\n")
    with pytest.raises(InvalidState):
        read_exit_file(str(scratch / "exit"))


def test_a_large_configuration_goes_in_packets(shim: Shim, scratch: Path) -> None:
    env = tuple(f"V{i}={'x' * 1000}" for i in range(300))
    shim.configure(config(scratch, "/bin/sh", "-c", 'test "${#V299}" = 1000 && test -z "$PATH_"')._replace(env=env))
    shim.wait_created(Cancel(20))
    shim.started()
    assert shim.wait_exited(Cancel(20)).code == 0


def test_attaching_to_nobody(scratch: Path) -> None:
    with pytest.raises(NotFound):
        join(scratch)
    with pytest.raises(NotFound):
        connect(str(scratch / "no" / "attach.sock"), stdin=True, stdout=True, stderr=True, foreground=False, cancel=Cancel(5))


def test_a_session_too_many_is_refused(shim: Shim, scratch: Path) -> None:
    shim.configure(config(scratch, "sleep", "100")._replace(sessions=2))
    shim.wait_created(Cancel(20))
    joined = [join(scratch), join(scratch)]
    with pytest.raises(InvalidState, match="2 sessions are attached"):
        join(scratch)
    joined.pop().detach()
    joined.append(join(scratch))
    for session in joined:
        session.close()


def test_input_that_is_not_read_stops_being_taken_and_then_goes_on(shim: Shim, scratch: Path) -> None:
    shim.configure(config(scratch, "sh", "-c", "kill -STOP $$; exec cat")._replace(stdin=True, log_driver="none"))
    pid = shim.wait_created(Cancel(20))
    session = join(scratch, foreground=True)
    shim.started()
    cancel = Cancel(20)
    data = os.urandom(5_000_000)
    sent = 0
    while True:
        while session.receive() is not None:
            pass
        taken = session.send(data[sent:])
        sent += taken
        if not taken and not cancel.wait_readable(session.fileno(), timeout=0.2):
            break
    assert 0 < sent < len(data)
    assert session.send(data[sent:]) == 0
    session.signal(signal.SIGCONT)
    got = bytearray()
    while len(got) < len(data):
        said = session.receive()
        if isinstance(said, Output):
            got += said.data
            continue
        assert said is None
        if sent < len(data):
            sent += session.send(data[sent:])
        else:
            session.close_stdin()
        cancel.wait_readable(session.fileno())
    assert bytes(got) == data
    session.close_stdin()
    assert collect(session)[2] == End(Outcome.EXITED)
    assert pid > 0
    session.close()


def test_a_megabyte_and_more_through_the_plugin(shim: Shim, scratch: Path) -> None:
    data = os.urandom(8_000_000)
    (scratch / "in").write_bytes(data)
    shim.configure(config(scratch, "cat")._replace(stdin=True))
    shim.wait_created(Cancel(20))
    session = join(scratch, foreground=True)
    shim.started()
    with open(scratch / "in", "rb") as stdin, open(scratch / "out", "wb") as out:
        end = PtyAttach().run(AttachRequest(session=session, stdin=stdin.fileno(), stdout=out.fileno(), stderr=-1,
                                            detach_keys=b"", forward_signals=False, cancel=Cancel(60)))
    assert end == End(Outcome.EXITED)
    assert (scratch / "out").read_bytes() == data
    assert shim.wait_exited(Cancel(20)) == read_exit_file(str(scratch / "exit"))
    assert isinstance(shim.wait_exited(Cancel(1)), ExitStatus)
    session.close()


def test_detaching_keeps_an_input_open_that_ends_with_its_session(shim: Shim, scratch: Path) -> None:
    shim.configure(config(scratch, "cat")._replace(stdin=True, stdin_once=True))
    shim.wait_created(Cancel(20))
    first = join(scratch)
    shim.started()
    first.detach()
    second = None
    while second is None:
        try:
            second = join(scratch)
        except InvalidState:
            continue  # the shim has not noticed yet that the first one is gone
    assert second.stdin_open
    second.close()
    assert shim.wait_exited(Cancel(20)).code == 0
