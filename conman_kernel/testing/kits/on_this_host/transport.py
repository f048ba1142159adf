"""The transport kit for ``conman plugin test``: images come from a loopback registry, or are written by the plugin itself."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Callable, Iterator, Mapping, cast

import pytest

from conman_kernel.slots.provider import Provider
from conman_kernel.slots.transport import ImageTransport
from conman_kernel.testing.images import Image
from conman_kernel.testing.kits import TransportContract
from conman_kernel.testing.kits.on_this_host import Host
from conman_kernel.testing.kits.outcomes import unavailable
from conman_kernel.testing.kits.transport.bench import Source
from conman_kernel.testing.registry import Registry


class TestTransport(TransportContract):
    """The installed transport."""

    @pytest.fixture
    def provider(self, conman_host: Host) -> Provider[ImageTransport]:
        """As installed."""
        return cast("Provider[ImageTransport]", conman_host.provider)

    @pytest.fixture
    def options(self, conman_host: Host) -> Mapping[str, object]:
        """As configured."""
        return conman_host.context.options

    @pytest.fixture
    def registry(self) -> Iterator[Registry]:
        """A registry on a loopback port."""
        with Registry() as made:
            yield made

    @pytest.fixture
    def stock(self, conman_host: Host, registry: Registry, scratch: Path) -> Callable[[Image], str]:
        """In the registry, or at a path where the plugin writes it."""
        numbers = itertools.count()
        writing = Source(_of_slot(conman_host), conman_host.context, "")
        if hasattr(writing.transport, "login"):
            def served(made: Image) -> str:
                name = f"kit/{next(numbers)}:latest"
                registry.add_image(made, name)
                return f"{registry.host}/{name}"

            return served
        if not hasattr(writing.transport, "write"):
            unavailable("nothing here can put an image where this transport reads it",
                        "its own tests can: subclass TransportContract and override the fixture stock")

        def written(made: Image) -> str:
            location = f"{scratch}/stock-{next(numbers)}"
            writing.write(location, made)
            return location

        return written

    @pytest.fixture
    def fresh(self, conman_host: Host, registry: Registry, scratch: Path) -> Callable[[], str]:
        """In the registry, or a path."""
        numbers = itertools.count()
        if hasattr(_of_slot(conman_host).open(conman_host.context), "login"):
            return lambda: f"{registry.host}/fresh/{next(numbers)}:latest"
        (scratch / "fresh").mkdir()
        return lambda: f"{scratch}/fresh/{next(numbers)}"


def _of_slot(host: Host) -> Provider[ImageTransport]:
    """The provider, of its own type."""
    return cast("Provider[ImageTransport]", host.provider)
