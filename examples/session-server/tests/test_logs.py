"""Logs over HTTP."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import AsyncExitStack

from conman_kernel.testing.command import Command

from .client import Client, Stream, run

BOTH = "stdout=1&stderr=1"


async def frames(api: Client, target: str) -> dict[int, bytes]:
    """A whole log, by stream."""
    answer = await api.call("GET", target)
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == "application/vnd.docker.multiplexed-stream"
    reader = asyncio.StreamReader()
    reader.feed_data(answer.body)
    reader.feed_eof()
    return await Stream(answer, reader, None).frames()  # type: ignore[arg-type]


def test_streams_tail_times_and_bounds(api: Client, image: str) -> None:
    async def work() -> None:
        async with api.container(image, "sh", "-c", "echo 1; echo 2; echo err >&2; printf 3") as id:
            began = time.time()
            await api.start(id)
            await api.wait(id)
            logs = f"/v1.43/containers/{id}/logs"
            assert await frames(api, f"{logs}?{BOTH}") == {1: b"1\n2\n3", 2: b"err\n"}
            assert await frames(api, f"{logs}?stdout=1&tail=1") == {1: b"3"}
            assert await frames(api, f"{logs}?stderr=1&follow=1") == {2: b"err\n"}
            assert await frames(api, f"{logs}?{BOTH}&since={time.time() + 60:.9f}") == {}
            assert await frames(api, f"{logs}?{BOTH}&until={began - 60:.9f}") == {}
            stamped = (await frames(api, f"{logs}?stdout=1&timestamps=1"))[1].splitlines()
            assert [re.sub(rb"^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-][\d:]+) ", b"T ", line) for line in stamped] == [b"T 1", b"T 2", b"T 3"]
            assert (await api.call("GET", logs)).status == 400
            assert (await api.call("GET", f"{logs}?{BOTH}&since=yesterday")).status == 400

    run(work())


def test_following_to_the_end(api: Client, image: str) -> None:
    async def work() -> None:
        async with api.container(image, "sh", "-c", "echo begin; read x; echo end", OpenStdin=True) as id:
            await api.start(id)
            async with api.begin("GET", f"/containers/{id}/logs?{BOTH}&follow=1") as following:
                await following.until(b"begin\n")
                async with api.stream(f"/containers/{id}/attach?stream=1&stdin=1") as stream:
                    await stream.send(b"\n")
                    assert (await following.until(b"0\r\n\r\n")).count(b"end\n") == 1

    run(work())


def test_a_container_that_keeps_no_log(api: Client, conman: Command, image: str) -> None:
    id = conman.ok("create", "--log-driver", "none", image, "true").strip()
    assert run(api.call("GET", f"/containers/{id}/logs?{BOTH}")).status == 409
    run(api.remove(id))


def test_many_followers_at_once_are_let_go(api: Client, image: str) -> None:
    """Twice, and the server answers others meanwhile."""
    async def work() -> None:
        async with api.container(image, "sh", "-c", "echo up; exec sleep 600") as id:
            await api.start(id)
            for _ in range(2):
                async with AsyncExitStack() as stack:
                    for _ in range(40):
                        following = await stack.enter_async_context(api.begin("GET", f"/containers/{id}/logs?{BOTH}&follow=1"))
                        assert following.answer.status == 200
                        await following.until(b"up\n")
                    assert (await api.ok("GET", f"/containers/{id}/json"))["State"]["Running"]

    run(work())
