"""Which containers are started after a reboot, and in which order."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from conman_kernel.containers.container import Container
from conman_kernel.oci.runtime.options import ContainerOptions
from conman_kernel.system.boot import in_order, should_run


def container(num: int, name: str, options: ContainerOptions | None = None, **row: object) -> Container:
    values = {"num": num, "state": "exited", "started": 5.0, "stopped": 0, **row}
    return cast(Container, SimpleNamespace(id=f"{num:064x}", name=name, options=options or ContainerOptions(), row=SimpleNamespace(**values)))


@pytest.mark.parametrize(("policy", "row", "so"), [
    ("always", {}, True), ("always", {"stopped": 1}, True), ("unless-stopped", {}, True), ("unless-stopped", {"stopped": 1}, False),
    ("on-failure", {}, False), ("no", {}, False), ("", {}, False), ("always", {"state": "running"}, False), ("always", {"state": "paused"}, False),
    ("always", {"state": "restarting"}, False), ("always", {"state": "created", "started": 0.0}, False), ("always", {"started": 0.0}, False)])
def test_which(policy: str, row: dict[str, object], so: bool) -> None:
    assert should_run(container(1, "c", ContainerOptions(restart=policy), **row)) is so


@pytest.mark.parametrize("kind", ["network", "pid", "ipc", "uts"])
def test_whoever_is_lived_in_comes_first(kind: str) -> None:
    def lives_in(mode: str) -> ContainerOptions:
        return ContainerOptions()._replace(**{kind: mode})  # type: ignore[arg-type]

    found = [container(1, "a", lives_in("container:c")), container(2, "b"), container(3, "c", lives_in(f"container:{5:064x}")),
             container(4, "d", lives_in("container:elsewhere")), container(5, "e", lives_in("host"))]
    assert [c.name for c in in_order(found[::-1])] == ["e", "c", "a", "b", "d"]


def test_a_circle_ends() -> None:
    found = [container(1, "a", ContainerOptions(network="container:b")), container(2, "b", ContainerOptions(pid="container:a"))]
    assert sorted(c.name for c in in_order(found)) == ["a", "b"]
