"""Where everything lies, and who may look."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from conman_kernel.errors import Unavailable
from conman_kernel.store.layout import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(str(tmp_path / "deep" / "root"), str(tmp_path / "deep" / "run"))


def mode(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def test_everything_lies_below_its_root_and_nothing_is_made(layout: Layout, tmp_path: Path) -> None:
    lasting = [layout.index, layout.locks, layout.blobs, layout.ingest, layout.plugin_cache, layout.plugin_state("p"),
               layout.container("i")]
    passing = [layout.plugin_run("p"), layout.container_run("i"), layout.runtime_run("r")]
    assert all(path.startswith(layout.root + "/") for path in lasting)
    assert all(path.startswith(layout.run_root + "/") for path in passing)
    assert len({*lasting, *passing}) == len(lasting) + len(passing)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_every_folder_that_is_made_is_the_owners_alone(layout: Layout, umask: int) -> None:
    before = os.umask(umask)
    try:
        assert layout.ensure(layout.container_run("x")) == layout.container_run("x")
    finally:
        os.umask(before)
    path = layout.container_run("x")
    while path != os.path.dirname(os.path.dirname(layout.root)):
        assert mode(path) == 0o700, path
        path = os.path.dirname(path)


def test_a_folder_that_exists_is_left_as_it_is(layout: Layout) -> None:
    os.makedirs(layout.root)
    os.chmod(layout.root, 0o751)
    layout.ensure(layout.root)
    layout.ensure(layout.blobs)
    assert mode(layout.root) == 0o751 and mode(layout.blobs) == 0o700


def test_what_stands_in_the_way_is_named(layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "deep").write_text("a file")
    for path in (layout.root, layout.blobs):
        with pytest.raises(Unavailable, match="Not a directory"):
            layout.ensure(path)
    with pytest.raises(Unavailable, match=f"cannot use {tmp_path}/deep: Not a directory"):
        layout.ensure(str(tmp_path / "deep"))
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(Unavailable, match="Not a directory"):
        layout.ensure(str(tmp_path / "dangling" / "x"))


def test_a_path_without_end_is_an_error_not_a_loop() -> None:
    with pytest.raises(Unavailable):
        Layout("", "").ensure("")
