"""The library's contract: a Conman is a guest in somebody else's process, and behaves like one."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Callable

import pytest

from conman_kernel import Cancel, Conman, ContainerOptions
from conman_kernel.errors import Cancelled, CommandNotFound, ConfigError, DeadlineExceeded, NotFound
from conman_kernel.testing.images import busybox_image
from conman_kernel.testing.registry import Registry

from .conftest import Store, look

pytestmark = [pytest.mark.integration,
              pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts, namespaces and cgroups")]

LONG = 60.0
ONCE = ContainerOptions(remove=True)
SLEEP = ContainerOptions(command=("sleep", "1000"), stop_timeout=0)


def in_threads(*work: Callable[[], object]) -> list[object]:
    """Run all at once; their answers in order."""
    gate = threading.Barrier(len(work))
    answers: list[object] = [None] * len(work)

    def one(number: int) -> None:
        try:
            gate.wait(LONG)
            answers[number] = work[number]()
        except BaseException as error:  # noqa: BLE001 - the test's main thread is to see it
            answers[number] = error

    threads = [threading.Thread(target=one, args=(number,)) for number in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return answers


def a_whole_life(c: Conman, store: Store) -> None:
    """Pull, run, create, start, look, exec-free life, stop, remove, and what fails."""
    image = c.images.pull(store.reference)
    result = c.containers.run(image, ["sh", "-c", "cat; echo err >&2; exit 3"], stdin=b"in", options=ONCE)
    assert (result.exit_code, result.stdout, result.stderr) == (3, b"in", b"err\n")
    container = c.containers.create(image, ContainerOptions(command=("sh", "-c", "echo hello; exec sleep 1000"), stop_timeout=0))
    try:
        container.start()
        assert container.refresh().state == "running" and c.containers.get(container.name).id == container.id
        assert [entry.data for entry in container.logs()] in ([b"hello\n"], [])
        container.stop(timeout=0)
        assert container.refresh().exit_code == 137
        assert [entry.data for entry in container.logs()] == [b"hello\n"]
    finally:
        container.remove(force=True)
    with pytest.raises(CommandNotFound):
        c.containers.run(image, ["no-such-command"], options=ONCE)
    with pytest.raises(NotFound):
        c.containers.get("nobody")
    with pytest.raises(DeadlineExceeded):
        c.containers.run(image, ["sleep", "1000"], options=ONCE, cancel=Cancel(0.3))
    assert c.containers.list(all=True) == []
    assert c.info()["host"] and c.version()["Version"]


@pytest.mark.usefixtures("unchanged")
def test_a_whole_life_changes_nothing_of_the_process(store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    with store.open() as c:
        a_whole_life(c, store)
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("unchanged")
def test_it_works_from_another_thread_than_the_main_one(store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        with store.open() as c:
            a_whole_life(c, store)

    in_threads(work)
    assert capfd.readouterr() == ("", "")


def test_pulling_over_the_network_leaves_nothing_open(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with Registry() as registry:
        registry.add_image(busybox_image(), "test/box:latest")
        folder = str(tmp_path_factory.getbasetemp())
        before = look(folder)
        with Conman(root=str(tmp_path / "root"), run_root=str(tmp_path / "run"), environ={"HOME": "/nonexistent", "CONMAN_CONTAINERS_NETWORK": "none"}) as c:
            image = c.images.pull(f"{registry.host}/test/box:latest")
            assert c.containers.run(image, ["echo", "pulled"], options=ONCE).stdout == b"pulled\n"
            with pytest.raises(NotFound):
                c.images.pull(f"{registry.host}/test/box:no-such-tag")
        after = look(folder)
        until = time.monotonic() + LONG / 4
        while after != before and time.monotonic() < until:  # the registry is in this process, too: its ends close after ours
            select.select([], [], [], 0.01)
            after = look(folder)
        assert {name: value for name, value in after._asdict().items() if value != getattr(before, name)} == {}


@pytest.mark.usefixtures("unchanged")
def test_one_conman_serves_several_threads(store: Store) -> None:
    with store.open() as c:
        def work(name: str) -> list[bytes]:
            got = [c.containers.run(store.image, ["echo", f"{name}{n}"], options=ONCE).stdout for n in range(3)]
            c.containers.list(all=True)
            c.images.list()
            return got

        answers = in_threads(*(lambda name=name: work(name) for name in "abcd"))  # type: ignore[misc]
    assert answers == [[f"{name}{n}\n".encode() for n in range(3)] for name in "abcd"]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("service", ["containers", "images"])
def test_services_asked_for_at_once_are_made_once(store: Store, service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[[Conman], object] = getattr(Conman, f"_make_{service}")
    second = threading.Event()
    made: list[int] = []

    def slow(self: Conman) -> object:
        made.append(1)
        if len(made) > 1:
            second.set()
        second.wait(0.3)  # room for a second thread to come in; nobody should
        return real(self)

    monkeypatch.setattr(Conman, f"_make_{service}", slow)
    with store.open() as c:
        assert len({id(one) for one in in_threads(*[lambda: getattr(c, service)] * 4)}) == 1 == len(made)


@pytest.mark.usefixtures("unchanged")
def test_threads_on_one_container_take_turns(store: Store) -> None:
    with store.open() as c:
        container = c.containers.create(store.image, SLEEP)
        in_threads(*[lambda: c.containers.get(container.id).start()] * 3)
        assert container.refresh().state == "running"
        codes = in_threads(lambda: container.refresh().wait(), lambda: c.containers.get(container.id).wait(),
                           lambda: c.containers.get(container.id).stop(timeout=0))
        assert codes[:2] == [137, 137]
        container.remove()


@pytest.mark.usefixtures("unchanged")
def test_two_stores_side_by_side_know_nothing_of_each_other(store: Store, tmp_path: Path) -> None:
    with store.open() as one, Conman(root=str(tmp_path / "root"), run_root=str(tmp_path / "run"), environ={"HOME": "/nonexistent", "CONMAN_CONTAINERS_NETWORK": "none"},
                                     overrides={"storage.driver": "vfs-storage"}) as two:
        def second() -> str:
            image = two.images.pull(store.reference)
            return two.containers.run(image, ["echo", "two"], options=ContainerOptions(name="same")).stdout.decode()

        def first() -> str:
            return one.containers.run(store.image, ["echo", "one"], options=ContainerOptions(name="same")).stdout.decode()

        assert in_threads(first, second) == ["one\n", "two\n"]
        ours, theirs = one.containers.get("same"), two.containers.get("same")
        assert (ours.storage_driver, theirs.storage_driver) == ("overlay-storage", "vfs-storage") and ours.id != theirs.id
        with pytest.raises(NotFound):
            one.containers.get(theirs.id)
        ours.remove()
        assert two.containers.get("same").id == theirs.id
        theirs.remove()


@pytest.mark.usefixtures("unchanged")
def test_two_conmans_on_one_store_see_the_same(store: Store) -> None:
    with store.open() as one, store.open(log_level="error") as two:
        container = one.containers.create(store.image, SLEEP)
        assert two.containers.get(container.id).state == "created"
        two.containers.get(container.id).start()
        assert container.refresh().state == "running"
        assert in_threads(container.wait, lambda: two.containers.get(container.id).stop(timeout=0))[0] == 137
        container.remove()
        assert two.containers.list(all=True) == []


@pytest.mark.usefixtures("unchanged")
def test_closing_one_leaves_the_other_and_the_container(store: Store) -> None:
    with store.open() as keeper:
        with store.open() as passing:
            id = passing.containers.create(store.image, SLEEP).id
            passing.containers.get(id).start()
        passing.close()
        container = keeper.containers.get(id)
        assert container.state == "running" and container.pid > 0
        container.remove(force=True)


def test_only_its_own_children_are_reaped(store: Store) -> None:
    early = subprocess.Popen(["sh", "-c", "exit 7"])
    ended = os.pidfd_open(early.pid)
    assert select.select([ended], [], [], LONG)[0] == [ended]
    os.close(ended)
    late = subprocess.Popen(["sh", "-c", "read x; exit 8"], stdin=subprocess.PIPE)
    with store.open() as c:
        c.containers.run(store.image, ["true"], options=ONCE)
        late.stdin.close()  # type: ignore[union-attr]
        c.containers.run(store.image, ["true"], options=ONCE)
        with pytest.raises(CommandNotFound):
            c.containers.run(store.image, ["nothing"], options=ONCE)
    # Popen.wait() hides a stolen child behind a made-up 0; waitpid does not.
    assert os.waitstatus_to_exitcode(os.waitpid(early.pid, 0)[1]) == 7
    assert os.waitstatus_to_exitcode(os.waitpid(late.pid, 0)[1]) == 8
    early.returncode, late.returncode = 7, 8


def test_the_hosts_signal_handler_sees_its_signals_and_stays(store: Store) -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGCHLD, lambda number, frame: seen.append(number))
    try:
        with store.open() as c:
            assert c.containers.run(store.image, ["sh", "-c", "exit 4"], options=ONCE).exit_code == 4
        assert callable(signal.getsignal(signal.SIGCHLD))
    finally:
        signal.signal(signal.SIGCHLD, before)


@pytest.mark.usefixtures("unchanged")
def test_a_token_fired_by_another_thread_ends_a_run_and_leaves_nothing(store: Store) -> None:
    token = Cancel(LONG)
    with store.open() as c:
        def fire() -> None:
            deadline = Cancel(LONG)
            while not any(one.state == "running" for one in c.containers.list(all=True)):
                deadline.wait_readable(timeout=0.01)
            token.cancel("enough")

        def run() -> str:
            with pytest.raises(Cancelled, match="enough"):
                c.containers.run(store.image, ["sleep", "1000"], options=ONCE, cancel=token)
            return "ended"

        assert in_threads(run, fire)[0] == "ended"
        assert c.containers.list(all=True) == []
    token.close()


@pytest.mark.usefixtures("unchanged")
def test_nothing_is_made_before_it_is_needed(tmp_path: Path) -> None:
    c = Conman(root=str(tmp_path / "root"), run_root=str(tmp_path / "run"), environ={"HOME": str(tmp_path), "CONMAN_CONTAINERS_NETWORK": "none"})
    assert c.config.text("root") == str(tmp_path / "root") and c.plugins.list()
    c.close()
    c.close()
    assert os.listdir(tmp_path) == []


@pytest.mark.usefixtures("unchanged")
def test_a_wrong_configuration_costs_nothing() -> None:
    with pytest.raises(ConfigError):
        Conman(overrides={"no.such.key": 1}, environ={"HOME": "/nonexistent", "CONMAN_CONTAINERS_NETWORK": "none"})


BARE = """
import os, sys
from conman_kernel import Conman, ContainerOptions
for fd in (0, 1, 2):
    os.close(fd)
