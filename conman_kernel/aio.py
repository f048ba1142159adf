"""conman in an asyncio program: wait, stream, and call what blocks, without blocking the loop.

::

    from conman_kernel import Conman, aio

    async def main():
        with Conman() as c:
            box = c.containers.get("box")
            async with aio.session(lambda cancel: box.session(stdin=True, cancel=cancel)) as session:
                await session.send(b"hello\\n")
                async for output in session:
                    print(output.stream, output.data)
            print(await aio.wait(box))

Streaming and waiting are descriptors in the loop: no thread stands behind them. What takes a lock or runs a command (opening a
session, starting, stopping) goes to a thread by :func:`call`, and is cancelled with the task that awaits it.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, AsyncGenerator, AsyncIterator, Callable, Protocol, TypeVar

from .cancel import Cancel
from .slots.attach import End, Outcome, Output

if TYPE_CHECKING:
    from .containers.container import Container
    from .containers.logs import LogEntry
    from .containers.session import SocketSession

T = TypeVar("T")

_HIGH = 1 << 20
"""Bytes of output that lie here for a consumer before no more is read."""

_ENTRIES = 256
"""Entries of a log after which the loop's other tasks get their turn."""


class Waitable(Protocol):
    """A container or an exec session."""

    def watch(self) -> int:
        """A descriptor that becomes readable at its end, the caller's to close; -1: it is over."""
        ...

    def wait(self, *, cancel: Cancel | None = None) -> int:
        """Block until it is over; its exit code."""
        ...


async def call(function: Callable[[Cancel], T]) -> T:
    """Run a call of this library that may block in a thread: ``await aio.call(lambda cancel: box.stop(cancel=cancel))``.

    :param function: given a token, which fires when the awaiting task is cancelled.
    :returns: what it returns. A cancelled task ends once the call has come back: nothing of it goes on behind.
    """
    return await _called(function, Cancel(), _let_go)


async def _called(function: Callable[[Cancel], T], token: Cancel, let_go: Callable[[T], None]) -> T:
    work = asyncio.ensure_future(asyncio.to_thread(function, token))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        token.cancel("the task was cancelled")

        def come_back(done: asyncio.Future[T]) -> None:
            if not done.cancelled() and done.exception() is None:
                let_go(done.result())

        work.add_done_callback(come_back)  # not only when this task comes round: it may be cancelled once more while it waits
        await asyncio.wait((work,))
        raise
    finally:
        if work.done():
            token.close()


def _let_go(result: object) -> None:
    """A session that nobody is there to take any more is closed."""
    close = getattr(result, "close", None)
    if close is not None:
        close()


async def wait(container: Waitable) -> int:
    """Wait until a container or an exec session is over.

    :returns: its exit code.
    :raises ShimLost: nobody saw how it ended.
    :raises NotFound: it is gone.
    """
    descriptor = await _called(lambda cancel: container.watch(), Cancel(), lambda fd: None if fd < 0 else os.close(fd))
    if descriptor >= 0:
        try:
            await _any_readable((descriptor,), None)
        finally:
            os.close(descriptor)
    return await call(lambda cancel: container.wait(cancel=cancel))


