"""``kill -9`` at every change of the disk that a save or a load makes: no half file, and a store that the next command clears."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel import Conman
from conman_kernel.testing import images
from conman_kernel.testing.images import file, layer

PROGRAM = Path(__file__).with_name("killed.py")
SHARED = layer([file("shared", b"s" * 20_000)])
A = images.image([SHARED, layer([file("a", b"a")])])
B = images.image([SHARED], config={"User": "b"})


def run(store: Path, verb: str, where: str, limit: int) -> int | None:
    """Do it, up to the N-th change. Returns the number of changes, None where it was killed before the end."""
    done = subprocess.run([sys.executable, str(PROGRAM), str(store), verb, where, str(limit)], capture_output=True, timeout=120)
    if done.returncode == 0:
        return int(done.stdout)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    return None


def limits(total: int) -> Iterator[int]:
    """Moments to kill it at: the first and last ones, and some between."""
    yield from sorted({1, *range(2, total + 1, max(1, total // 8)), *range(max(1, total - 3), total + 1)})


@pytest.fixture
def store(place: Path) -> Iterator[Path]:
    """A store with two images that share a layer."""
    made = place / "killed"
    with Conman(root=f"{made}/root", run_root=f"{made}/run", environ={"CONMAN_CONTAINERS_NETWORK": "none"}) as conman:
        for name, one in (("a", A), ("b", B)):
            images.write_layout(one, f"{place}/{name}", tag=f"registry.example/{name}:1")
            conman.images.load(f"{place}/{name}")
    yield made
    shutil.rmtree(made)


@pytest.mark.parametrize("kind", ["docker-archive", "oci-archive", "oci"])
def test_save(place: Path, store: Path, kind: str) -> None:
    where = place / f"saved-{kind}"
    total: int | None = 0
    for _ in range(2):  # the first time there is more to be written, such as the list of plugins
        total = run(store, "save", f"{kind}:{where}", 0)
        assert total is not None
        (shutil.rmtree if where.is_dir() else os.unlink)(where)
    assert total is not None and total > 2
    for limit in limits(total):
        # Over nothing, and then over what an older save left there.
        for before in (False, True):
            if before:
                assert run(store, "save", f"{kind}:{where}", 0) is not None
            killed = run(store, "save", f"{kind}:{where}", limit) is None
            assert killed or before
            if where.is_file() or before or (where / "index.json").exists():
                with Conman(root=f"{place}/probe/root", run_root=f"{place}/probe/run", environ={"CONMAN_CONTAINERS_NETWORK": "none"}) as probe:
                    loaded = probe.images.load(f"{kind}:{where}")
                assert [one.names for one in loaded] == [("registry.example/a:1",), ("registry.example/b:1",)], "whole, or not there"
            if before:
                (shutil.rmtree if where.is_dir() else os.unlink)(where)
            elif where.is_dir():
                shutil.rmtree(where)
    left = [path.name for path in place.iterdir() if path.name.startswith(".")]
    assert len(left) <= 6, left  # a name that was linked and not yet renamed: whole, hidden, and of the moment between
    for name in left:
        (place / name).unlink()
    shutil.rmtree(place / "probe", ignore_errors=True)


def test_load(place: Path, store: Path) -> None:
    with Conman(root=f"{store}/root", run_root=f"{store}/run", environ={"CONMAN_CONTAINERS_NETWORK": "none"}) as conman:
        conman.images.save(["registry.example/a:1", "registry.example/b:1"], f"docker-archive:{place}/load.tar")
    total = run(place / "count", "load", f"{place}/load.tar", 0)
    assert total is not None and total > 10
    for limit in limits(total):
        new = place / "new"
        # Two loads need not take equally many steps (who writes the list of plugins): the last ones may come to their end.
        assert run(new, "load", f"{place}/load.tar", limit) is None or limit > total - 3
        with Conman(root=f"{new}/root", run_root=f"{new}/run", environ={"CONMAN_CONTAINERS_NETWORK": "none"}) as conman:
            conman.images.load(f"{place}/load.tar")
            report = conman.system.check()
            assert not report.findings, report.findings
            for image in conman.images.list():
                image.remove(force=True)
            conman.images.prune(all=True)
        left = [str(path.relative_to(new)) for name in ("blobs", "ingest") for path in (new / "root" / name).rglob("*") if path.is_file()]
        assert left == [], (limit, left)
        shutil.rmtree(new)
    shutil.rmtree(place / "count")
