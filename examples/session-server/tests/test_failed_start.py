"""Clients that wait for a container whose start fails, and the command's help."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys

from .client import Client, run
from .conftest import HERE


def test_a_wait_for_what_never_ran_is_answered_with_a_code(api: Client, image: str) -> None:
    async def work() -> None:
        id = await api.create(image, "no-such-command", HostConfig={"AutoRemove": True})
        async with api.begin("POST", f"/containers/{id}/wait?condition=removed") as waiting:
            assert waiting.answer.status == 200
            started = await api.call("POST", f"/containers/{id}/start")
            assert started.status >= 400 and b"no-such-command" in started.body
            size = int(await asyncio.wait_for(waiting.reader.readuntil(b"\r\n"), 30), 16)
            assert json.loads(await waiting.reader.readexactly(size)) == {"StatusCode": 125}

    run(work())


def test_help_is_one_sentence_that_is_whole() -> None:
    environ = {**os.environ, "PYTHONPATH": f"{HERE}:{os.environ.get('PYTHONPATH', '')}", "COLUMNS": "100"}
    done = subprocess.run([sys.executable, "-m", "session_server", "--help"], capture_output=True, text=True, timeout=60, env=environ)
    assert done.returncode == 0
    assert "Containers' sessions by Docker's API." in done.stdout and "``" not in done.stdout
