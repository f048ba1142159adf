"""Attach over a taken-over HTTP connection."""

from __future__ import annotations

import asyncio
import hashlib
import os

from .client import Client, run

MIB = 1 << 20
BOTH = "stream=1&stdout=1&stderr=1"
ALL = f"{BOTH}&stdin=1"


def test_run_as_docker_does_it_create_attach_wait_start_remove(api: Client, image: str) -> None:
    async def work() -> None:
        id = await api.create(image, "sh", "-c", "cat; echo oops >&2; exit 7", OpenStdin=True, StdinOnce=True,
                              HostConfig={"AutoRemove": True})
        async with api.stream(f"/v1.43/containers/{id}/attach?{ALL}") as stream, \
                api.begin("POST", f"/v1.43/containers/{id}/wait?condition=removed") as waiting:
            assert stream.answer.status == 101
            assert stream.answer.headers["content-type"] == "application/vnd.docker.multiplexed-stream"
            assert waiting.answer.status == 200
            await api.start(id)
            await stream.send(b"hello\n")
            stream.half_close()
            assert await stream.frames() == {1: b"hello\n", 2: b"oops\n"}
            assert b'{"StatusCode": 7}' in await waiting.until(b"}\n")
        assert (await api.call("GET", f"/containers/{id}/json")).status == 404

    run(work())


def test_attach_before_start_loses_nothing(api: Client, image: str) -> None:
    """All of it, though it ends at once and is much more than any buffer holds: the one that started it holds it up."""
    async def work() -> None:
        size = 24 * MIB
        async with api.container(image, "head", "-c", str(size), "/dev/zero") as id:
            async with api.stream(f"/containers/{id}/attach?{BOTH}") as stream:
                await api.start(id)
                assert (await api.ok("GET", f"/containers/{id}/json"))["State"]["Running"]
                assert await stream.frames() == {1: bytes(size)}
            assert await api.wait(id) == 0

    run(work())


def test_half_close_gives_back_all_that_went_in(api: Client, image: str) -> None:
    async def work() -> None:
        sent = os.urandom(MIB)
        async with api.container(image, "cat", OpenStdin=True) as id:
            await api.start(id)
            async with api.stream(f"/containers/{id}/attach?{ALL}") as stream:
                reading = asyncio.create_task(stream.frames())
                await stream.send(sent)
                stream.half_close()
                got = await reading
            assert hashlib.sha256(got[1]).digest() == hashlib.sha256(sent).digest()
            assert await api.wait(id) == 0

    run(work())


def test_several_see_the_same_and_all_may_type(api: Client, image: str) -> None:
    async def work() -> None:
        async with api.container(image, "sh", "-c", "while read line; do echo got $line; done", OpenStdin=True) as id:
            await api.start(id)
            async with api.stream(f"/containers/{id}/attach?{ALL}") as one, api.stream(f"/containers/{id}/attach?{ALL}") as other:
                await one.send(b"1\n")
                assert await one.frame() == await other.frame() == (1, b"got 1\n")
                await other.send(b"2\n")
                assert await one.frame() == await other.frame() == (1, b"got 2\n")

    run(work())


def test_a_terminal_is_raw_and_has_its_size_from_the_start(api: Client, image: str) -> None:
    async def work() -> None:
        script = "stty size; read x; stty size; cat -v"
        async with api.container(image, "sh", "-c", script, Tty=True, OpenStdin=True, HostConfig={"ConsoleSize": [33, 99]}) as id:
            async with api.stream(f"/containers/{id}/attach?{ALL}") as stream:
                assert stream.answer.headers["content-type"] == "application/vnd.docker.raw-stream"
                await api.start(id)
                assert await stream.until(b"\r\n") == b"33 99\r\n"
                await api.ok("POST", f"/containers/{id}/resize?h=44&w=111")
                await stream.send(b"\n")
                assert (await stream.until(b"111\r\n")).endswith(b"44 111\r\n")
                await stream.send(b"\x04")
                assert await stream.reader.read() == b""
            assert await api.wait(id) == 0

    run(work())


def test_twenty_at_once(api: Client, image: str) -> None:
    async def one(number: int) -> None:
        sent = os.urandom(1000) * 200
        async with api.container(image, "sh", "-c", f"cat; exit {number}", OpenStdin=True) as id:
            async with api.stream(f"/containers/{id}/attach?{ALL}") as stream:
                await api.start(id)
                reading = asyncio.create_task(stream.frames())
                await stream.send(sent)
                stream.half_close()
                assert await reading == {1: sent}
            assert await api.wait(id) == number

    async def work() -> None:
        await asyncio.gather(*(one(number) for number in range(20)))

    run(work())


def test_a_client_that_vanishes_has_detached(api: Client, image: str) -> None:
    """The container goes on, its input is open, and the next client finds it so: after `start`, and after a join."""
    async def work() -> None:
        async with api.container(image, "sh", "-c", "while read line; do echo got $line; done", OpenStdin=True) as id:
            for turn in range(3):
                async with api.stream(f"/containers/{id}/attach?{ALL}") as stream:
                    if not turn:
                        await api.start(id)
                    await stream.send(b"%d\n" % turn)
                    assert await stream.frame() == (1, b"got %d\n" % turn)
            assert (await api.ok("GET", f"/containers/{id}/json"))["State"]["Running"]

    run(work())


def test_a_client_that_does_not_read_holds_nothing_up_and_is_told(api: Client, image: str) -> None:
    async def work() -> None:
        size = 32 * MIB
        async with api.container(image, "sh", "-c", f"read x; head -c {size} /dev/zero", OpenStdin=True) as id:
            await api.start(id)
            async with api.stream(f"/containers/{id}/attach?{ALL}") as stream:
                await stream.send(b"\n")
                assert await api.wait(id) == 0  # while nobody reads
                got = await stream.frames()
            assert len(got[1]) < size / 2
            assert got[3].startswith(b"the session was lost")

    run(work())


def test_who_comes_first_waits_for_the_start_and_may_leave_again(api: Client, image: str) -> None:
    async def work() -> None:
        async with api.container(image, "echo", "hello") as id:
            async with api.stream(f"/containers/{id}/attach?{BOTH}"):
                refused = await api.call("POST", f"/containers/{id}/attach?{BOTH}")
                assert refused.status == 409 and "waits" in refused.json["message"]
            assert (await api.call("POST", f"/containers/{id}/attach?logs=1&{BOTH}")).status == 400  # nothing is replayed
            async with api.stream(f"/containers/{id}/attach?{BOTH}") as stream:
                assert stream.answer.status == 101
                await api.start(id)
                assert await stream.frames() == {1: b"hello\n"}

    run(work())


def test_without_upgrade_the_stream_comes_under_status_200(api: Client, image: str) -> None:
    async def work() -> None:
        async with api.container(image, "echo", "hello") as id, api.begin("POST", f"/containers/{id}/attach?{BOTH}") as stream:
            assert stream.answer.status == 200
            await api.start(id)
            assert await stream.frames() == {1: b"hello\n"}

    run(work())


def test_only_what_was_asked_for_comes(api: Client, image: str) -> None:
    async def work() -> None:
        async with api.container(image, "sh", "-c", "echo out; echo err >&2") as id, \
                api.stream(f"/containers/{id}/attach?stream=1&stderr=1") as stream:
            await api.start(id)
            assert await stream.frames() == {2: b"err\n"}

    run(work())
