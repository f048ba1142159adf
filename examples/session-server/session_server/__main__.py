"""The command: ``python -m session_server unix:///run/user/0/conman/docker.sock``."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

from conman_kernel import Conman, ConmanError

from .api import Server
from .listening import listen

THREADS = 32
"""For calls that block for a moment; sessions, waits and logs need none."""


async def serve(addresses: list[str], *, remote: bool) -> None:
    """Serve until SIGTERM or SIGINT. Containers and exec sessions go on without the server."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="conman"))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with Conman() as conman:
        server = Server(conman)
        opened = [await listen(address, server.serve, remote=remote) for address in addresses]
        print("listening on", ", ".join(address for _, address in opened), flush=True)
        await stop.wait()
        for listener, _ in opened:
            listener.close()
        await server.close()


def main() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(prog="session_server", description="Containers' sessions by Docker's API.")
    parser.add_argument("addresses", nargs="+", metavar="ADDRESS", help="unix:///path/to.sock or tcp://127.0.0.1:2375")
    parser.add_argument("--remote", action="store_true",
                        help="also listen on an address that other machines reach: whoever connects is root here")
    given = parser.parse_args()
    try:
        asyncio.run(serve(given.addresses, remote=given.remote))
    except (ConmanError, OSError) as error:
        sys.exit(f"session_server: {error}")


if __name__ == "__main__":
    main()
