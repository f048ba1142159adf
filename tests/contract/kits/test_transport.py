"""The stock transports keep the contract."""

from __future__ import annotations

import itertools
from typing import Iterator

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.slots.provider import AS_CONFIGURED, PluginContext
from conman_kernel.slots.transport import WriteRequest
from conman_kernel.testing.images import write_layout
from conman_kernel.testing.kits import TransportContract
from conman_kernel.testing.kits.transport.bench import put_blob, put_manifest
from conman_kernel.testing.registry import Registry


def written(provider, folder):
    """Stocks by the plugin's own writer, for forms that nothing else here writes; other tests read them with peers' tools."""
    import logging

    numbers = itertools.count()

    def stock(made):
        location = f"{folder}/stock-{next(numbers)}"
        transport = provider.open(PluginContext(name="kit", options={}, state_dir="/none", run_dir="/none", log=logging.getLogger("kit"),
                                                access=AS_CONFIGURED))
        writer = transport.write(WriteRequest(location, Cancel(60)))
        for digest, data in made.blobs.items():
            if digest not in made.media_types:
                writer.put_blob(put_blob(made, digest, data))
        writer.put_manifest(put_manifest(made))
        writer.commit(Cancel(60))
        writer.close()
        transport.close()
        return location

    return stock


class TestRegistryPull(TransportContract):
    @pytest.fixture
    def registry(self) -> Iterator[Registry]:
        with Registry() as made:
            yield made

    @pytest.fixture
    def provider(self):
        import conman_registry_pull

        return conman_registry_pull.conman_image_transport()

    @pytest.fixture
    def stock(self, registry):
        numbers = itertools.count()

        def put(made):
            name = f"kit/{next(numbers)}:latest"
            registry.add_image(made, name)
            return f"{registry.host}/{name}"

        return put

    @pytest.fixture
    def fresh(self, registry):
        numbers = itertools.count()
        return lambda: f"{registry.host}/fresh/{next(numbers)}:latest"


class TestOciArchive(TransportContract):
    @pytest.fixture
    def provider(self):
        import conman_oci_archive

        return conman_oci_archive.conman_image_transport()

    @pytest.fixture
    def stock(self, scratch):
        numbers = itertools.count()

        def put(made):
            folder = f"{scratch}/layout-{next(numbers)}"
            write_layout(made, folder, tag="latest")
            return f"{folder}:latest"

        return put


class TestDockerArchive(TransportContract):
    @pytest.fixture
    def provider(self):
        import conman_docker_archive

        return conman_docker_archive.conman_image_transport()

    @pytest.fixture
    def stock(self, provider, scratch):
        return written(provider, scratch)


class TestDir(TransportContract):
    @pytest.fixture
    def provider(self):
        import conman_dir_transport

        return conman_dir_transport.conman_image_transport()

    @pytest.fixture
    def stock(self, provider, scratch):
        return written(provider, scratch)
