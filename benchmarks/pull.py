"""``pull`` from one registry onto tmpfs, with the memory of the process tree: five images, each as it is pulled in earnest."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Callable, Iterator, Mapping, Sequence

import image
import parts
from conman_kernel.testing.docker_registry import DockerRegistry
from context import Bench
from image import Layer, Part
from measure import Whole, alternate, whole
from peers import Peer
from report import Row, Table

FILES_SIZE = 1_100_000_000
LARGE_SIZE = 500_000_000
LARGE_FILES = 5_000
SMALL_LAYERS = 40
NOTE = "peak MB: resident memory of the whole process tree, sampled every 5 ms; shared pages count for each"
Prepare = Callable[[Peer, str], None]


def files(bench: Bench) -> None:
    """Many files in three layers, onto an empty disk; and the parts that this is the sum of."""
    size = bench.options.size or FILES_SIZE
    images = {"latest": image.even(size, bench.options.files, image.LAYERS)}
    with _registry(bench, "files", images) as (registry, layers, layout):
        title = f"{image.LAYERS} layers, {size / 1e6:,.0f} MB in {bench.options.files:,} files"
        measured = _compare(bench, "pull-files", title, f"{registry.host}/files:latest", layers["latest"],
                            parts=parts.contestants(layout, layers["latest"], bench.folder / "parts"))
        bench.report.add(parts.table(measured, bench.main[0].name))


def large(bench: Bench) -> None:
    """One layer, onto an empty disk."""
    size = bench.options.size or LARGE_SIZE
    with _registry(bench, "large", {"latest": [Part(0, LARGE_FILES, size)]}) as (registry, layers, _):
        _compare(bench, "pull-large", f"one layer, {size / 1e6:,.0f} MB in {LARGE_FILES:,} files",
                 f"{registry.host}/large:latest", layers["latest"])


def small(bench: Bench) -> None:
    """Many small layers, onto an empty disk."""
    images = {"latest": [Part(number, 20, 100_000) for number in range(SMALL_LAYERS)]}
    with _registry(bench, "small", images) as (registry, layers, _):
        _compare(bench, "pull-layers", f"{SMALL_LAYERS} layers, each 0.1 MB in 20 files", f"{registry.host}/small:latest",
                 layers["latest"])


def shared(bench: Bench) -> None:
    """A second tag of which all layers but the last are here."""
    below = image.even(200_000_000, 10_000, 4)
    images = {"one": [*below, Part(10, 2_500, 50_000_000)], "two": [*below, Part(11, 2_500, 50_000_000)]}
    with _registry(bench, "shared", images) as (registry, layers, _):
        first = f"{registry.host}/shared:one"

        def prepare(peer: Peer, _: str) -> None:
            peer.forget()
            peer.pull(first)

        _compare(bench, "pull-shared", "a second tag: 4 layers of 200 MB are here, the last one of 50 MB in 2,500 files is not",
                 f"{registry.host}/shared:two", layers["two"][-1:], prepare=prepare)


def present(bench: Bench) -> None:
    """An image that is here: asked for again, and only if it is missing."""
    with bench.image(bench.main) as reference:
        again = {peer.name: partial(whole, peer.command("pull", reference), memory=True) for peer in bench.main}
        _show(bench, "pull-present", "pull of an image that is here and still the same: the registry is asked",
              alternate(again, bench.options.rounds))
        looks = {peer.name: (command, what) for peer in bench.main for command, what in [peer.look(reference)] if command}
        missing = {f"{name} {what}": partial(whole, command, memory=True) for name, (command, what) in looks.items()}
        title = "an image that is here, nobody asked"
        _show(bench, "pull-present", title, alternate(missing, bench.options.rounds),
              baseline=next((name for name in missing if name.startswith("podman")), "podman"))


@contextmanager
def _registry(bench: Bench, name: str,
              images: Mapping[str, Sequence[Part]]) -> Iterator[tuple[DockerRegistry, dict[str, list[Layer]], Path]]:
    """A registry that has the images, their layers by tag, and the layout folder they came from."""
    layout, store = bench.folder / f"layout-{name}", bench.folder / f"registry-{name}"
    store.mkdir()
    layers = image.write(layout, images)
    try:
        with DockerRegistry(store) as registry:
            for tag in images:
                registry.push(layout, tag, f"{name}:{tag}")
            yield registry, layers, layout
    finally:
        for peer in [*bench.main, *bench.copiers]:
            peer.forget()
        shutil.rmtree(layout)
        shutil.rmtree(store)


def _empty(peer: Peer, _: str) -> None:
    peer.forget()


def _compare(bench: Bench, case: str, title: str, reference: str, layers: Sequence[Layer], *, prepare: Prepare = _empty,
             parts: Mapping[str, Callable[[], Whole]] | None = None) -> dict[str, list[Whole]]:
    """Let everybody pull in turn, each after ``prepare``; ``parts`` take their turns among them and are not shown here."""
    pulls = {peer.name: partial(_once, peer, reference, prepare) for peer in [*bench.main, *bench.copiers]}
    contestants: dict[str, Callable[[], Whole]] = {**pulls, **(parts or {})}
    results = alternate(contestants, bench.options.few, warm=False)
    packed = sum(layer.size for layer in layers)
    _show(bench, case, f"pull: {title}, {packed / 1e6:,.0f} MB packed", {name: results[name] for name in pulls})
    return results


def _once(peer: Peer, reference: str, prepare: Prepare) -> Whole:
    """One pull. What it brought is removed at once: the memory holds one peer's images at a time."""
    try:
        return whole(peer.command("pull", reference), memory=True, before=partial(prepare, peer, reference))
    finally:
        peer.forget()


def _show(bench: Bench, case: str, title: str, results: Mapping[str, Sequence[Whole]], baseline: str = "podman") -> None:
    rows = [Row(name, [result.seconds * 1000 for result in found], {"peak MB": max(r.memory for r in found) / 1e6})
            for name, found in results.items()]
    bench.report.add(Table(case, title, "ms", rows, baseline=baseline, notes=[NOTE]))
