"""What the plugin declares, and what its probe says of hosts."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

import conman_btrfs_storage as plugin
from conman_btrfs_storage import ioctls, probe


def test_every_option_is_declared_with_a_default_and_a_reason():
    declared = plugin.conman_storage_driver()
    assert {option.name for option in declared.options} == set(plugin.Options.DOCS)
    assert all(option.doc for option in declared.options) and declared.summary


def test_a_btrfs_is_content_and_left_as_it_was(disk):
    assert probe.probe(str(disk / "not" / "there")) is None
    assert os.listdir(disk) == []


@pytest.mark.parametrize("folder, words", [("/dev/shm", "tmpfs"), ("/proc", "proc")])
def test_other_file_systems_are_told_with_what_would_help(folder, words):
    answer = probe.probe(f"{folder}/conman")
    assert answer is not None and words in answer.reason and "not on a btrfs" in answer.reason and "overlay-storage" in answer.hint


def test_a_btrfs_that_is_read_only(disk):
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    answer = probe.probe(str(disk))
    assert answer is not None and "read-only" in answer.reason


def test_without_root_it_says_so(monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    answer = probe.probe("/")
    assert answer is not None and "root" in answer.reason


def test_without_the_capability_it_says_so(disk, monkeypatch):
    def refuse(folder, since):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(ioctls, "search", refuse)
    answer = probe.probe(str(disk))
    assert answer is not None and "CAP_SYS_ADMIN" in answer.reason and "vfs-storage" in answer.hint


def test_what_doctor_is_told_of_a_mount(tmp_path: Path) -> None:
    from conman_btrfs_storage import Options
    from conman_btrfs_storage.examine import mounted
    from conman_kernel.cancel import Cancel
    from conman_kernel.log import StderrLog
    from conman_kernel.slots.doctor import CheckRequest, Host
    from conman_kernel.slots.provider import PluginContext

    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "data/store").mkdir(parents=True)
    (tmp_path / "sys/fs/btrfs/1234/qgroups").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text("1 0 0:1 / / rw - ext4 /dev/a rw\n"
                                                  "2 1 0:2 / /data rw - btrfs /dev/b rw,degraded,nodatacow\n")
    context = PluginContext(name="btrfs-storage", options=Options(sync=False), state_dir="/data/store/x", run_dir="/r",
                            log=StderrLog("error"))
    found = list(mounted(context, CheckRequest(Host(str(tmp_path)), "/s", "/r", Cancel())))
    assert [(one.severity, one.subject) for one in found] == [
        ("warning", "/data"), ("note", "/data"), ("warning", "btrfs-storage"), ("note", "btrfs 1234")]
