"""Attach over a WebSocket."""

from __future__ import annotations

import json
import os

from wsproto import events

from .client import Client, run

ALL = "stream=1&stdin=1&stdout=1&stderr=1"


def channels(messages: list[bytes]) -> dict[int, bytes]:
    """Messages by their channel."""
    found: dict[int, bytes] = {}
    for message in messages:
        found[message[0]] = found.get(message[0], b"") + message[1:]
    return found


def test_dockers_form_is_plain_bytes(api: Client, image: str) -> None:
    async def work() -> None:
        async with api.container(image, "sh", "-c", "read x; echo got $x; echo err >&2", OpenStdin=True) as id:
            async with api.websocket(f"/v1.43/containers/{id}/attach/ws?{ALL}") as (ws, protocol):
                assert protocol == ""
                await api.start(id)
                await ws.send(b"hello\n")
                messages, code = await ws.messages()
                assert sorted(b"".join(messages).splitlines()) == [b"err", b"got hello"]
                assert code == 1000
            assert await api.wait(id) == 0

    run(work())


def test_kubernetes_channels_half_close_and_say_the_exit_code(api: Client, image: str) -> None:
    async def work() -> None:
        sent = os.urandom(300_000)
        protocols = ("v4.channel.k8s.io", "v5.channel.k8s.io")
        async with api.container(image, "sh", "-c", "cat; echo err >&2; exit 9", OpenStdin=True) as id, \
                api.websocket(f"/containers/{id}/attach/ws?{ALL}", *protocols) as (ws, protocol):
            assert protocol == "v5.channel.k8s.io"
            await api.start(id)
            for at in range(0, len(sent), 50_000):
                await ws.send(b"\0" + sent[at:at + 50_000])
            await ws.send(b"\xff\0")
            messages, code = await ws.messages()
            found = channels(messages)
            assert (found[1], found[2], code) == (sent, b"err\n", 1000)
            status = json.loads(found[3])
            assert status["status"] == "Failure" and status["reason"] == "NonZeroExitCode"
            assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "9"}]

    run(work())


def test_kubernetes_channel_4_sets_the_size(api: Client, image: str) -> None:
    async def work() -> None:
        async with api.container(image, "sh", "-c", "read x; stty size", OpenStdin=True, Tty=True) as id:
            await api.start(id)
            async with api.websocket(f"/containers/{id}/attach/ws?{ALL}", "v4.channel.k8s.io") as (ws, _):
                await ws.send(b'\x04{"Width": 66, "Height": 22}')
                await ws.send(b"\0\n")
                found = channels((await ws.messages())[0])
                assert found[1].endswith(b"22 66\r\n")
                assert json.loads(found[3])["status"] == "Success"

    run(work())


def test_a_client_that_says_goodbye_or_vanishes_has_detached(api: Client, image: str) -> None:
    async def work() -> None:
        async with api.container(image, "cat", OpenStdin=True) as id:
            await api.start(id)
            for goodbye in (True, False):
                async with api.websocket(f"/containers/{id}/attach/ws?{ALL}") as (ws, _):
                    await ws.send(b"x")
                    async for event in ws.events():
                        if isinstance(event, events.BytesMessage):
                            assert event.data == b"x"
                            if not goodbye:
                                break
                            ws._writer.write(ws._ws.send(events.CloseConnection(1000)))
                        elif isinstance(event, events.CloseConnection):
                            break
            assert (await api.ok("GET", f"/containers/{id}/json"))["State"]["Running"]

    run(work())


def test_what_breaks_the_protocol_ends_the_connection_and_nothing_else(api: Client, image: str) -> None:
    async def work() -> None:
        async with api.container(image, "cat", OpenStdin=True) as id:
            await api.start(id)
            for wrong in ("text", b"\x04not a size", b"\x04" + bytes(5000)):
                async with api.websocket(f"/containers/{id}/attach/ws?{ALL}", "v5.channel.k8s.io") as (ws, _):
                    await ws.send(wrong)
                    messages, _ = await ws.messages()
                    assert messages == []
            assert (await api.ok("GET", f"/containers/{id}/json"))["State"]["Running"]
            assert (await api.call("GET", f"/containers/{id}/attach/ws?{ALL}")).status == 400

    run(work())
