"""The standard command line, where a program is found, and asking it what it can do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import ConfigError, DeadlineExceeded, Unavailable
from conman_kernel.slots.runtime import Features, Runtime, render
from conman_kernel.support.oci_features import ask, from_document, query, version_lines
from conman_kernel.support.oci_runtime import OciRuntime, find_program, missing, option_docs, standard_commands

PLACES = {"root": "/r", "log": "/l", "id": "c1", "bundle": "/b", "pid_file": "/p", "process": "/x.json", "signal": "15",
          "image_path": "/i"}
KNOWN = Features(version="thing version 1", oci_version="1.0.0", cgroup_v1=True, cgroup_v2=False, systemd_cgroup=True,
                 seccomp=True, apparmor=True, checkpoint=True)


def by_version(text: str) -> Features:
    return KNOWN._replace(version=version_lines(text)["version"])


def script(path: Path, text: str) -> str:
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return str(path)


def test_command_lines() -> None:
    commands = standard_commands("/bin/thing", systemd_cgroup=False, extra_args=("--debug",))
    start = ["/bin/thing", "--root", "/r", "--log", "/l", "--log-format", "json", "--debug"]
    assert render(commands.create, PLACES) == [*start, "create", "--bundle", "/b", "--pid-file", "/p", "c1"]
    assert render(commands.run, PLACES) == [*start, "run", "--detach", "--bundle", "/b", "--pid-file", "/p", "c1"]
    assert render(commands.create, {**PLACES, "console_socket": "/c"})[-3:] == ["--console-socket", "/c", "c1"]
    assert render(commands.kill, PLACES) == [*start, "kill", "c1", "15"]
    assert render(commands.force_delete, PLACES) == [*start, "delete", "--force", "c1"]
    assert render(commands.exec, PLACES)[8:] == ["exec", "--detach", "--process", "/x.json", "--pid-file", "/p", "c1"]
    assert render(commands.checkpoint, PLACES)[8:] == ["checkpoint", "--image-path", "/i", "c1"]
    assert render(commands.restore, {**PLACES, "work_path": "/w"})[8:] == [
        "restore", "--detach", "--image-path", "/i", "--work-path", "/w", "--bundle", "/b", "--pid-file", "/p", "c1"]
    assert render(commands.update, PLACES)[8:] == ["update", "--resources", "/dev/stdin", "c1"]
    short = {k: v for k, v in PLACES.items() if k not in ("log", "pid_file")}
    assert render(commands.create, short) == ["/bin/thing", "--root", "/r", "--debug", "create", "--bundle", "/b", "c1"]
    for name in ("start", "state", "delete", "pause", "resume"):
        assert render(getattr(commands, name), PLACES) == [*start, name, "c1"]
    assert "--systemd-cgroup" in render(standard_commands("/bin/thing", systemd_cgroup=True).create, PLACES)


def test_programs_are_found_outside_path_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"relative:{tmp_path}")
    assert find_program("sh") in ("/usr/bin/sh", "/bin/sh")
    own = tmp_path / "sh"
    own.write_text("")
    assert find_program("sh") != str(own)
    own.chmod(0o755)
    assert find_program("sh") == str(own) == find_program(str(own))
    assert find_program("relative/sh") == "" == find_program(str(tmp_path)) == find_program("/etc/passwd")


def test_what_is_missing_is_said() -> None:
    assert missing("sh", "dash") is None
    answer, absolute = missing("no-such-thing", "thing"), missing("/no/such", "thing")
    assert answer is not None and "no-such-thing in PATH" in answer.reason and answer.hint == "apt-get install thing"
    assert absolute is not None and absolute.reason == "there is no executable /no/such"


def test_a_runtime_of_parts(tmp_path: Path) -> None:
    binary = script(tmp_path / "thing", 'echo "thing version 7"; [ "$1" != features ]')
    runtime: Runtime = OciRuntime(plugin="thing-runtime", program="thing", binary=binary, extra_args=("--debug",),
                                  exit_code=lambda message: 126, by_version=by_version)
    assert runtime.binary == binary and runtime.exit_code("x") == 126
    assert runtime.commands(systemd_cgroup=True) == standard_commands(binary, systemd_cgroup=True, extra_args=("--debug",))
    assert runtime.features(Cancel(10)).version == "thing version 7"
    assert set(option_docs("thing")) == {"binary", "extra_args"} and "thing" in option_docs("thing")["binary"]


@pytest.mark.parametrize("argument", ["--x={id}", ""])
def test_an_argument_that_would_be_filled_in_is_refused(argument: str) -> None:
    with pytest.raises(ConfigError, match=r"\[plugin.thing-runtime\] extra_args"):
        OciRuntime(plugin="thing-runtime", program="thing", binary="sh", extra_args=(argument,), exit_code=len,
                   by_version=by_version)


def test_a_document_is_taken_over_the_version(tmp_path: Path) -> None:
    document = {"ociVersionMax": "1.1.0", "linux": {"cgroup": {"v1": False, "v2": True}, "seccomp": None}}
    expected = Features("thing version 1", "1.1.0", False, True, False, False, False, True)
    assert from_document(document, KNOWN) == expected
    text = '{"ociVersionMax": "1.1.0", "linux": {"cgroup": {"v1": false, "v2": true}, "seccomp": null}}'
    binary = script(tmp_path / "new", f"case $1 in features) echo '{text}';; *) echo 'thing version 1';; esac")
    assert ask(binary, Cancel(10), program="thing", by_version=by_version) == expected
    for answer in ('echo "{not json"', "echo '[]'", "echo '{}'; exit 1"):
        odd = script(tmp_path / "odd", f'echo "thing version 9" | grep -v "^$1"; [ "$1" = features ] || exit 0; {answer}')
        assert ask(odd, Cancel(10), program="thing", by_version=by_version) == KNOWN._replace(version="thing version 9")


def test_what_cannot_be_asked(tmp_path: Path) -> None:
    def asked(binary: str, timeout: float = 10) -> Features:
        return ask(binary, Cancel(timeout), program="thing", by_version=by_version)

    with pytest.raises(Unavailable, match="cannot run"):
        asked(str(tmp_path / "nope"))
    with pytest.raises(Unavailable, match="is it thing"):
        asked(script(tmp_path / "other", "echo hello; exit 3"))
    with pytest.raises(DeadlineExceeded):
        asked(script(tmp_path / "hangs", "exec sleep 1000"), 0.2)
    with pytest.raises(Unavailable):
        asked(script(tmp_path / "endless", "echo thing version 1; exec cat /dev/zero"), 20)


def test_a_query_is_bounded_and_leaves_no_process(tmp_path: Path) -> None:
    code, text = query([script(tmp_path / "endless", "echo $$; exec cat /dev/zero")], Cancel(20))
    assert code == -9 and 1 << 20 <= len(text) < 1 << 21
    assert not os.path.exists(f"/proc/{text.split(chr(10), 1)[0]}")
