"""Whatever is done in whatever order: a check finds nothing, and every image and container shows what it always showed."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Callable

import pytest

from conman_kernel import Conman
from conman_kernel.errors import ConmanError, InvalidState, NotFound
from conman_kernel.images.service import Images

pytestmark = pytest.mark.slow

NAMES = ("one", "two", "low", "half", "other")
STEPS = 60


class Model:
    """What should be there: names of images by image, containers by name."""

    def __init__(self, store, archives: Images, folder: Path, seed: int) -> None:
        self.store = store
        self.chance = random.Random(seed)
        self.trees: dict[str, object] = {}
        self.names: dict[str, str] = {}
        self.containers: dict[str, str] = {}
        self.count = 0
        self.folder = folder
        self.archives = archives

    def step(self) -> str:
        actions: list[Callable[[], str]] = [self.pull] * 5 + [self.create] * 3 + [self.tag] * 2 + [
            self.untag, self.remove, self.remove, self.remove_by_id, self.remove_container, self.prune, self.collect,
            self.save_and_load, self.system_prune, self.repair]
        return self.chance.choice(actions)()

    def pull(self) -> str:
        name = self.chance.choice(NAMES)
        image = self.store.pull(name)
        self.names[f"registry.test/{name}:latest"] = image.id
        self.trees.setdefault(image.id, self.store.tree(image.top_chain_id))
        return f"pull {name}"

    def tag(self) -> str:
        if not self.names:
            return "no tag"
        image, name = self.chance.choice(sorted(self.names.values())), f"localhost/t{self.chance.randrange(4)}:latest"
        self.store.images.tag(image, name)
        self.names[name] = image
        return f"tag {image[:6]} {name}"

    def untag(self) -> str:
        if not self.names:
            return "no untag"
        name = self.chance.choice(sorted(self.names))
        self.store.images.untag(name, name)
        del self.names[name]
        return f"untag {name}"

    def remove(self) -> str:
        if not self.names:
            return "no rmi"
        name = self.chance.choice(sorted(self.names))
        try:
            self.store.images.remove(name)
        except InvalidState:
            assert list(self.names.values()).count(self.names[name]) == 1 and self.names[name] in self.containers.values()
            return f"rmi {name}: in use"
        del self.names[name]
        return f"rmi {name}"

    def remove_by_id(self) -> str:
        here = [image.id for image in self.store.images.list()]
        if not here:
            return "no rmi"
        image = self.chance.choice(sorted(here))
        try:
            self.store.images.remove(image, force=True)
        except InvalidState:
            assert image in self.containers.values()
            return f"rmi {image[:6]}: in use"
        self.names = {name: other for name, other in self.names.items() if other != image}
        return f"rmi {image[:6]}"

    def create(self) -> str:
        here = sorted(image.id for image in self.store.images.list())
        if not here:
            return "no create"
        image = self.chance.choice(here)
        self.count += 1
        name = f"c{self.count}"
        self.store.create(image, name)
        self.containers[name] = image
        return f"create {name} {image[:6]}"

    def remove_container(self) -> str:
        if not self.containers:
            return "no rm"
        name = self.chance.choice(sorted(self.containers))
        self.store.containers.get(name).remove()
        del self.containers[name]
        return f"rm {name}"

    def prune(self) -> str:
        everything = self.chance.random() < 0.3
        report = self.store.images.prune(all=everything)
        assert not set(report.deleted) & set(self.containers.values())
        if not everything:
            assert not set(report.deleted) & set(self.names.values())
        self.names = {name: image for name, image in self.names.items() if image not in report.deleted}
        return f"prune all={everything}"

    def save_and_load(self) -> str:
        """Through a layout beside the store, under a new name, as an image that was made here would come in."""
        if not self.names:
            return "no save"
        image, name = self.chance.choice(sorted(self.names.values())), f"localhost/made{self.chance.randrange(3)}:latest"
        where = f"oci:{self.folder}/{self.count}-{self.chance.randrange(10**9)}:{name}"
        self.archives.save([image], where)
        (loaded,) = self.archives.load(where)
        assert loaded.image.id == image and name in loaded.image.names
        self.names[name] = image
        return f"save and load {image[:6]} {name}"

    def system_prune(self) -> str:
        everything = self.chance.random() < 0.3
        report = self.store.system.prune(all=everything)
        assert len(report.containers) == len(self.containers)
        self.containers = {}
        self.names = {name: image for name, image in self.names.items() if image not in report.images.deleted}
        assert not (everything and self.names)
        return f"system prune all={everything}"

    def repair(self) -> str:
        assert self.store.system.check(repair=True, max_age=0.0).findings == ()
        return "repair"

    def collect(self) -> str:
        self.store.images.collect()
        return "collect"

    def check(self) -> None:
        assert [(f.kind, f.subject, f.detail) for f in self.store.system.check(max_age=0.0).findings] == []
        here = {image.id: image for image in self.store.images.list()}
        known = {name: image.id for image in here.values() for name in image.names}
        assert known == self.names
        assert set(self.names.values()) | set(self.containers.values()) <= set(here)
        layers = {chain_id for image in here.values() for chain_id in image.layers}
        assert {row[0] for row in self.store.rows("SELECT chain_id FROM layers")} == layers, "none is missing, none is left"
        needed = {row[0] for row in self.store.rows("SELECT blob_digest FROM image_layers")}
        assert {row[0] for row in self.store.rows("SELECT digest FROM blobs")} == needed
        assert self.store.rows("SELECT id FROM leases") == []
        for id, image in here.items():
            assert self.store.tree(image.top_chain_id) == self.trees[id]


@pytest.mark.parametrize("seed", range(4))
def test_nothing_ever_breaks_another(store, scratch, seed):
    plain = Conman(root=store.layout.root, run_root=store.layout.run_root, environ={"CONMAN_CONTAINERS_NETWORK": "none"},
                   overrides={"storage.driver": store.driver_name, "runtime.name": "runc-runtime"})
    try:
        every_step(store, Model(store, plain.images, scratch / "archives", seed))
    finally:
        plain.close()


def every_step(store, model: Model) -> None:
    done: list[str] = []
    for _ in range(STEPS):
        done.append(model.step())
        try:
            model.check()
        except (AssertionError, ConmanError) as error:
            raise AssertionError(f"after {done}") from error
    assert any(step.startswith("create") for step in done) and any(step.startswith("rmi") for step in done)
    for name in list(model.containers):
        store.containers.get(name).remove()
    store.images.prune(all=True)
    model.names = {}
    model.containers = {}
    model.check()
    assert store.images.list() == [] and store.rows("SELECT * FROM layers") == [] and store.rows("SELECT * FROM blobs") == []
    with pytest.raises(NotFound):
        store.images.get("one")
