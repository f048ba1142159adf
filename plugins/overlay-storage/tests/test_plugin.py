"""What the plugin declares, without anything of the kernel but its public modules."""

from __future__ import annotations

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
