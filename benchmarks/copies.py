"""``cp`` into a running container and out of it, on tmpfs: one large file, and a folder of many."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Iterator

from context import Bench
from measure import Whole, alternate, whole
from peers import Peer
from report import Row, Table

LARGE_SIZE = 1 << 30
FILES = 20_000
FOLDERS = 200
BYTES = 4096


def large(bench: Bench) -> None:
    """One large file."""
    size = bench.options.size or LARGE_SIZE
    source = bench.folder / "copied-large"
    with open(source, "wb") as stream:
        for _ in range(0, size, 1 << 20):
            stream.write(os.urandom(1 << 20))
    _compare(bench, "cp-large", f"one file of {size / 1e6:,.0f} MB", source)
    os.unlink(source)


def many(bench: Bench) -> None:
    """Many small files."""
    source = bench.folder / "copied-many"
    for folder in range(FOLDERS):
        inner = source / f"d{folder}"
        inner.mkdir(parents=True)
        for number in range(FILES // FOLDERS):
            (inner / f"f{number}").write_bytes(os.urandom(BYTES if number % 4 else 100))
    _compare(bench, "cp-files", f"{FILES:,} files of {BYTES} bytes and less in {FOLDERS} folders", source)
    shutil.rmtree(source)


def _compare(bench: Bench, case: str, what: str, source: Path) -> None:
    with bench.image(bench.everyone) as reference, _running(bench, reference) as peers:
        into = {peer.name: partial(_into, peer, source) for peer in peers}
        _show(bench, case, f"cp {what} into a running container", alternate(into, bench.options.few))
        for peer in peers:
            peer.do(peer.command("cp", str(source), "copied:/out"))
        target = bench.folder / "copied-back"
        out = {peer.name: partial(_out, peer, target) for peer in peers}
        _show(bench, case, f"cp {what} out of a running container", alternate(out, bench.options.few))


@contextmanager
def _running(bench: Bench, reference: str) -> Iterator[list[Peer]]:
    """Everybody who has ``cp``, with a container ``copied`` that sleeps."""
    peers = [peer for peer in bench.everyone
             if subprocess.run(peer.command("cp", "--help").argv, env=dict(peer.environ), capture_output=True).returncode == 0]
    try:
        for peer in peers:
            peer.detached(reference, "copied", "sleep", "100000")
        yield peers
    finally:
        for peer in peers:
            peer.remove("copied")


def _into(peer: Peer, source: Path) -> Whole:
    """Nothing is there before; what was copied is looked at, and removed again."""
    result = whole(peer.command("cp", str(source), "copied:/in"))
    _same(peer, source, Path(f"/proc/{peer.main_pid('copied')}/root/in"))
    peer.do(peer.execute("copied", "rm", "-rf", "/in"))
    return result


def _out(peer: Peer, target: Path) -> Whole:
    result = whole(peer.command("cp", "copied:/out", str(target)))
    _same(peer, Path(f"/proc/{peer.main_pid('copied')}/root/out"), target)
    if target.is_dir():
        shutil.rmtree(target)
    else:
        os.unlink(target)
    return result


def _same(peer: Peer, one: Path, other: Path) -> None:
    """End the program where the sizes are not the same."""
    def size(top: Path) -> tuple[int, int]:
        files = [p for p in top.rglob("*") if p.is_file()] if top.is_dir() else [top]
        return len(files), sum(p.stat().st_size for p in files)

    if size(one) != size(other):
        sys.exit(f"bench: {peer.name} cp: {size(other)} arrived of {size(one)}")


def _show(bench: Bench, case: str, title: str, results: dict[str, list[Whole]]) -> None:
    rows = [Row(name, [result.seconds * 1000 for result in found]) for name, found in results.items()]
    bench.report.add(Table(case, title, "ms", rows, baseline="podman"))
