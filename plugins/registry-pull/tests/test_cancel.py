"""Tokens and deadlines end what blocks, at any stage of a request."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import Cancelled, DeadlineExceeded
from conman_kernel.oci.descriptor import Descriptor
from conman_kernel.slots.transport import OpenRequest, ResolveRequest
from conman_kernel.testing import images
from conman_kernel.testing.registry import Action, Fault

PROMPT = 5.0
"""Seconds: far below the timeouts of connecting and reading, far above what a busy machine needs."""


def read(transport, registry, cancel: Cancel, started: threading.Event | None = None) -> bytes:
    blob = Descriptor(images.OCI_LAYER, registry.add_blob(b"x" * 3_000_000, "box"), 3_000_000)
    received = b""
    for chunk in transport.open(OpenRequest(f"{registry.host}/box", blob, 0, cancel)):
        received += chunk
        if started is not None:
            started.set()
    return received


@pytest.mark.parametrize("action", [Action.STALL, Action.SILENT, Action.DRIP])
def test_a_deadline_ends_a_read(registry, transport, action):
    registry.fail(Fault(action, on="/blobs/", at=1000))
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        read(transport, registry, Cancel(0.3))
    assert time.monotonic() - began < PROMPT


def test_a_token_ends_a_read_that_has_begun(registry, transport):
    registry.fail(Fault(Action.STALL, on="/blobs/", at=1_000_000))
    cancel, started = Cancel(), threading.Event()

    def cancel_once_started() -> None:
        started.wait(10)
        cancel.cancel("Ctrl-C")

    canceller = threading.Thread(target=cancel_once_started)
    canceller.start()
    began = time.monotonic()
    with pytest.raises(Cancelled, match="Ctrl-C"):
        read(transport, registry, cancel, started)
    canceller.join()
    assert time.monotonic() - began < PROMPT


def test_one_token_ends_many_reads(registry, transport):
    registry.fail(Fault(Action.STALL, on="/blobs/", at=1_000_000))
    cancel, ended = Cancel(), []
    events = [threading.Event() for _ in range(6)]

    def run(started: threading.Event) -> None:
        try:
            read(transport, registry, cancel, started)
        except Cancelled as error:
            ended.append(error)

    threads = [threading.Thread(target=run, args=(event,)) for event in events]
    for thread in threads:
        thread.start()
    assert all(event.wait(10) for event in events)
    cancel.cancel()
    for thread in threads:
        thread.join(PROMPT)
    assert len(ended) == len(threads)


def test_a_token_that_fired_before_asks_nobody(registry, transport):
    cancel = Cancel()
    cancel.cancel()
    with pytest.raises(Cancelled):
        transport.resolve(ResolveRequest(f"{registry.host}/box:latest", cancel))
    assert registry.count() == 0


def test_a_deadline_ends_the_pause_between_attempts(registry, transport):
    registry.fail(Fault(Action.STATUS, status=503, headers=(("Retry-After", "9"),)))
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        transport.resolve(ResolveRequest(f"{registry.host}/box:latest", Cancel(0.3)))
    assert time.monotonic() - began < PROMPT
    assert registry.count() == 1


def test_a_deadline_ends_connecting(transport):
    """A full queue of a listening socket: the kernel drops further SYNs, so connect() blocks."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
            fillers.append(filler)
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            transport.resolve(ResolveRequest(f"127.0.0.1:{server.getsockname()[1]}/box:latest", Cancel(0.3)))
        assert time.monotonic() - began < PROMPT
        for filler in fillers:
            filler.close()
