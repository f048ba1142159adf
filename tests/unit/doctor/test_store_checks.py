"""The checks of the store: folders, room, index, leftovers, each from a store in that state; nothing is changed by looking."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.config import load
from conman_kernel.doctor import parts, store
from conman_kernel.doctor.examine import Subject, examine
from conman_kernel.log import StderrLog
from conman_kernel.slots.doctor import Finding, Host, Space
from conman_kernel.store.index import Index
from conman_kernel.store.layout import Layout

ROOMY = Space(100 << 30, 200 << 30, 1000, 2000)


def subject(root: Path, run_root: Path, *, space: Space = ROOMY) -> Subject:
    layout = Layout(str(root), str(run_root))
    config = load(environ={"HOME": "/nonexistent"}, overrides={"root": str(root), "run_root": str(run_root)})
    return Subject(config, layout, StderrLog("error"), Host(spaces={str(root): space, str(run_root): space}))


def told(found: Iterator[Finding], severity: str = "") -> list[str]:
    return [f"{one.subject}: {one.meaning}" for one in found if not severity or one.severity == severity]


@pytest.fixture
def whole(tmp_path: Path) -> Subject:
    for name in ("root", "run"):
        (tmp_path / name).mkdir(mode=0o700)
    return subject(tmp_path / "root", tmp_path / "run")


def test_sound_folders_bring_no_error(whole: Subject) -> None:
    assert told(store.folders(whole, Cancel()), "error") == told(store.folders(whole, Cancel()), "warning") == []


def test_one_folder_for_both_and_one_within_the_other(tmp_path: Path) -> None:
    assert "one folder" in told(store.folders(subject(tmp_path, tmp_path), Cancel()), "error")[0]
    (tmp_path / "link").symlink_to(tmp_path)
    assert "one folder" in told(store.folders(subject(tmp_path, tmp_path / "link"), Cancel()), "error")[0]
    assert "within" in told(store.folders(subject(tmp_path, tmp_path / "run"), Cancel()), "error")[0]


@pytest.mark.parametrize(("mode", "severity"), [(0o755, "warning"), (0o777, "error"), (0o770, "error")])
def test_folders_that_others_reach(whole: Subject, mode: int, severity: str) -> None:
    os.chmod(whole.layout.root, mode)
    found = [one for one in store.folders(whole, Cancel()) if one.severity == severity]
    assert len(found) == 1 and f"{mode:o}" in found[0].meaning and "chmod 700" in found[0].advice


def test_a_folder_of_somebody_else(whole: Subject) -> None:
    os.chown(whole.layout.root, 1234, 0)
    assert any("1234" in line for line in told(store.folders(whole, Cancel()), "error"))


def test_a_file_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "root").write_text("x")
    assert any("no folder" in line for line in told(store.folders(subject(tmp_path / "root", tmp_path / "run"), Cancel()), "error"))


def test_little_room_in_bytes_and_inodes(tmp_path: Path) -> None:
    (little,) = store.room(subject(tmp_path / "a", tmp_path / "b", space=Space(5 << 20, 200 << 30, 1000, 2000)), Cancel())
    assert "5 MiB" in little.meaning and "prune" in little.advice
    found = list(store.room(subject(tmp_path / "a", tmp_path / "b", space=Space(100 << 30, 200 << 30, 1, 2000)), Cancel()))
    assert len(found) == 2 and all("1 of 2000 inodes" in one.meaning for one in found)


def test_a_damaged_and_a_newer_index(whole: Subject) -> None:
    assert list(store.index(whole, Cancel())) == []
    index = Index(whole.layout)
    with index.write() as db:
        db.execute("INSERT INTO volumes VALUES ('a', 'b', 1, 0, '')")
    index.close()
    assert list(store.index(whole, Cancel())) == []
    size = os.path.getsize(whole.layout.index)
    with open(whole.layout.index, "r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    report = examine(whole.config, whole.layout, whole.log, cancel=Cancel())
    assert not report.healthy
    assert any(one.check == "index" and one.finding.severity == "error" and "damaged" in one.finding.meaning for one in report.findings)


def test_what_killed_commands_left_is_told(whole: Subject) -> None:
    index = Index(whole.layout)
    with index.write() as db:
        db.execute("INSERT INTO leases VALUES ('l', 1, 1, 'another boot', 0, 'a pull')")
    index.close()
    assert told(store.leftovers(whole, Cancel())) == ["leases: 1 of killed commands (a pull)"]


def test_plugins_that_containers_and_images_need_are_named(whole: Subject) -> None:
    index = Index(whole.layout)
    with index.write() as db:
        db.execute("INSERT INTO containers (id, name, image_id, image_name, image_chain_id, state, created, storage, runtime, options, "
                   "process) VALUES ('i', 'web', '', '', '', 'created', 0, 'gone-storage', 'gone-runtime', '{}', '{}')")
        db.execute("INSERT INTO images VALUES ('im', 'd', '', 'm', '', '', '', 'c', 0, 0, 0)")
        db.execute("INSERT INTO image_layers VALUES ('im', 0, 'c', 'd', 'b', 0, '')")
        db.execute("INSERT INTO image_names VALUES ('docker.io/library/box:latest', 'im', 'd', 0)")
        db.execute("INSERT INTO layers VALUES ('c', 'gone-storage', NULL, 'd', 0, 0)")
    index.close()
    needed = {one.name: one.needed for one in parts.wanted(whole) if not one.selected}
    assert needed == {"gone-runtime": "needed by container web",
                      "gone-storage": "needed by container web, image docker.io/library/box:latest"}
    report = examine(whole.config, whole.layout, whole.log, cancel=Cancel())
    lines = [one.finding.meaning for one in report.findings if one.finding.severity == "error" and one.finding.subject == "gone-storage"]
    assert len(lines) == 1 and "no plugin" in lines[0] and "container web" in lines[0] and "box:latest" in lines[0]


def test_looking_changes_nothing(whole: Subject, tmp_path: Path) -> None:
    index = Index(whole.layout)
    with index.write() as db:
        db.execute("INSERT INTO leases VALUES ('l', 1, 1, 'another boot', 0, 'a pull')")

    def tree() -> str:
        found = {}
        for folder, _, names in os.walk(tmp_path):
            for name in ("", *names):
                state = os.stat(os.path.join(folder, name))
                found[os.path.join(folder, name)] = (state.st_mtime_ns, state.st_ctime_ns, state.st_size, state.st_ino)
        return json.dumps(found, sort_keys=True)

    before = tree()
    examine(whole.config, whole.layout, whole.log, cancel=Cancel())
    assert tree() == before, "with the WAL of a command at work"
    index.close()
    before = tree()
    examine(whole.config, whole.layout, whole.log, cancel=Cancel())
    assert tree() == before, "with the index at rest"


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    there = subject(tmp_path / "root", tmp_path / "run")
    examine(there.config, there.layout, there.log, cancel=Cancel())
    assert list(tmp_path.iterdir()) == []
