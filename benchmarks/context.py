"""What every theme needs: the options, a folder in memory, the contestants, and an image in all of them."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, NamedTuple

import containerd
import peers
import producer
from conman_kernel.testing.docker_registry import DockerRegistry
from conman_kernel.testing.images import busybox_image, directory, file, layer, write_layout
from report import Report

RUNC = "runc (bare)"
STREAM = 1 << 30


class Options(NamedTuple):
    """The numbers of one run. ``size`` is in bytes; None is each case's own choice."""

    rounds: int
    containers: int
    size: int | None
    files: int
    keys: int

    @property
    def stream(self) -> int:
        """Bytes that go through a container."""
        return self.size or STREAM

    @property
    def few(self) -> int:
        """Rounds of what takes seconds."""
        return max(3, self.rounds // 7)


class Bench:
    """One run of the benchmark.

    :param folder: an empty folder in memory, whose owner removes it after :meth:`close`.
    """

    def __init__(self, options: Options, folder: Path, report: Report) -> None:
        self.options = options
        self.folder = folder
        self.report = report
        self.environ = peers.environment(folder)
        main = (peers.conman(folder / "conman"), peers.podman(folder / "podman"))
        more = (peers.docker(folder / "docker"), containerd.containerd(folder / "containerd"))
        #: conman and podman: what builds a state of its own from nothing.
        self.main: list[peers.Peer] = [peer for peer in main if peer is not None]
        #: who can only bring images.
        self.copiers: list[peers.Peer] = peers.copiers(folder / "copiers")
        #: everybody who is here.
        self.everyone: list[peers.Peer] = [*self.main, *(peer for peer in more if peer is not None)]

    @contextmanager
    def image(self, contestants: list[peers.Peer]) -> Iterator[str]:
        """A small image from a registry, pulled by all of them: its reference. In the end all their state is gone.

        It holds busybox and, in ``/bench``, what :mod:`producer` needs.
        """
        layout = self.folder / "small"
        if not layout.exists():
            made = producer.files(self.options.stream)
            extra = [directory("bench"), *(file(f"bench/{name}", data, mode=0o755) for name, data in made.items())]
            write_layout(busybox_image(extra=[layer(extra)]), str(layout))
        store = self.folder / "registry-small"
        store.mkdir(exist_ok=True)
        with DockerRegistry(store) as registry:
            registry.push(layout, "latest", "box:latest")
            reference = f"{registry.host}/box:latest"
            try:
                for peer in contestants:
                    peer.forget()
                    peer.pull(reference)
                yield reference
            finally:
                for peer in contestants:
                    peer.forget()

    @contextmanager
    def rootfs(self) -> Iterator[Path]:
        """A root file system around busybox, for a runtime without any manager."""
        root = self.folder / "rootfs"
        for name in ("bin", "dev", "proc", "sys", "etc"):
            (root / name).mkdir(parents=True)
        shutil.copy(shutil.which("busybox") or "/bin/busybox", root / "bin" / "busybox")
        for name in ("true", "echo", "sleep"):
            (root / "bin" / name).symlink_to("busybox")
        try:
            yield root
        finally:
            shutil.rmtree(root)

    def close(self) -> None:
        """End whatever was started and remove all state."""
        for peer in [*self.everyone, *self.copiers]:
            peer.close()
