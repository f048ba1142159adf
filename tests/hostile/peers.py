"""What podman and containerd make of a case: each with a store of its own in memory, for the comparison."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Protocol

from conman_kernel.testing.images import Image, write_layout

PATIENCE = 120
BOUND = ["prlimit", "--fsize=268435456"]
"""Both write a sparse file's holes as zeros: 1 TiB of them would fill the machine's memory."""


class Peer(Protocol):
    """Takes images in and shows their trees."""

    def take(self, made: Image, name: str) -> str:
        """Bring an image in; returns what was said against it, empty where it was accepted."""

    def shown(self, name: str) -> object:
        """A context manager of the path of its root file system."""

    def forget(self, name: str) -> None:
        """Remove it."""


def _run(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=PATIENCE)


class Podman:
    """podman, on overlay."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        self._base = [*BOUND, "podman", "--root", str(folder / "root"), "--runroot", str(folder / "run"), "--storage-driver", "overlay",
                      "--tmpdir", str(folder / "tmp")]

    def take(self, made: Image, name: str) -> str:
        name, layout = name.lower(), self._folder / "layout"
        write_layout(made, str(layout), tag="it")
        done = _run(*self._base, "pull", "--quiet", f"oci:{layout}:it")
        shutil.rmtree(layout)
        if done.returncode:
            return done.stderr.strip().splitlines()[-1]
        _run(*self._base, "tag", done.stdout.strip(), f"localhost/{name}:it")
        return ""

    @contextmanager
    def shown(self, name: str) -> Iterator[str]:
        done = _run(*self._base, "image", "mount", f"localhost/{name.lower()}:it")
        assert done.returncode == 0, done.stderr
        try:
            yield done.stdout.strip()
        finally:
            _run(*self._base, "image", "umount", "--force", f"localhost/{name.lower()}:it")

    def forget(self, name: str) -> None:
        _run(*self._base, "rmi", "--all", "--force")

    def close(self) -> None:
        _run(*self._base, "rmi", "--all", "--force")
        subprocess.run(["umount", "-l", str(self._folder / "root/overlay")], capture_output=True)
        shutil.rmtree(self._folder)


class Containerd:
    """containerd, through ``ctr``, on its overlayfs snapshotter."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        (folder / "config.toml").write_text(
            f'version = 2\nroot = "{folder}/root"\nstate = "{folder}/state"\n'
            f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "{folder}/sock"\n')
        self._daemon = subprocess.Popen([*BOUND, "containerd", "--config", str(folder / "config.toml")], stderr=subprocess.PIPE)
        assert self._daemon.stderr is not None
        for line in self._daemon.stderr:
            if b"successfully booted" in line:
                break
        self._drain = subprocess.Popen(["cat"], stdin=self._daemon.stderr, stdout=subprocess.DEVNULL)
        self._base = ["ctr", "--address", f"{folder}/sock"]

    def take(self, made: Image, name: str) -> str:
        layout, archive = self._folder / "layout", self._folder / "archive.tar"
        name = name.lower()
        write_layout(made, str(layout), tag="it")
        subprocess.run(["tar", "-C", str(layout), "-cf", str(archive), "."], check=True)
        done = _run(*self._base, "images", "import", "--base-name", f"localhost/{name}", str(archive))
        shutil.rmtree(layout)
        archive.unlink()
        return (done.stderr.strip() or str(done.returncode)).splitlines()[-1] if done.returncode else ""

    @contextmanager
    def shown(self, name: str) -> Iterator[str]:
        point = self._folder.resolve() / "mounted"
        point.mkdir(exist_ok=True)
        done = _run(*self._base, "images", "mount", f"localhost/{name.lower()}:it", str(point))
        assert done.returncode == 0, done.stderr
        try:
            yield str(point)
        finally:
            _run(*self._base, "images", "unmount", "--rm", str(point))

    def forget(self, name: str) -> None:
        names = _run(*self._base, "images", "ls", "-q").stdout.split()
        if names:
            _run(*self._base, "images", "rm", "--sync", *names)

    def close(self) -> None:
        self._daemon.send_signal(signal.SIGTERM)
        self._daemon.wait(30)
        self._drain.wait(30)
        if os.path.ismount(self._folder / "mounted"):
            subprocess.run(["umount", "-l", str(self._folder / "mounted")], check=True)
        shutil.rmtree(self._folder)
