"""``pull`` of a large image, each time onto an empty disk, with the memory of the process tree."""

from __future__ import annotations

import shutil

import image
from conman_kernel.testing.docker_registry import DockerRegistry
from context import Bench
from measure import alternate, whole
from report import Row, Table

SIZE = 10**9


def pull(bench: Bench) -> None:
    """A large image from the same registry."""
    size = bench.options.size or SIZE
    layout = bench.folder / "large"
    layers = image.write(layout, size, bench.options.files)
    packed = sum(layer.size for layer in layers)
    store = bench.folder / "registry-large"
    store.mkdir()
    with DockerRegistry(store) as registry:
        registry.push(layout, "latest", "large:latest")
        shutil.rmtree(layout)
        reference = f"{registry.host}/large:latest"
        contestants = {peer.name: lambda peer=peer: whole(peer.command("pull", reference), memory=True, before=peer.forget)
                       for peer in bench.main}
        results = alternate(contestants, bench.options.few, warm=False)
    for peer in bench.main:
        peer.forget()
    shutil.rmtree(store)
    rows = [Row(name, [result.seconds * 1000 for result in found], {"peak MB": max(r.memory for r in found) / 1e6})
            for name, found in results.items()]
    what = f"{size / 1e6:,.0f} MB in {bench.options.files:,} files, {packed / 1e6:,.0f} MB packed"
    note = "peak MB: resident memory of the whole process tree, sampled every 5 ms; shared pages count for each"
    bench.report.add(Table("pull", f"pull: {len(layers)} layers, {what}", "ms", rows, notes=[note]))
