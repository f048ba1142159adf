from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Mapping

import pytest

import conman_crun_runtime as plugin
from conman_crun_runtime.probe import hybrid_controllers, probe
from conman_crun_runtime.texts import exit_code, from_version
from conman_kernel.cancel import Cancel
from conman_kernel.slots.provider import PluginContext
from conman_kernel.support.oci_runtime import find_program, standard_commands

HYBRID = ("31 25 0:27 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n36 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
          "37 31 0:33 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n")


def context(**options: object) -> PluginContext[Mapping[str, object]]:
    return PluginContext(name="crun-runtime", options=options, state_dir="", run_dir="", log=logging.getLogger("test"))


def test_the_runtime_is_crun_with_the_standard_command_line() -> None:
    runtime = plugin.conman_runtime().open(context())
    assert runtime.binary == find_program("crun") and runtime.exit_code("open executable: Permission denied") == 126
    assert runtime.commands(systemd_cgroup=True) == standard_commands(runtime.binary, systemd_cgroup=True)


@pytest.mark.parametrize(("message", "code"), [
    # 1.8.1
    ("executable file `nono` not found in $PATH: No such file or directory", 127),
    ("open executable: Operation not permitted", 126), ("open executable: Permission denied", 126),
    ("exec container process `/garb`: Exec format error", 126),
    ("exec container process (missing dynamic library?) `/script`: No such file or directory", 127),
    # 0.x and 1.15
    ("executable file not found in $PATH: No such file or directory", 127),
    ("executable file `nono` not found: No such file or directory", 127),
    ("chdir to `/nope`: No such file or directory", 126),
    # About something else.
    ("open `/nope`: No such file or directory", 125),
    ("cgroups in hybrid mode not supported, drop all controllers from cgroupv2", 125),
    ("create keyring `x`: Operation not permitted", 125), ("", 125)])
def test_texts(message: str, code: int) -> None:
    assert exit_code(message) == code


def test_hybrid_hosts_are_recognised(tmp_path: Path) -> None:
    folder = tmp_path / "sys/fs/cgroup/unified"
    folder.mkdir(parents=True)
    assert hybrid_controllers(HYBRID, str(tmp_path)) == ""
    (folder / "cgroup.controllers").write_text("hugetlb\n")
    assert hybrid_controllers(HYBRID, str(tmp_path)) == "hugetlb"
    (folder / "cgroup.controllers").write_text("\n")
    assert hybrid_controllers(HYBRID, str(tmp_path)) == ""
    assert hybrid_controllers(HYBRID.rsplit("37 ", 1)[0], str(tmp_path)) == ""


def test_a_missing_binary() -> None:
    answer = plugin.conman_runtime().probe(context(binary="no-such-crun"))
    assert answer is not None and "apt-get install crun" in answer.hint


def test_features_of_the_real_binary() -> None:
    assert find_program("crun"), "install crun"
    features = plugin.conman_runtime().open(context()).features(Cancel(30))
    assert features.version.startswith("crun version ")
    assert features.seccomp and features.cgroup_v1


def test_features_of_builds_without() -> None:
    text = "crun version 1.8.1\ncommit: x\nrundir: /run/crun\nspec: 1.0.0\n+SYSTEMD +SELINUX +CAP +SECCOMP +EBPF +CRIU +YAJL\n"
    found = from_version(text)
    assert found == ("crun version 1.8.1", "1.0.0", True, True, True, True, False, True)
    assert from_version("crun version 0.1\n") == ("crun version 0.1", "1.0.0", True, False, False, False, False, False)


def bundle(folder: Path) -> Path:
    """A container that runs busybox's true; its own cgroup, as crun wants it."""
    busybox = next(p for p in ("/bin/busybox", "/usr/bin/busybox") if os.path.exists(p))
    (folder / "rootfs/bin").mkdir(parents=True)
    (folder / "rootfs/bin/true").write_bytes(Path(busybox).read_bytes())
    (folder / "rootfs/bin/true").chmod(0o755)
    make = ("import json, sys\nfrom conman_kernel.oci.runtime.options import ContainerOptions\n"
            "from conman_kernel.oci.runtime.request import SpecRequest, User\n"
            "from conman_kernel.oci.runtime.spec import build_spec\nfrom conman_kernel.containers.hostfacts import read_facts\n"
            "folder, name = sys.argv[1:]\n"
            "request = SpecRequest(id=name, name='x', hostname='x', rootfs=folder + '/rootfs', user=User(), facts=read_facts(),\n"
            "    options=ContainerOptions(command=('/bin/true',)), cgroups_path='/conman/' + name)\n"
            "json.dump(build_spec(request), open(folder + '/config.json', 'w'))\n")
    (folder / "make.py").write_text(make)
    return folder


def crun(folder: Path, name: str, *prepare: str) -> subprocess.CompletedProcess[str]:
    """Run the container in a mount namespace of its own, after some preparation there."""
    steps = [*prepare, f"{sys.executable} {folder}/make.py {folder} {name}",
             f"exec crun --root {folder}/state run --bundle {folder} {name}"]
    return subprocess.run(["unshare", "--mount", "sh", "-ec", "\n".join(steps)], capture_output=True, text=True, timeout=60,
                          check=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="crun needs root to make cgroups")
def test_the_probe_tells_the_truth_about_this_host(tmp_path: Path) -> None:
    """What the probe says is what crun does: here, and where the unified hierarchy is not mounted."""
    answer = probe("crun")
    done = crun(bundle(tmp_path), f"crun-a-{os.getpid()}")
    assert (answer is None) == (done.returncode == 0), (answer, done)
    if answer is not None:
        assert "hybrid" in done.stderr
        assert "/sys/fs/cgroup/unified" in answer.reason
        done = crun(tmp_path, f"crun-b-{os.getpid()}", "umount /sys/fs/cgroup/unified")
        assert done.returncode == 0, done.stderr
        code = ("import sys; sys.path[:0] = sys.argv[1].split(':')\n"
                "from conman_crun_runtime.probe import probe\nprint(probe('crun'))")
        (tmp_path / "probe.py").write_text(code)
        there = subprocess.run(["unshare", "--mount", "sh", "-ec", f"umount /sys/fs/cgroup/unified\n"
                                f"exec {sys.executable} {tmp_path}/probe.py {':'.join(p for p in sys.path if p)}"],
                               capture_output=True, text=True, timeout=60, check=False)
        assert there.stdout.strip() == "None", there


@pytest.mark.parametrize(("built", "unified", "systemd", "severities"), [
    ("+SYSTEMD +SECCOMP +EBPF", True, True, []), ("+SYSTEMD", True, True, ["error"]), ("+EBPF", True, True, ["warning"]),
    ("+EBPF", True, False, []), ("", False, False, []),
])
def test_what_doctor_is_told_of_a_build(built: str, unified: bool, systemd: bool, severities: list[str]) -> None:
    from conman_crun_runtime.examine import judge

    told = judge("crun-runtime", f"crun version 1.8.1\nspec: 1.0.0\n{built} +YAJL\n", unified=unified, systemd=systemd)
    assert [one.severity for one in told] == severities
    assert [one.severity for one in judge("crun-runtime", "no such thing", unified=False, systemd=False)] == ["warning"]
