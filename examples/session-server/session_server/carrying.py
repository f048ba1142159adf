"""Bytes between a session and a peer, both ways at once, neither faster than the other side takes them."""

from __future__ import annotations

import asyncio
from typing import Awaitable, Callable, Protocol

from conman_kernel import aio
from conman_kernel.slots.attach import End, Output


class Peer(Protocol):
    """A client on the other side of a session."""

    async def receive(self) -> bytes | tuple[int, int] | None:
        """Bytes for standard input; the terminal's new rows and columns; None: there is no more input.

        :raises ConnectionError: it has left.
        """
        ...

    async def send(self, output: Output) -> None:
        """Give it output; waits while it takes none.

        :raises ConnectionError: it has left.
        """
        ...

    async def gone(self) -> None:
        """Until it has left."""
        ...

    @property
    def is_gone(self) -> bool:
        """It has left."""
        ...

    async def end(self, end: End, code: Callable[[], Awaitable[int]]) -> None:
        """Tell it how the session ended.

        :param code: waits for the process's exit code; -1 where that is not known.
        """
        ...


async def carry(session: aio.session, peer: Peer) -> End | None:
    """Carry bytes until the session ends or the peer leaves, which is a detach: the process goes on, its input stays open.
    The session is closed then.

    :param session: entered.
    :returns: how the session ended; None: the peer left.
    """
    output, gone = asyncio.ensure_future(_output(session, peer)), asyncio.ensure_future(peer.gone())
    waiting = {output, gone, feed := asyncio.ensure_future(_input(session, peer))}
    tasks = tuple(waiting)
    end: End | None = None
    try:
        while not (output.done() or gone.done()):
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if feed in done:
                feed.result()
        if output.done():
            end = output.result()
    except ConnectionError:
        end = None
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if end is None:
            session.detach()
        else:
            session.close()
    return end


async def _output(session: aio.session, peer: Peer) -> End:
    while not isinstance(item := await session.receive(), End):
        await peer.send(item)
    return item


async def _input(session: aio.session, peer: Peer) -> None:
    while (given := await peer.receive()) is not None:
        if isinstance(given, bytes):
            if session.connected.stdin_open:
                await session.send(given)
        else:
            session.connected.resize(rows=given[0], columns=given[1])
    # A terminal's input has no end but Ctrl-D, and who vanished altogether has half-closed nothing.
    if not session.connected.terminal and not peer.is_gone:
        session.connected.close_stdin()
