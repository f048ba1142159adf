"""conman in an asyncio program."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Awaitable, Iterator, TypeVar

import pytest

from conman_kernel import Conman, Container, ContainerOptions, aio
from conman_kernel.errors import NotFound
from conman_kernel.slots.attach import End, Outcome, Output

from .conftest import Store

pytestmark = [pytest.mark.integration,
              pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts, namespaces and cgroups")]

PATIENCE = 60.0
T = TypeVar("T")


@pytest.fixture(scope="module")
def c(store: Store) -> Iterator[Conman]:
    with store.open() as conman:
        yield conman


@pytest.fixture
def made(c: Conman) -> Iterator[list[Container]]:
    found: list[Container] = []
    yield found
    for container in found:
        container.remove(force=True, timeout=0)


def started(c: Conman, store: Store, made: list[Container], *command: str, stdin_open: bool = False) -> Container:
    container = c.containers.create(store.image, ContainerOptions(command=command, stdin_open=stdin_open, stop_timeout=0))
    made.append(container)
    container.start()
    return container


def run(work: Awaitable[T]) -> T:
    async def bounded() -> T:
        return await asyncio.wait_for(work, PATIENCE)

    return asyncio.run(bounded())


def opened(container: Container):
    return aio.session(lambda cancel: container.session(stdin=True, cancel=cancel))


def test_a_conversation(c, store, made):
    cat = started(c, store, made, "sh", "-c", "cat; exit 6", stdin_open=True)

    async def talk() -> tuple[bytes, End, int]:
        got = b""
        async with opened(cat) as session:
            await session.send(b"hello ")
            await session.send(b"there")
            session.connected.close_stdin()
            async for output in session:
                got += output.data
            return got, await session.end(), await aio.wait(cat)

    assert run(talk()) == (b"hello there", End(Outcome.EXITED), 6)


def test_much_both_ways_at_once(c, store, made):
    cat = c.containers.create(store.image, ContainerOptions(command=("cat",), stdin_open=True, stop_timeout=0))
    made.append(cat)
    content = os.urandom(1 << 20) * 8

    async def talk() -> bytes:
        got = bytearray()
        # It started the process, so it may be slow: one that joins later would be dropped.
        async with aio.session(lambda cancel: cat.start_session(stdin=True, cancel=cancel)) as session:
            async def give() -> None:
                await session.send(content)
                session.connected.close_stdin()

            giving = asyncio.create_task(give())
            async for output in session:
                got += output.data
            await giving
        return bytes(got)

    assert run(talk()) == content


def test_sending_waits_for_a_process_that_does_not_read(c, store, made):
    deaf = started(c, store, made, "sleep", "1000", stdin_open=True)

    async def talk() -> None:
        async with opened(deaf) as session:
            sending = asyncio.create_task(session.send(bytes(8 << 20)))
            done, _ = await asyncio.wait((sending,), timeout=0.5)
            assert not done
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending

    run(talk())


def test_many_waits_at_once_need_no_threads(c, store, made):
    boxes = [started(c, store, made, "sh", "-c", f"read a; exit {number}", stdin_open=True) for number in range(8)]

    async def all_of_them() -> list[int]:
        waits = [asyncio.create_task(aio.wait(box)) for box in boxes]
        await asyncio.wait(waits, timeout=0.3)
        assert threading.active_count() <= 1 + 8  # those that opened the descriptors; none of them waits
        for box in boxes:
            async with opened(box) as session:
                await session.send(b"\n")
                await session.end()
        return await asyncio.gather(*waits)

    assert run(all_of_them()) == list(range(8))


def test_a_cancelled_call_is_cancelled(c, store, made):
    sleeper = started(c, store, made, "sleep", "1000")

    async def give_up() -> None:
        task = asyncio.create_task(aio.call(lambda cancel: sleeper.wait(cancel=cancel)))
        await asyncio.wait((task,), timeout=0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(give_up())
    assert sleeper.refresh().state == "running"


def test_a_cancelled_wait_leaves_no_descriptor(c, store, made):
    sleeper = started(c, store, made, "sleep", "1000")

    async def give_up() -> None:
        task = asyncio.create_task(aio.wait(sleeper))
        await asyncio.wait((task,), timeout=0.3)
        before = len(os.listdir("/proc/self/fd"))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(os.listdir("/proc/self/fd")) == before - 1

    run(give_up())


def test_leaving_on_purpose_leaves_the_input_open(c, store, made):
    cat = started(c, store, made, "cat", stdin_open=True)

    async def come_and_go() -> bytes:
        for _ in range(3):  # each with the descriptor number that the one before gave back
            async with opened(cat) as session:
                await session.send(b"x")
                assert isinstance(await session.receive(), Output)
                session.detach()
                assert (await session.receive()).outcome is Outcome.DETACHED
        async with opened(cat) as session:
            await session.send(b"still there")
            session.connected.close_stdin()
            return b"".join([output.data async for output in session])

    assert run(come_and_go()) == b"still there"


def test_logs_as_they_come(c, store, made):
    talker = started(c, store, made, "sh", "-c", "echo one; read a; echo two >&2; exit 0", stdin_open=True)

    async def follow() -> list[tuple[int, bytes]]:
        got = []
        async for entry in aio.logs(talker, follow=True):
            got.append((entry.stream, entry.data))
            if len(got) == 1:
                async with opened(talker) as session:
                    await session.send(b"\n")
                    await session.end()
        return got

    assert run(follow()) == [(1, b"one\n"), (2, b"two\n")]


def test_logs_left_early(c, store, made):
    talker = started(c, store, made, "sh", "-c", "while :; do echo again || exit; sleep 0.01; done")

    async def look() -> bytes:
        async for entry in aio.logs(talker, follow=True):
            return entry.data
        return b""

    assert run(look()) == b"again\n"
    talker.remove(force=True, timeout=0)


def test_errors_arrive(c, store, made):
    gone = started(c, store, made, "true")
    gone.wait()
    gone.remove()

    async def ask() -> None:
        await aio.wait(gone)

    with pytest.raises(NotFound):
        run(ask())