class session:
    """A session for ``async with``; iterating gives the output to its end.

    One task may send while another receives. Output that nobody takes is read up to 1 MiB ahead.

    :param open: opens it in a thread, given a token: ``lambda cancel: box.session(stdin=True, cancel=cancel)``.
    """

    def __init__(self, open: Callable[[Cancel], SocketSession]) -> None:
        self._open = open
        self._session: SocketSession | None = None
        self._arrived: deque[Output] = deque()
        self._lying = 0
        self._end: End | None = None
        self._failure: OSError | None = None
        self._moved = asyncio.Event()
        self._reading = False

    async def __aenter__(self) -> session:
        self._session = await call(self._open)
        self._resume()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __aiter__(self) -> AsyncIterator[Output]:
        return self

    async def __anext__(self) -> Output:
        item = await self.receive()
        if isinstance(item, End):
            raise StopAsyncIteration
        return item

    @property
    def connected(self) -> SocketSession:
        """The session below: ``terminal``, ``stdin_open``, ``resize``, ``signal``, ``close_stdin``. Leave with :meth:`detach` or
        :meth:`close` here: the loop listens to its descriptor."""
        if self._session is None:
            raise RuntimeError("the session is open only inside its `async with`")
        return self._session

    async def receive(self) -> Output | End:
        """The next piece of output, or the end (again and again after it).

        :raises OSError: as :meth:`.slots.attach.Session.receive`.
        """
        while not self._arrived:
            if self._failure is not None:
                raise self._failure
            if self._end is not None:
                return self._end
            await self._movement()
        item = self._arrived.popleft()
        self._lying -= len(item.data)
        self._resume()
        return item

    async def send(self, data: bytes) -> None:
        """Give bytes to the process's standard input, and return once they are on their way.

        Where the process does not read, neither does this return: give it to a task of its own beside the one that receives.
        """
        rest = memoryview(data)
        while rest and self._end is None and self._failure is None:
            taken = self.connected.send(bytes(rest[:1 << 16]))
            rest = rest[taken:]
            if not taken:
                await self._room()

    async def end(self) -> End:
        """Throw the rest of the output away and wait for the end."""
        while not isinstance(item := await self.receive(), End):
            continue
        return item

    def detach(self) -> None:
        """Leave on purpose: the process's input stays open whatever its settings."""
        self._leave(self.connected.detach, Outcome.DETACHED, "")

    def close(self) -> None:
        """Leave. May be called twice."""
        if self._session is not None:
            self._leave(self._session.close, Outcome.LOST, "the session was closed")

    def _leave(self, leave: Callable[[], None], outcome: Outcome, message: str) -> None:
        self._pause()  # before its descriptor is closed, and perhaps another's
        if self.connected.fileno() >= 0:
            asyncio.get_running_loop().remove_writer(self.connected.fileno())
        leave()
        if self._end is None:
            self._end = End(outcome, message)
        self._moved.set()

    async def _movement(self) -> None:
        self._moved.clear()
        await self._moved.wait()

    async def _room(self) -> None:
        """Until the socket takes more, or the process took something, which arrives among the output."""
        fd = self.connected.fileno()
        # While nobody takes what lies here, the end is not heard: a peer that is gone would be "writable" for ever.
        if fd < 0 or not self._reading or self.connected.writable_fileno() != fd:
            await self._movement()
            return
        loop = asyncio.get_running_loop()
        loop.add_writer(fd, self._moved.set)
        try:
            await self._movement()
        finally:
            if self.connected.fileno() == fd:  # else it was left meanwhile, and the number may be another's
                loop.remove_writer(fd)

    def _resume(self) -> None:
        if not self._reading and self._end is None and self._failure is None and self._lying < _HIGH:
            self._reading = True
            self._moved.set()
            asyncio.get_running_loop().add_reader(self.connected.fileno(), self._arrive)

    def _pause(self) -> None:
        if self._reading:
            self._reading = False
            asyncio.get_running_loop().remove_reader(self.connected.fileno())

    def _arrive(self) -> None:
        try:
            while self._lying < _HIGH:
                item = self.connected.receive()
                if item is None:
                    break
                if isinstance(item, End):
                    self._end = item
                    break
                self._arrived.append(item)
                self._lying += len(item.data)
        except OSError as error:
            self._failure = error
        if self._end is not None or self._failure is not None or self._lying >= _HIGH:
            self._pause()
        self._moved.set()


async def logs(container: Container, *, follow: bool = False, tail: int | None = None, since: float | str | None = None,
               until: float | str | None = None, stdout: bool = True, stderr: bool = True) -> AsyncGenerator[LogEntry, None]:
    """A container's log as :meth:`.Container.logs` gives it. No thread waits for it; the first look, which may search through a
    long log, is taken in one.

    :raises InvalidState: it keeps no log.
    """
    token = Cancel()
    with token, container.log_reader(follow=follow, tail=tail, since=since, until=until, stdout=stdout, stderr=stderr,
                                                 cancel=token) as reader:
        entries = reader.entries()
        first = await _called(lambda _: next(entries, None), token, lambda entry: None)
        if first is not None:
            yield first
        while True:
            for number, entry in enumerate(entries):
                yield entry
                if number % _ENTRIES == _ENTRIES - 1:
                    await asyncio.sleep(0)  # others get their turn
            if reader.over:
                return
            await _any_readable(reader.descriptors(), reader.timeout())
            entries = reader.entries()


async def _any_readable(fds: tuple[int, ...], seconds: float | None) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    for fd in fds:
        loop.add_reader(fd, ready.set)
    try:
        await asyncio.wait_for(ready.wait(), seconds)
    except TimeoutError:
        return  # its time has come
    finally:
        for fd in fds:
            loop.remove_reader(fd)
