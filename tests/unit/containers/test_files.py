from __future__ import annotations

from pathlib import Path

import pytest

from conman_kernel.containers.files import replace
from conman_kernel.errors import Unavailable


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=f"cannot write {tmp_path}/none/pid: No such file"):
        replace(f"{tmp_path}/none/pid", b"1")
    (tmp_path / "folder").mkdir()
    with pytest.raises(Unavailable, match="cannot write"):
        replace(f"{tmp_path}/folder", b"1")
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_a_link_that_somebody_laid_is_not_written_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.urandom", bytes)
    (tmp_path / ("pid." + "00" * 8)).symlink_to(tmp_path / "victim")
    with pytest.raises(Unavailable):
        replace(f"{tmp_path}/pid", b"1")
    assert not (tmp_path / "victim").exists()