try:
    with Conman(root=sys.argv[1], run_root=sys.argv[2], environ={"HOME": "/nonexistent", "CONMAN_CONTAINERS_NETWORK": "none"}) as c:
        got = c.containers.run(sys.argv[3], ["sh", "-c", "cat; echo err >&2; exit 3"], stdin=b"in", options=ContainerOptions(remove=True))
    text = f"{got.exit_code} {got.stdout} {got.stderr}"
except BaseException as error:
    text = repr(error)
with open(sys.argv[4], "w") as stream:
    stream.write(text)
"""


def test_a_process_without_standard_streams(store: Store, tmp_path: Path) -> None:
    """A daemon may have closed 0, 1 and 2: the next descriptors that are opened get these numbers."""
    child = subprocess.Popen([sys.executable, "-c", BARE, store.root, store.run_root, store.image, str(tmp_path / "out")])
    assert child.wait(LONG) == 0
    assert (tmp_path / "out").read_text() == "3 b'in' b'err\\n'"


IGNORING = """
import signal, sys
from conman_kernel import Conman, ContainerOptions
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
with Conman(root=sys.argv[1], run_root=sys.argv[2], environ={"HOME": "/nonexistent", "CONMAN_CONTAINERS_NETWORK": "none"}) as c:
    got = c.containers.run(sys.argv[3], ["sh", "-c", "exit 3"], options=ContainerOptions(remove=True))
print(got.exit_code, signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN)
"""


def test_a_process_that_ignores_its_children(store: Store) -> None:
    """With SIGCHLD ignored the kernel reaps by itself, and how a helper ended cannot be asked."""
    done = subprocess.run([sys.executable, "-c", IGNORING, store.root, store.run_root, store.image], capture_output=True, text=True,
                          timeout=LONG)
    assert (done.returncode, done.stdout, done.stderr) == (0, "3 True\n", "")
