"""What a runtime has no command for is refused in one line, and nothing is changed."""

from __future__ import annotations

import pytest

from conman_kernel import Conman, ContainerOptions
from conman_kernel.errors import Unavailable


def test_no_pause_and_no_update(store: Conman, box: str) -> None:
    container = store.containers.run_detached(box, ContainerOptions(command=("sleep", "1000"), pids_limit=99))
    client = store.containers.context.client_of(container.row)
    whole = client.commands
    try:
        client.commands = whole._replace(pause=(), update=())
        with pytest.raises(Unavailable, match=f"container {container.name} cannot be paused: its runtime .* has no such command"):
            container.pause()
        with pytest.raises(Unavailable, match="cannot change the limits of a container that runs"):
            container.update(pids_limit=55)
        assert container.refresh().state == "running" and container.options.pids_limit == 99
    finally:
        client.commands = whole
        container.remove(force=True, timeout=0)
