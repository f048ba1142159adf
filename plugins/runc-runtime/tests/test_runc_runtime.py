from __future__ import annotations

import logging
import time
from typing import Mapping

import pytest

import conman_runc_runtime as plugin
from conman_kernel.cancel import Cancel
from conman_kernel.errors import ConfigError
from conman_kernel.slots.provider import PluginContext
from conman_kernel.support.oci_runtime import find_program, standard_commands
from conman_runc_runtime.texts import exit_code, from_version


def context(**options: object) -> PluginContext[Mapping[str, object]]:
    return PluginContext(name="runc-runtime", options=options, state_dir="", run_dir="", log=logging.getLogger("test"))


@pytest.mark.parametrize(("message", "code"), [
    # 1.1.5
    ('runc create failed: unable to start container process: exec: "nono": executable file not found in $PATH', 127),
    ('runc create failed: unable to start container process: exec: "/nono": stat /nono: no such file or directory', 127),
    ('runc create failed: unable to start container process: exec: "/etc": permission denied', 126),
    ('exec failed: unable to start container process: exec: "/etc/passwd": permission denied', 126),
    ("exec /script: exec format error", 126), ("exec /script: no such file or directory", 127),
    # 1.2, 1.3
    ('runc create failed: unable to start container process: error during container init: exec: "nono": executable file not '
     "found in $PATH", 127),
    ('runc create failed: unable to start container process: error during container init: exec: "/etc": is a directory', 126),
    # 1.0
    ('container_linux.go:380: starting container process caused: exec: "/x": stat /x: no such file or directory', 127),
    ('runc create failed: unable to start container process: chdir to cwd ("/root/x") set in config.json failed: permission '
     "denied", 126),
    # About something else.
    ('runc create failed: unable to start container process: error during container init: error mounting "/nope" to rootfs at '
     '"/m": stat /nope: no such file or directory', 125),
    ("runc create failed: unable to apply cgroup configuration: open /sys/fs/cgroup/x: permission denied", 125),
    ("", 125)])
def test_texts(message: str, code: int) -> None:
    assert exit_code(message) == code


def test_the_runtime_is_runc_with_the_standard_command_line() -> None:
    runtime = plugin.conman_runtime().open(context(extra_args=("--debug",)))
    assert runtime.binary == find_program("runc") and runtime.exit_code('exec: "x": permission denied') == 126
    for systemd in (True, False):
        expected = standard_commands(runtime.binary, systemd_cgroup=systemd, extra_args=("--debug",))
        assert runtime.commands(systemd_cgroup=systemd) == expected
    with pytest.raises(ConfigError, match=r"\[plugin.runc-runtime\] extra_args"):
        plugin.conman_runtime().open(context(extra_args=("--x={id}",)))


def test_probe_says_what_is_missing_and_is_cheap() -> None:
    probe = plugin.conman_runtime().probe
    answer = probe(context(binary="no-such-runc"))
    assert answer is not None and "no-such-runc" in answer.reason and "apt-get install runc" in answer.hint
    assert probe(context(binary="/etc/passwd")) is not None
    assert probe(context()) is None, "install runc"
    start = time.perf_counter()
    for _ in range(20):
        probe(context())
    assert (time.perf_counter() - start) / 20 < 0.003


def test_the_real_binary_is_asked() -> None:
    features = plugin.conman_runtime().open(context()).features(Cancel(30))
    assert features.version.startswith("runc version 1.")
    assert features.cgroup_v1 and features.cgroup_v2 and features.systemd_cgroup and features.seccomp


def test_runc_without_features(monkeypatch: pytest.MonkeyPatch) -> None:
    old = from_version("runc version 1.0.3\ncommit: v1.0.3\nspec: 1.0.2-dev\ngo: go1.17\nlibseccomp: 2.5.1\n")
    assert (old.version, old.oci_version, old.seccomp) == ("runc version 1.0.3", "1.0.2-dev", True)
    assert not from_version("runc version 1.0.3\n").seccomp
    for found in ("", "/usr/sbin/criu"):
        monkeypatch.setattr("conman_kernel.support.oci_runtime.find_program", lambda name, found=found: found)
        assert from_version("runc version 1.0.3\n").checkpoint is bool(found)


@pytest.mark.parametrize(("said", "unified", "found"), [
    ("runc version 1.1.12\ncommit: x\n", True, []),
    ("runc version 1.1.5+ds1\n", False, [("note", "unless your distribution mended it")]),
    ("runc version 1.0.0-rc93\n", True, [("note", "CVE-2024-21626")]),
    ("runc version 0.1.1\n", True, [("error", "cgroup v2"), ("note", "CVE")]),
    ("usage: something else\n", False, [("warning", "is it runc?")]),
])
def test_what_doctor_is_told_of_a_version(said: str, unified: bool, found: list[tuple[str, str]]) -> None:
    from conman_runc_runtime.examine import judge

    told = list(judge("runc-runtime", said, unified=unified))
    assert [one.severity for one in told] == [severity for severity, _ in found]
    assert all(words in f"{one.meaning} {one.advice}" for one, (_, words) in zip(told, found))
