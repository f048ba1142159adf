"""``images``, ``rmi`` and ``inspect`` beside podman's, verb by verb: the same exit codes and the same lines."""

from __future__ import annotations

import json

import pytest

from conman_kernel.testing.command import Command
from conman_kernel.testing.images import busybox_image, file, image, layer
from conman_kernel.testing.registry import Registry

from .conftest import LIMITS, Podman

LIST = ("images", "--no-trunc", "--format", "{{.Repository}} {{.Tag}} {{.ID}}")


class Both:
    """The same words to conman and podman; they must give the same exit code and the same lines."""

    def __init__(self, conman: Command, podman: Podman) -> None:
        self._tools = (conman, podman)

    def __call__(self, *words: str, code: int = 0, ordered: bool = True) -> list[str]:
        """Say it to both.

        :param ordered: the order of the lines counts.
        :returns: the lines.
        """
        said = []
        for tool in self._tools:
            done = tool(*words)
            assert done.returncode == code, f"{type(tool).__name__} {' '.join(words)}: {done.returncode} {done.stderr}"
            lines = done.stdout.split("\n")[:-1]
            said.append(lines if ordered else sorted(lines))
        assert said[0] == said[1], words
        return said[0]

    def each(self, *words: str) -> None:
        """Say it to both; what they answer is their own."""
        for tool in self._tools:
            tool.ok(*words)

    def images(self) -> list[str]:
        """The list of images, which is the same."""
        return self(*LIST, ordered=False)

    def pull(self, name: str) -> str:
        """Pull an image into both; its id."""
        return self("pull", "-q", "--tls-verify=false", name)[0]


@pytest.fixture
def both(fresh: Command, fresh_podman: Podman) -> Both:
    return Both(fresh, fresh_podman)


def test_names_come_and_go(both: Both, loopback: Registry) -> None:
    made = busybox_image()
    for name in ("box:1", "box:2", "team/other:1"):
        loopback.add_image(made, name)
    host = loopback.host
    ids = {both.pull(f"{host}/{name}") for name in ("box:1", "box:2", "team/other:1")}
    id, = ids
    assert len(both.images()) == 3
    both("rmi", id, code=125)
    assert both("rmi", f"{host}/box:1") == [f"Untagged: {host}/box:1"]
    assert both("rmi", "-f", f"{host}/box:2") == [f"Untagged: {host}/box:2"], "force does not take the other names"
    assert len(both.images()) == 1
    both.pull(f"{host}/box:2")
    both("rmi", "-f", id[:12], ordered=False)
    assert both.images() == []
    both("rmi", id, code=1)
    both("rmi", f"{host}/box:1", code=1)
    assert both("rmi", "-f", f"{host}/box:1") == []
    assert both("rmi", "--ignore", f"{host}/box:1") == []


def test_a_tag_that_moved_leaves_its_image_dangling(both: Both, loopback: Registry) -> None:
    name = f"{loopback.host}/box:latest"
    loopback.add_image(busybox_image(), "box:latest")
    before = both.pull(name)
    loopback.add_image(busybox_image(config={"Cmd": ["true"]}), "box:latest")
    assert both.pull(name) != before
    assert f"<none> <none> sha256:{before}" in both.images()
    assert both("images", "-q", "--no-trunc", "--filter", "dangling=true") == [f"sha256:{before}"]
    assert both("inspect", "--format", "{{.RepoTags}} {{.RepoDigests}}", before) == ["[] []"]
    both("rmi", before)
    assert len(both.images()) == 1


def test_an_image_without_a_tag(both: Both, loopback: Registry) -> None:
    digest = loopback.add_image(busybox_image(), "box:1")
    name = f"{loopback.host}/box@{digest}"
    id = both.pull(name)
    assert both.images() == [f"{loopback.host}/box <none> sha256:{id}"]
    assert both("images", "-q", "--filter", "dangling=true") == []
    assert both("rmi", name) == [f"Untagged: {name}", f"Deleted: {id}"]


def test_images_in_use(both: Both, loopback: Registry) -> None:
    names = [f"{loopback.host}/box:{number}" for number in range(3)]
    for number, name in enumerate(names):
        loopback.add_image(busybox_image(config={"Cmd": [str(number)]}), f"box:{number}")
        both.pull(name)
    both.each("create", "--name", "holder", *LIMITS, names[0], "true")
    both.each("run", "-d", "--name", "runner", "--stop-signal", "KILL", *LIMITS, names[1], "sleep", "1000")
    both("rmi", names[0], code=2)
    both("rmi", names[0], names[2], code=2)
    assert len(both.images()) == 2, "the others go all the same"
    both.pull(names[2])
    both("rmi", "-a", code=2, ordered=False)
    assert len(both.images()) == 2
    both("rmi", "-f", names[0])
    assert both("ps", "-a", "--format", "{{.Names}}") == ["runner"]
    both("rmi", "-a", "-f", ordered=False)
    assert both("ps", "-a", "-q") == [] and both.images() == []


FULL = {
    "User": "1000:50", "ExposedPorts": {"80/tcp": {}, "53/udp": {}}, "Env": ["PATH=/bin", "A=b c"],
    "Entrypoint": ["/bin/sh", "-c"], "Cmd": ["echo hi"], "Volumes": {"/data": {}}, "WorkingDir": "/tmp",
    "Labels": {"a": "b", "org.example.x": ""}, "StopSignal": "SIGQUIT", "Shell": ["/bin/sh", "-c"], "OnBuild": ["RUN true"],
    "Healthcheck": {"Test": ["CMD", "true"], "Interval": 30000000000, "Timeout": 1000000000, "Retries": 3},
}


@pytest.mark.parametrize("docker", [False, True], ids=["oci", "docker"])
@pytest.mark.parametrize("config", [{}, FULL], ids=["bare", "full"])
def test_inspect_is_podmans(both: Both, fresh: Command, fresh_podman: Podman, loopback: Registry, config: dict[str, object],
                            docker: bool) -> None:
    """All keys in podman's order, all values; but for the storage drivers' own, and for sizes, into which podman counts some
    documents of its store."""
    made = image([layer([file("a", b"x" * 5000)]), layer([file("b")])], config=config, docker=docker,
                 annotations=None if docker else {"org.example.note": "yes"})
    loopback.add_image(made, "full:1")
    id = both.pull(f"{loopback.host}/full:1")
    ours, theirs = (json.loads(tool.ok("image", "inspect", id))[0] for tool in (fresh, fresh_podman))
    assert list(ours) == list(theirs)
    for own in ("GraphDriver", "Size", "VirtualSize"):
        assert type(ours.pop(own)) is type(theirs.pop(own))
    assert ours == theirs
