"""``make bench``: conman beside podman and bare runc, measured in one run. Prints ratios and facts; asserts nothing.

Usage: ``python benchmarks/run.py [run] [version] [ps] [pull] [--rounds N] [--containers N] [--bytes N] [--files N]``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable

import facts
import image
import peers
from conman_kernel.testing.docker_registry import DockerRegistry
from conman_kernel.testing.docker_registry import missing as registry_missing
from conman_kernel.testing.images import busybox_image, write_layout
from measure import Case, alternate, table

CASES = ("run", "version", "ps", "pull")


class Bench:
    """One run of the benchmark: its options and its folder in memory."""

    def __init__(self, chosen: argparse.Namespace, folder: Path) -> None:
        self.rounds: int = chosen.rounds
        self.containers: int = chosen.containers
        self.bytes: int = chosen.bytes
        self.files: int = chosen.files
        self.folder = folder
        self.environ = peers.environment(folder)
        found = (peers.conman(folder / "conman"), peers.podman(folder / "podman"))
        self.peers = [peer for peer in found if peer is not None]

    def _busybox(self, registry: DockerRegistry) -> str:
        layout = self.folder / "busybox"
        if not layout.exists():
            write_layout(busybox_image(), str(layout))
        registry.push(layout, "latest", "box:latest")
        return f"{registry.host}/box:latest"

    def _with_busybox(self, what: Callable[[str], None]) -> None:
        store = self.folder / "registry-small"
        store.mkdir(exist_ok=True)
        with DockerRegistry(store) as registry:
            reference = self._busybox(registry)
            for peer in self.peers:
                peer.forget()
                peer.do("pull", reference)
            what(reference)
        for peer in self.peers:
            peer.forget()

    def run(self) -> None:
        """``run --rm IMAGE true``, image present."""
        self._with_busybox(self._run)

    def _run(self, reference: str) -> None:
        cases = [Case(p.name, p.argv("run", "--rm", reference, "true"), p.environ) for p in self.peers]
        root = self.folder / "rootfs"
        self._unpack_busybox(root)
        bare = peers.runc_bundle(self.folder / "runc", root)
        if bare:
            cases.append(Case("runc (bare, no image)", bare, self.environ))
        table("run --rm IMAGE true", alternate(cases, self.rounds), "podman")

    @staticmethod
    def _unpack_busybox(root: Path) -> None:
        busybox = shutil.which("busybox") or "/bin/busybox"
        for name in ("bin", "dev", "proc", "sys", "etc"):
            (root / name).mkdir(parents=True)
        shutil.copy(busybox, root / "bin" / "busybox")
        (root / "bin" / "true").symlink_to("busybox")

    def version(self) -> None:
        """``--version`` beside an interpreter that does nothing."""
        cases = [Case("python -c pass", [sys.executable, "-c", "pass"], self.environ),
                 *(Case(f"{p.name} --version", [p.start[0], "--version"], p.environ) for p in self.peers)]
        table("--version", alternate(cases, self.rounds * 2), "python -c pass")

    def ps(self) -> None:
        """``ps -a`` with no and with many containers."""
        self._with_busybox(self._ps)

    def _ps(self, reference: str) -> None:
        def measured(count: int) -> None:
            cases = [Case(p.name, p.argv("ps", "-a"), p.environ) for p in self.peers]
            table(f"ps -a, {count:,} containers", alternate(cases, self.rounds), "podman")

        measured(0)
        for peer in self.peers:
            with ThreadPoolExecutor(2) as pool:
                for job in [pool.submit(peer.do, "create", reference, "true") for _ in range(self.containers)]:
                    job.result()
        measured(self.containers)

    def pull(self) -> None:
        """A large image from the same registry, each time onto an empty disk."""
        layout = self.folder / "large"
        layers = image.write(layout, self.bytes, self.files)
        packed = sum(layer.size for layer in layers)
        store = self.folder / "registry-large"
        store.mkdir()
        with DockerRegistry(store) as registry:
            registry.push(layout, "latest", "large:latest")
            shutil.rmtree(layout)
            reference = f"{registry.host}/large:latest"
            cases = [Case(p.name, p.argv("pull", reference), p.environ, p.forget) for p in self.peers]
            results = alternate(cases, max(3, self.rounds // 7), memory=True, warm=False)
        for peer in self.peers:
            peer.forget()
        shutil.rmtree(store)
        what = f"{self.bytes / 1e6:,.0f} MB in {self.files:,} files, {packed / 1e6:,.0f} MB packed"
        table(f"pull: {len(layers)} layers, {what}", results, "podman")
        print("  (peak MB: resident memory of the whole process tree, sampled every 5 ms; shared pages count for each)")


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", help=f"any of {', '.join(CASES)}; all where none is named")
    parser.add_argument("--rounds", type=int, default=21, help="rounds of each command (pull: a seventh of it)")
    parser.add_argument("--containers", type=int, default=1000)
    parser.add_argument("--bytes", type=int, default=10**9)
    parser.add_argument("--files", type=int, default=50_000)
    chosen = parser.parse_args()
    unknown = [case for case in chosen.cases if case not in CASES]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}")
    return chosen


def main() -> None:
    """Measure what was asked for, in a folder in memory that is removed at the end."""
    chosen = options()
    if os.geteuid() != 0:
        sys.exit("bench: needs root")
    lacks = registry_missing()
    if lacks:
        sys.exit(f"bench: {lacks}")
    folder = Path(tempfile.mkdtemp(prefix="cb-", dir="/dev/shm"))
    for name, value in facts.facts(folder).items():
        print(f"{name + ':':18}{value}")
    bench = Bench(chosen, folder)
    try:
        for case in chosen.cases or CASES:
            getattr(bench, case)()
    finally:
        for peer in bench.peers:
            peer.forget()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
