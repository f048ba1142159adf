from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import ConfigError, DeadlineExceeded, Unavailable
from conman_kernel.slots.provider import PluginContext
from conman_kernel.slots.runtime import render
from conman_runc_runtime.query import ask, from_features, from_version
from conman_runc_runtime.runtime import Options, RuncRuntime, find, open_runtime, probe
from conman_runc_runtime.texts import exit_code

PLACES = {"root": "/r", "log": "/l", "id": "c1", "bundle": "/b", "pid_file": "/p", "process": "/x.json", "signal": "15",
          "image_path": "/i"}


def context(**options: object) -> PluginContext[Options]:
    return PluginContext(name="runc-runtime", options=Options(**options), state_dir="", run_dir="",  # type: ignore[arg-type]
                         log=logging.getLogger("test"))


def test_command_lines() -> None:
    commands = RuncRuntime("/usr/sbin/runc", ("--debug",)).commands(systemd_cgroup=False)
    start = ["/usr/sbin/runc", "--root", "/r", "--log", "/l", "--log-format", "json", "--debug"]
    assert render(commands.create, PLACES) == [*start, "create", "--bundle", "/b", "--pid-file", "/p", "c1"]
    assert render(commands.create, {**PLACES, "console_socket": "/c"})[-3:] == ["--console-socket", "/c", "c1"]
    assert render(commands.kill, PLACES) == [*start, "kill", "c1", "15"]
    assert render(commands.force_delete, PLACES) == [*start, "delete", "--force", "c1"]
    assert render(commands.exec, PLACES)[8:] == ["exec", "--detach", "--process", "/x.json", "--pid-file", "/p", "c1"]
    assert render(commands.checkpoint, PLACES)[8:] == ["checkpoint", "--image-path", "/i", "c1"]
    short = {k: v for k, v in PLACES.items() if k not in ("log", "pid_file")}
    assert render(commands.create, short) == ["/usr/sbin/runc", "--root", "/r", "--debug", "create", "--bundle", "/b", "c1"]
    systemd = RuncRuntime("/usr/sbin/runc").commands(systemd_cgroup=True)
    assert "--systemd-cgroup" in render(systemd.create, PLACES)


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


def test_probe_says_what_is_missing_and_is_cheap() -> None:
    answer = probe(context(binary="no-such-runc"))
    assert answer is not None and "no-such-runc" in answer.reason and "apt-get install runc" in answer.hint
    assert probe(context(binary="/etc/passwd")) is not None
    assert probe(context(binary="/etc")) is not None
    assert probe(context()) is None, "install runc"
    start = time.perf_counter()
    for _ in range(20):
        probe(context())
    assert (time.perf_counter() - start) / 20 < 0.003


def test_the_binary_is_found_outside_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"relative:{tmp_path}")
    assert find("sh") in ("/usr/bin/sh", "/bin/sh")
    own = tmp_path / "sh"
    own.write_text("")
    assert find("sh") != str(own)
    own.chmod(0o755)
    assert find("sh") == str(own)
    assert find("relative/sh") == ""


def test_a_brace_in_an_argument_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"\[plugin.runc-runtime\] extra_args"):
        open_runtime(context(extra_args=("--x={id}",)))
    assert open_runtime(context()).binary == find("runc")


def test_the_real_binary_is_asked() -> None:
    features = open_runtime(context()).features(Cancel(30))
    assert features.version.startswith("runc version 1.")
    assert features.cgroup_v1 and features.cgroup_v2 and features.systemd_cgroup and features.seccomp


def test_runc_without_features() -> None:
    old = from_version("runc version 1.0.3\ncommit: v1.0.3\nspec: 1.0.2-dev\ngo: go1.17\nlibseccomp: 2.5.1\n", criu=False)
    assert (old.version, old.oci_version, old.seccomp) == ("runc version 1.0.3", "1.0.2-dev", True)
    assert not from_version("runc version 1.0.3\n", criu=True).seccomp
    assert from_features({"linux": {"cgroup": {"v2": True}, "seccomp": None}}, "x", criu=True) == (
        "x", "1.0.0", False, True, False, False, False, True)


def script(path: Path, text: str) -> str:
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return str(path)


def test_what_cannot_be_asked(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot run"):
        ask(str(tmp_path / "nope"), Cancel(5), criu=False)
    with pytest.raises(Unavailable, match="is it runc"):
        ask(script(tmp_path / "other", "echo hello; exit 3"), Cancel(5), criu=False)
    with pytest.raises(DeadlineExceeded):
        ask(script(tmp_path / "hangs", "exec sleep 1000"), Cancel(0.2), criu=False)
    endless = script(tmp_path / "endless", "echo runc version 1; exec cat /dev/zero")
    with pytest.raises(Unavailable):
        ask(endless, Cancel(20), criu=False)
    features = ask(script(tmp_path / "odd", 'echo "runc version 9"; [ "$1" = features ] && echo "{not json"; exit 0'), Cancel(5),
                   criu=False)
    assert features.version == "runc version 9"
    assert os.path.basename(endless) == "endless"
