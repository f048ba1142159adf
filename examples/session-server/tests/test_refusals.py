"""What is refused, with which status, and how clients may reach the server at all."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest

from conman_kernel.testing.command import Command

from .client import Client, run
from .conftest import HERE, Server


def test_ping_version_and_unknown_calls(api: Client) -> None:
    async def work() -> None:
        for method in ("HEAD", "GET"):
            answer = await api.call(method, "/_ping")
            assert (answer.status, answer.headers["api-version"], answer.headers["ostype"]) == (200, "1.43", "linux")
        assert (await api.ok("GET", "/v1.43/version"))["ApiVersion"] == "1.43"
        for method, target in (("GET", "/"), ("GET", "/v1.43/swarm"), ("POST", "/containers/json"), ("GET", "/containers//json")):
            assert (await api.call(method, target)).status == 404
        assert await api.ok("GET", "/v1.43/containers/json?all=1") == []

    run(work())


def test_names_states_and_words(api: Client, image: str) -> None:
    async def work() -> None:
        async with api.container(image, "sleep", "600", name="known", Labels={"a": "b"}) as id:
            listed = await api.ok("GET", '/containers/json?all=1&filters={"name":["known"],"label":{"a=b":true}}')
            assert [(row["Id"], row["Names"], row["State"]) for row in listed] == [(id, ["/known"], "created")]
            assert (await api.ok("GET", f"/containers/{id[:8]}/json"))["Name"] == "/known"
            for status, method, target, body in (
                    (404, "GET", "/containers/unknown/json", None), (404, "POST", "/containers/unknown/attach?stdout=1", None),
                    (404, "POST", "/containers/create", {"Image": "nothing-of-that-name"}),
                    (409, "POST", "/containers/create?name=known", {"Image": image}),
                    (409, "POST", "/containers/known/kill", None), (409, "POST", "/containers/known/resize?h=1&w=1", None),
                    (400, "POST", "/containers/known/resize?h=1&w=99999999", None), (400, "POST", "/containers/known/resize", None),
                    (400, "POST", "/containers/known/kill?signal=NONSENSE", None), (400, "POST", "/containers/create", b"{"),
                    (400, "POST", "/containers/create", b"[" * 100_000), (400, "POST", "/containers/create", {"Image": 7}),
                    (400, "POST", "/containers/known/attach", None), (400, "GET", "/containers/json?filters=[7]", None),
                    (413, "POST", "/containers/create", b" " * 2_000_000)):
                answer = await api.call(method, target, body)
                assert (answer.status, bool(answer.json["message"])) == (status, True), (target, answer.body)
            await api.start(id)
            assert (await api.call("POST", "/containers/known/start")).status == 304
            assert (await api.call("DELETE", "/containers/known")).status == 409
            assert (await api.call("POST", "/containers/known/kill?signal=SIGKILL")).status == 204
            assert await api.wait(id) == 137

    run(work())


def test_nothing_that_is_asked_for_is_silently_left_out(api: Client, image: str) -> None:
    async def work() -> None:
        answer = await api.call("POST", "/containers/create", {"Image": image, "HostConfig": {"Binds": ["/:/host"], "Privileged": True}})
        assert answer.status == 400 and "Binds, Privileged" in answer.json["message"]

    run(work())


def test_what_cannot_be_started_says_so_and_removes_itself_where_it_was_to(api: Client, image: str) -> None:
    async def work() -> None:
        id = await api.create(image, "no-such-command", HostConfig={"AutoRemove": True})
        async with api.stream(f"/containers/{id}/attach?stdout=1"):
            refused = await api.call("POST", f"/containers/{id}/start")
            assert refused.status == 400 and "no-such-command" in refused.json["message"]
        assert (await api.call("GET", f"/containers/{id}/json")).status == 404

    run(work())


@pytest.mark.parametrize("sent", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 70_000])
def test_what_is_no_http_is_answered_and_left(api: Client, sent: bytes) -> None:
    async def work() -> None:
        reader, writer = await api._connect()
        writer.write(sent)
        try:
            assert (await reader.readline()).startswith(b"HTTP/1.1 4")
        finally:
            writer.close()
        assert (await api.call("GET", "/_ping")).body == b"OK"

    run(work())


def test_the_socket_is_the_owners_alone(server: Server) -> None:
    assert stat.S_IMODE(os.stat(server.path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(server.path)).st_mode) == 0o700


def test_a_loopback_port_answers_programs_and_no_web_pages(servers: Callable[..., Server]) -> None:
    address = servers("tcp://127.0.0.1:0").addresses[0].removeprefix("tcp://")
    host, port = address.rsplit(":", 1)

    async def status(head: str) -> int:
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(f"GET /_ping HTTP/1.1\r\n{head}\r\n\r\n".encode())
            return int((await reader.readline()).split()[1])
        finally:
            writer.close()

    async def work() -> None:
        assert await status(f"Host: {address}") == 200
        assert await status(f"Host: localhost:{port}") == 200
        assert await status(f"Host: {address}\r\nOrigin: https://example.org") == 403
        assert await status("Host: rebound.example.org") == 403

    run(work())


@pytest.mark.parametrize("address,words", [
    ("tcp://0.0.0.0:0", "other machines"), ("tcp://example.org:1", "IP address"), ("http://127.0.0.1:1", "listen on"),
    ("unix:///dev/shm/docker.sock", "mode 0700")])
def test_addresses_that_are_refused(conman: Command, address: str, words: str) -> None:
    done = subprocess.run([sys.executable, "-m", "session_server", address], capture_output=True, text=True, timeout=60,
                          env={**conman.environ, "PYTHONPATH": str(HERE)})
    assert done.returncode == 1 and words in done.stderr and "Traceback" not in done.stderr


def test_a_dead_servers_socket_is_taken_and_a_living_ones_is_not(conman: Command, servers: Callable[..., Server]) -> None:
    address = f"unix://{conman.folder}/again/docker.sock"
    first = servers(address)
    second = subprocess.run([sys.executable, "-m", "session_server", address], capture_output=True, text=True, timeout=60,
                            env={**conman.environ, "PYTHONPATH": str(HERE)})
    assert second.returncode == 1 and "listens there already" in second.stderr
    assert first.close() == 0
    assert Path(first.path).exists()
    assert servers(address).close() == 0
