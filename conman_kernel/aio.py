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
import threading
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, AsyncIterator, Callable, Iterator, Protocol, TypeVar

from .cancel import Cancel
from .slots.attach import End, Outcome, Output

if TYPE_CHECKING:
    from .containers.container import Container
    from .containers.logs import LogEntry
    from .containers.session import SocketSession

T = TypeVar("T")

_HIGH = 1 << 20
"""Bytes of output that lie here for a consumer before no more is read."""


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
    token = Cancel()
    work = asyncio.ensure_future(asyncio.to_thread(function, token))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        token.cancel("the task was cancelled")
        await asyncio.wait((work,))
        if not work.cancelled() and work.exception() is None:
            _let_go(work.result())
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
    descriptor = await asyncio.to_thread(container.watch)
    if descriptor >= 0:
        try:
            await _readable(descriptor)
        finally:
            os.close(descriptor)
    return await call(lambda cancel: container.wait(cancel=cancel))


async def _readable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(fd, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(fd)


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
        """The session below: ``terminal``, ``stdin_open``, ``resize``, ``signal``, ``close_stdin``, ``detach``."""
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

    def close(self) -> None:
        """Leave. May be called twice."""
        if self._session is not None:
            self._pause()
            self._session.close()
            if self._end is None:
                self._end = End(Outcome.LOST, "the session was closed")
            self._moved.set()

    async def _movement(self) -> None:
        self._moved.clear()
        await self._moved.wait()

    async def _room(self) -> None:
        """Until the socket takes more, or the process took something, which arrives among the output."""
        fd = self.connected.fileno()
        if fd < 0 or self.connected.writable_fileno() != fd:
            await self._movement()
            return
        loop = asyncio.get_running_loop()
        loop.add_writer(fd, self._moved.set)
        try:
            await self._movement()
        finally:
            loop.remove_writer(fd)

    def _resume(self) -> None:
        if not self._reading and self._end is None and self._failure is None and self._lying < _HIGH:
            self._reading = True
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


async def logs(container: Container, *, follow: bool = False, tail: int | None = None, since: float | None = None,
               until: float | None = None, stdout: bool = True, stderr: bool = True) -> AsyncIterator[LogEntry]:
    """A container's log as :meth:`.Container.logs` gives it. A thread reads, at most 1,024 entries ahead.

    :raises InvalidState: it keeps no log.
    """
    token = Cancel()
    entries = container.logs(follow=follow, tail=tail, since=since, until=until, stdout=stdout, stderr=stderr, cancel=token)
    ahead = _Ahead(entries, asyncio.get_running_loop())
    reading = asyncio.ensure_future(asyncio.to_thread(ahead.read))
    try:
        while await ahead.some():
            while ahead.entries:
                yield ahead.entries.popleft()
                ahead.slots.release()
        await reading
    finally:
        token.cancel()
        ahead.stop()
        await asyncio.wait((reading,))
        if not reading.cancelled():
            reading.exception()  # the token's own, or raised above
        token.close()


class _Ahead:
    """Entries on their way from a thread that reads them to a task that takes them."""

    def __init__(self, source: Iterator[LogEntry], loop: asyncio.AbstractEventLoop) -> None:
        self._source = source
        self._loop = loop
        self._arrived = asyncio.Event()
        self._over = False
        self._stopped = False
        self.entries: deque[LogEntry] = deque()
        self.slots = threading.Semaphore(1024)

    def read(self) -> None:
        """The thread's part."""
        try:
            for entry in self._source:
                self.slots.acquire()
                if self._stopped:
                    return
                self.entries.append(entry)
                self._loop.call_soon_threadsafe(self._arrived.set)
        finally:
            self._over = True
            self._loop.call_soon_threadsafe(self._arrived.set)

    async def some(self) -> bool:
        """Wait until there is something. False: there is nothing more."""
        while not self.entries:
            if self._over:
                return bool(self.entries)
            await self._arrived.wait()
            self._arrived.clear()
        return True

    def stop(self) -> None:
        """Let the thread come to its end."""
        self._stopped = True
        self.slots.release()
