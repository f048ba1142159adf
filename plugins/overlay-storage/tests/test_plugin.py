"""What the plugin declares, without anything of the kernel but its public modules."""

from __future__ import annotations

from pathlib import Path

import pytest

import conman_overlay_storage as plugin
from conman_kernel.support import filesystems


def test_every_option_is_declared_with_a_default_and_a_reason():
    declared = plugin.conman_storage_driver()
    assert {option.name for option in declared.options} == set(plugin.Options.DOCS)
    assert all(option.doc for option in declared.options) and declared.summary


def test_a_good_file_system_is_told_from_a_bad_one(tmp_path, monkeypatch):
    from conman_overlay_storage import probe

    assert filesystems.file_system("/proc") == "proc"
    for kind, fine in (("ext4", True), ("tmpfs", True), ("overlay", False), ("nfs4", False)):
        monkeypatch.setattr(probe, "file_system", lambda folder, kind=kind: kind)
        answer = probe.probe(str(tmp_path / "state" / "dir"))
        assert (answer is None) is fine
        if answer is not None:
            assert kind in answer.reason and "vfs-storage" in answer.hint


def test_an_unknown_file_system_is_tried_and_left_as_it_was(tmp_path, monkeypatch):
    from conman_overlay_storage import probe

    monkeypatch.setattr(probe, "file_system", lambda folder: "newfs")
    assert probe.probe(str(tmp_path)) is None
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(probe, "nearest", lambda path: "/proc/self")
    answer = probe.probe("/proc/self")
    assert answer is not None and "newfs" in answer.reason


def test_without_root_it_says_so(monkeypatch):
    from conman_overlay_storage import probe

    monkeypatch.setattr("os.geteuid", lambda: 1000)
    answer = probe.probe("/")
    assert answer is not None and "root" in answer.reason


@pytest.mark.parametrize(("kind", "options", "severities"), [
    ("ext4", {}, []), ("tmpfs", {"sync": False}, []), ("ext4", {"sync": False}, ["warning"]), ("f2fs", {}, ["warning"]),
    ("xfs", {"mount_options": ("volatile",)}, ["warning"]),
])
def test_what_doctor_is_told(tmp_path: Path, kind: str, options: dict[str, object], severities: list[str]) -> None:
    from conman_kernel.cancel import Cancel
    from conman_kernel.log import StderrLog
    from conman_kernel.slots.doctor import CheckRequest, Host
    from conman_kernel.slots.provider import PluginContext
    from conman_overlay_storage import Options
    from conman_overlay_storage.examine import layers

    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text(f"1 0 0:1 / / rw - {kind} /dev/a rw\n")
    context = PluginContext(name="overlay-storage", options=Options(**options), state_dir="/data/x", run_dir="/r", log=StderrLog("error"))  # type: ignore[arg-type]
    assert [one.severity for one in layers(context, CheckRequest(Host(str(tmp_path)), "/s", "/r", Cancel()))] == severities
