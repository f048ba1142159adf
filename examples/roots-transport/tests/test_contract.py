"""The kit for image transports, on this one."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Callable, Mapping

import pytest

import conman_roots_transport
from conman_kernel.slots.provider import Provider
from conman_kernel.slots.transport import ImageTransport
from conman_kernel.testing.images import Image, image
from conman_kernel.testing.kits import TransportContract


def lowest(made: Image) -> bytes:
    """The lowest layer: a root file system is one."""
    manifest = json.loads(made.blobs[made.descriptor.digest])
    return made.blobs[manifest["layers"][0]["digest"]]


def config_of(made: Image) -> Mapping[str, object]:
    config: Mapping[str, object] = json.loads(made.blobs[made.image_id])["config"]
    return config


class TestRoots(TransportContract):
    @pytest.fixture
    def provider(self) -> Provider[ImageTransport]:
        return conman_roots_transport.conman_image_transport()

    @pytest.fixture
    def options(self) -> Mapping[str, object]:
        return {"env": ()}

    @pytest.fixture
    def held(self) -> Callable[[Image], Image]:
        return lambda made: image([lowest(made)], config=config_of(made))

    @pytest.fixture
    def stock(self, scratch: Path) -> Callable[[Image], str]:
        numbers = itertools.count()

        def put(made: Image) -> str:
            folder = scratch / f"roots-{next(numbers)}"
            folder.mkdir()
            (folder / "box.tar").write_bytes(lowest(made))
            (folder / "box.json").write_text(json.dumps({"config": config_of(made)}))
            return f"{folder}:box"

        return put
