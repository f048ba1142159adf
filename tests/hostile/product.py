"""The whole product on hostile images: pulled from the loopback registry, unpacked by the worker, shown by the driver."""

from __future__ import annotations

import hashlib
import logging
import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from conman_kernel import Cancel, Conman
from conman_kernel.images.mounted import merged
from conman_kernel.slots import STORAGE
from conman_kernel.slots.storage import KeyRequest, PrepareRequest, StorageDriver
from conman_kernel.testing.aftermath import Aftermath, differences, look
from conman_kernel.testing.hostile.cases import Case, Layer
from conman_kernel.testing.images import Image, Lies, image
from conman_kernel.testing.registry import Registry

DRIVERS = ("overlay-storage", "vfs-storage")
DEADLINE = 30.0
"""Seconds after which a pull counts as hung."""
SETTLING = 3.0
"""Seconds that what a pull left behind is given to go."""
MOST_DATA = 1 << 27
"""Files that are bigger are not read."""
HOST = ("/etc/passwd", "/etc/shadow", "/etc", "/", "/root", "/dev", "/dev/null", "/dev/zero", "/proc/sys/kernel/core_pattern",
        "/proc/self/root", "/usr", "/usr/bin", "/bin", "/lib")
"""Places of the host that hostile names aim at."""


def served(layers: list[Layer]) -> Image:
    """An image of layers, whose documents tell the truth."""
    return image([layer.blob for layer in layers],
                 lies=Lies(diff_ids=[layer.diff_id for layer in layers], layer_types=[layer.media_type for layer in layers]))


class Surroundings:
    """What lies around a store: a canary folder beside it, and the places of the host that hostile names aim at."""

    def __init__(self, folder: Path) -> None:
        self.outside = folder / "outside"
        self.outside.mkdir(parents=True)
        (self.outside / "sentinel").write_text("untouched")
        (self.outside / "in").mkdir()
        (self.outside / "in/deep").write_text("untouched")
        os.symlink("sentinel", self.outside / "link")
        self._folder = folder
        self._before: dict[str, tuple[object, ...]] = {}

    def remember(self) -> None:
        """What is to stay as it is now."""
        self._before = self.look()

    def look(self) -> dict[str, tuple[object, ...]]:
        """Attributes and listings."""
        found: dict[str, tuple[object, ...]] = {}
        for path in HOST:
            state = os.stat(path)
            times = () if path in ("/dev", "/", "/proc/self/root", "/proc/sys/kernel/core_pattern") else (state.st_mtime_ns,)
            names = tuple(sorted(os.listdir(path))) if stat.S_ISDIR(state.st_mode) and path != "/proc/self/root" else ()
            found[path] = (state.st_mode, state.st_uid, state.st_gid, state.st_rdev, *times, names)
        found["core_pattern"] = (Path("/proc/sys/kernel/core_pattern").read_bytes(),)
        for top, folders, files in os.walk(self.outside):
            for name in [".", *folders, *files]:
                path = os.path.join(top, name)
                state = os.lstat(path)
                data = hashlib.sha256(Path(path).read_bytes()).hexdigest() if stat.S_ISREG(state.st_mode) else ""
                found[path] = (state.st_mode, state.st_uid, state.st_gid, state.st_nlink, state.st_mtime_ns, data)
        found["beside"] = (tuple(sorted(os.listdir(self._folder))),)
        return found

    def changes(self) -> list[str]:
        """What is not as it was."""
        now = self.look()
        return [f"{path}: {self._before.get(path)} -> {now.get(path)}" for path in sorted({*self._before, *now})
                if self._before.get(path) != now.get(path)]


class Product:
    """One store with one storage driver, used for many cases one after the other."""

    def __init__(self, folder: Path, driver: str) -> None:
        folder.mkdir()
        self.folder = folder
        self.driver_name = driver
        self.around = Surroundings(folder)
        (folder / "conman.toml").write_text("")
        self.conman = self.opened()
        self._before: Aftermath

    def opened(self, **overrides: object) -> Conman:
        """A kernel on the store."""
        return Conman(root=str(self.folder / "store/root"), run_root=str(self.folder / "store/run"),
                      config=str(self.folder / "conman.toml"), environ={"CONMAN_CONTAINERS_NETWORK": "none"}, log=logging.getLogger("hostile"),
                      overrides={"storage.driver": self.driver_name, **overrides})

    @property
    def root(self) -> Path:
        """The store's folder."""
        return self.folder / "store/root"

    def pull(self, reference: str, seconds: float = DEADLINE) -> str:
        """Pull an image; returns its id."""
        with Cancel(seconds) as cancel:
            return str(self.conman.images.pull(reference, cancel=cancel).id)

    @contextmanager
    def shown(self, image_id: str) -> Iterator[str]:
        """The path of the image's root file system, for the block."""
        chain_id = self.conman.images.get(image_id).top_chain_id
        driver: StorageDriver = self.conman.plugins.get(STORAGE, self.driver_name)
        cancel = Cancel(DEADLINE)
        driver.view(PrepareRequest("hostile-look", chain_id, cancel))
        try:
            with merged(driver.mounts(KeyRequest("hostile-look", cancel)), self.conman.layout, "hostile-look") as fd:
                yield f"/proc/self/fd/{fd}/."
        finally:
            driver.remove(KeyRequest("hostile-look", cancel))
            cancel.close()

    def settle(self, registry: Registry, case: Case) -> None:
        """Pull, show and remove one image, so that what a first pull makes is there, and remember that state."""
        registry.add_image(served(case.built()), "settle:1")
        image_id = self.pull(f"{registry.host}/settle:1")
        with self.shown(image_id):
            pass
        self.conman.images.remove(image_id)
        self._before = look(str(self.root), str(self.folder / "store/run"))
        self.around.remember()

    def left(self) -> list[str]:
        """How the store differs from the state that was remembered: files, rows, mounts, processes, content on its way."""
        ingest = self.root / "ingest"
        half = [f"ingest: {name}" for name in sorted(os.listdir(ingest))] if ingest.exists() else []
        return differences(self._before, str(self.root), str(self.folder / "store/run"), SETTLING) + half
