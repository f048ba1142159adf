"""Exec sessions: made, started, joined, asked about; by one server or by two."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import AsyncIterator, Callable

import pytest

from .client import Client, Stream, run
from .conftest import Server


@asynccontextmanager
async def running(api: Client, image: str) -> AsyncIterator[str]:
    """A container that runs."""
    async with api.container(image, "sleep", "600") as id:
        await api.start(id)
        yield id


async def made(api: Client, container: str, *command: str, **more: object) -> str:
    """An exec session."""
    return (await api.ok("POST", f"/v1.43/containers/{container}/exec", {"Cmd": command, **more}))["Id"]


def started(api: Client, id: str, **more: object):
    """It as a stream."""
    return api.stream(f"/v1.43/exec/{id}/start", {"Detach": False, **more})


async def ended(api: Client, id: str) -> int:
    """Its exit code, which is known once its stream has ended."""
    found = await api.ok("GET", f"/exec/{id}/json")
    assert not found["Running"]
    return found["ExitCode"]


def test_streams_are_apart_and_the_exit_code_is_kept(api: Client, image: str) -> None:
    async def work() -> None:
        async with running(api, image) as container:
            id = await made(api, container, "sh", "-c", "cat; echo $A >&2; pwd; exit 5", AttachStdin=True, Env=["A=b"],
                            WorkingDir="/bin")
            before = await api.ok("GET", f"/exec/{id}/json")
            assert (before["Running"], before["ExitCode"], before["ContainerID"]) == (False, None, container)
            async with started(api, id) as stream:
                assert stream.answer.status == 101
                await stream.send(b"in\n")
                stream.half_close()
                assert await stream.frames() == {1: b"in\n/bin\n", 2: b"b\n"}
            assert await ended(api, id) == 5
            again = await api.call("POST", f"/exec/{id}/start", {})
            assert again.status == 409

    run(work())


def test_detached(api: Client, image: str) -> None:
    async def work() -> None:
        async with running(api, image) as container:
            id = await made(api, container, "sh", "-c", "exit 3")
            assert (await api.call("POST", f"/exec/{id}/start", {"Detach": True})).status == 200
            while (await api.ok("GET", f"/exec/{id}/json"))["Running"]:
                continue  # nobody waits for one in this API
            assert await ended(api, id) == 3

    run(work())


def test_another_server_starts_what_one_has_made(servers: Callable[[], Server], image: str, api: Client) -> None:
    async def work() -> None:
        async with running(api, image) as container:
            first = servers()
            id = await made(first.client(), container, "echo", "hello")
            assert first.close() == 0
            again = servers().client()
            async with started(again, id) as stream:
                assert await stream.frames() == {1: b"hello\n"}
            assert await ended(again, id) == 0

    run(work())


def test_a_server_that_ends_leaves_the_process_and_its_input(servers: Callable[[], Server], image: str, api: Client) -> None:
    async def work() -> None:
        first = servers()
        async with api.container(image, "cat", OpenStdin=True) as id:
            async with first.client().stream(f"/containers/{id}/attach?stream=1&stdin=1&stdout=1") as stream:
                await first.client().start(id)
                await stream.send(b"one\n")
                assert await stream.frame() == (1, b"one\n")
                assert await asyncio.to_thread(first.close) == 0
                assert await stream.frame() is None
            async with api.stream(f"/containers/{id}/attach?stream=1&stdin=1&stdout=1") as stream:
                await stream.send(b"two\n")
                assert await stream.frame() == (1, b"two\n")

    run(work())


def test_a_terminal(api: Client, image: str) -> None:
    async def work() -> None:
        async with running(api, image) as container:
            id = await made(api, container, "sh", "-c", "stty size; read x; stty size", AttachStdin=True, Tty=True)
            async with started(api, id, Tty=True, ConsoleSize=[21, 77]) as stream:
                assert stream.answer.headers["content-type"] == "application/vnd.docker.raw-stream"
                assert await stream.until(b"\r\n") == b"21 77\r\n"
                await api.ok("POST", f"/exec/{id}/resize?h=44&w=111")
                await stream.send(b"\n")
                assert (await stream.reader.read()).endswith(b"44 111\r\n")

    run(work())


@pytest.mark.parametrize("command,code", [(("no-such-command",), 127), (("/etc",), 126)])
def test_what_cannot_be_executed_is_said_in_the_stream(api: Client, image: str, command: tuple[str, ...], code: int) -> None:
    async def work() -> None:
        async with running(api, image) as container:
            id = await made(api, container, *command)
            async with started(api, id) as stream:
                assert stream.answer.status == 101
                assert command[0].encode() in (await stream.frames())[2]
            assert await ended(api, id) == code

    run(work())


def test_a_client_that_vanishes_leaves_it_running(api: Client, image: str) -> None:
    async def work() -> None:
        async with running(api, image) as container:
            id = await made(api, container, "sh", "-c", "echo up; read x; echo $x; exit 4", AttachStdin=True)
            async with started(api, id) as stream:
                assert await stream.frame() == (1, b"up\n")
            assert (await api.ok("GET", f"/exec/{id}/json"))["Running"]

    run(work())


def test_many_at_once(api: Client, image: str) -> None:
    async def one(container: str, number: int) -> None:
        sent = os.urandom(50_000)
        id = await made(api, container, "sh", "-c", f"cat; exit {number}", AttachStdin=True)
        stream: Stream
        async with started(api, id) as stream:
            reading = asyncio.create_task(stream.frames())
            await stream.send(sent)
            stream.half_close()
            assert await reading == {1: sent}
        assert await ended(api, id) == number

    async def work() -> None:
        async with running(api, image) as container:
            await asyncio.gather(*(one(container, number) for number in range(10)))

    run(work())


def test_a_container_must_run(api: Client, image: str) -> None:
    async def work() -> None:
        async with api.container(image, "true") as id:
            refused = await api.call("POST", f"/containers/{id}/exec", {"Cmd": ["true"]})
            assert refused.status == 409 and "running" in refused.json["message"]
            assert (await api.call("POST", f"/containers/{id}/exec", {"Cmd": []})).status == 400
        assert (await api.call("GET", "/exec/0123/json")).status == 404

    run(work())
