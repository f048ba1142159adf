"""The program by itself: what it refuses of a specification, and how it answers for containers that are not there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.slots.runtime import render
from conman_plain_runtime.runtime import PlainRuntime
from plain_oci.failure import Failure
from plain_oci.spec import check

SPEC: dict[str, Any] = {
    "process": {"args": ["true"], "capabilities": {"bounding": ["CAP_CHOWN"]}}, "root": {"path": "rootfs"},
    "linux": {"namespaces": [{"type": "pid"}, {"type": "mount"}], "resources": {"devices": [{"allow": False, "access": "rwm"}]}},
}


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from plain_oci.program import main; main()"
    src = str(Path(__file__).resolve().parents[1] / "src")
    return subprocess.run([sys.executable, "-I", "-S", "-c", code, src, "--root", str(root), *arguments], capture_output=True, text=True)


def test_what_it_can_do_it_takes() -> None:
    check(SPEC)


@pytest.mark.parametrize(("path", "value", "words"), [
    (("linux", "seccomp"), {"defaultAction": "SCMP_ACT_ALLOW"}, "filter system calls"),
    (("linux", "resources", "memory"), {"limit": 1}, "limit memory"),
    (("linux", "resources", "pids"), {"limit": 1}, "limit pids"),
    (("linux", "namespaces"), [{"type": "pid"}], "mount namespace"),
    (("linux", "namespaces"), [{"type": "mount"}], "PID namespace"),
    (("linux", "namespaces"), [{"type": "mount"}, {"type": "pid", "path": "/proc/1/ns/pid"}], "PID namespace"),
    (("linux", "namespaces"), [{"type": "mount"}, {"type": "pid"}, {"type": "user"}], "map users"),
    (("linux", "resources", "devices"), [{"allow": False}, {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "r"}], "alone"),
    (("linux", "rootfsPropagation"), "rshared", "share mounts"),
    (("linux", "mountLabel"), "x", "SELinux"),
    (("hooks",), {"prestart": [{"path": "/bin/true"}]}, "run hooks"),
    (("process", "apparmorProfile"), "x", "AppArmor"),
    (("process", "capabilities", "bounding"), ["CAP_MKNOD"], "restrict devices"),
    (("process", "args"), [], "names no command"),
])
def test_what_it_cannot_give_is_refused(path: tuple[str, ...], value: object, words: str) -> None:
    spec = json.loads(json.dumps(SPEC))
    place = spec
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(Failure, match=words):
        check(spec)


@pytest.mark.parametrize("command", [["start", "x"], ["state", "x"], ["kill", "x", "9"], ["delete", "x"]])
def test_a_container_that_is_not_there(tmp_path: Path, command: list[str]) -> None:
    done = run(tmp_path, *command)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "container x does not exist\n")


@pytest.mark.parametrize("id", ["../x", "", ".", "a/b", "x" * 2000])
def test_an_id_is_no_path(tmp_path: Path, id: str) -> None:
    done = run(tmp_path, "delete", "--force", id)
    assert done.returncode == 1 and "is no id" in done.stderr


def test_removing_by_force_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    assert run(tmp_path, "delete", "--force", "x").returncode == 0


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_a_bundle_that_is_none_leaves_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    done = run(tmp_path / "root", "create", "--bundle", str(tmp_path), "x")
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1 and "config.json" in done.stderr
    assert not (tmp_path / "root").exists()


def test_the_program_says_what_the_plugin_says(tmp_path: Path) -> None:
    runtime = PlainRuntime()
    features = runtime.features(Cancel(10))
    document = json.loads(run(tmp_path, "features").stdout)
    assert document["ociVersionMax"] == features.oci_version
    assert (document["linux"]["seccomp"]["enabled"], document["linux"]["cgroup"]["v1"]) == (features.seccomp, features.cgroup_v1)
    assert run(tmp_path, "--version").stdout.startswith("plain-oci version 0.1")


def test_the_tables_render_to_what_the_program_takes(tmp_path: Path) -> None:
    commands = PlainRuntime().commands(systemd_cgroup=False)
    argv = render(commands.force_delete, {"root": str(tmp_path), "id": "x"})
    assert subprocess.run(argv, capture_output=True).returncode == 0
    argv = render(commands.create, {"root": str(tmp_path), "id": "x", "bundle": "/b", "log": "/l", "pid_file": "", "console_socket": ""})
    assert "--pid-file" not in argv and argv[-1] == "x"


@pytest.mark.parametrize(("said", "code"), [
    ("command not found: nope: executable file not found in $PATH", 127), ("command not executable: /etc: permission denied", 126),
    ("container x exists", 125), ("", 125)])
def test_texts_have_their_exit_codes(said: str, code: int) -> None:
    assert PlainRuntime().exit_code(said) == code
