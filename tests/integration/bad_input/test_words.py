"""Wrong words: references, options, names, configuration, plugins."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from conman_kernel.testing.command import Command
from conman_kernel.testing.registry import Registry


@pytest.mark.parametrize("verb, code", [("run", 125), ("pull", 125)])
@pytest.mark.parametrize("reference", ["UPPER/Case", "a b", "x:y:z", "box@sha256:123", "", "-", "http://x/y", "box:" + "t" * 200])
def test_bad_references(refused, verb: str, code: int, reference: str) -> None:
    command = ["true"] if verb != "pull" else []
    refused(code, verb, "--", reference, *command) if not reference.startswith("-") else refused(code, verb, reference)


def test_unknown_image_tag_and_digest(refused, registry: Registry) -> None:
    for name in ("nothing:latest", "box:nothing", "box@sha256:" + "1" * 64):
        refused(125, "pull", f"{registry.host}/{name}")
        refused(125, "run", "--rm", f"{registry.host}/{name}", "true")


def test_pull_never(refused, registry: Registry) -> None:
    refused(125, "run", "--pull", "never", "--rm", f"{registry.host}/box:latest", "true")


def test_registry_down(refused, registry: Registry) -> None:
    host = registry.host
    registry.close()
    refused(125, "pull", f"{host}/box:latest", says=host)


@pytest.mark.parametrize("words, code", [
    (("nonsense",), 125), (("run",), 125), (("run", "--nonsense"), 125), (("rm", "nobody"), 1), (("inspect", "nobody"), 125),
    (("start", "nobody"), 125), (("stop", "nobody"), 125), (("kill", "nobody"), 125), (("logs", "nobody"), 125),
    (("wait", "nobody"), 125), (("exec", "nobody", "true"), 125), (("mount", "nobody"), 125), (("umount", "nobody"), 125),
    (("rmi", "nobody"), 1), (("attach", "nobody"), 125),
])
def test_unknown_verbs_options_and_containers(refused, words: tuple[str, ...], code: int) -> None:
    refused(code, *words)


@pytest.mark.parametrize("options", [
    ("--memory", "much"), ("--memory", "-1m"), ("--cpus", "many"), ("--pids-limit", "x"), ("--name", "bad name"), ("--name", "-x"),
    ("-v", "rela/tive:/x"), ("-v", "/does/not/exist:/x"), ("-v", "named:/x:nonsense"), ("-v", "named:/"), ("-v", "-n:/x"),
    ("--mount", "type=volume,target=/x,volume-opt=nonsense=1"), ("--image-volume", "nonsense"), ("--volumes-from", "nobody"),
    ("--mount", "type=nonsense,target=/x"), ("--mount", "x"),
    ("--tmpfs", "relative"), ("-e", "=x"), ("--env-file", "/does/not/exist"),
    ("--cap-add", "NONSENSE"), ("--cap-drop", "NONSENSE"), ("--security-opt", "seccomp=/does/not/exist"),
    ("--security-opt", "nonsense"), ("--ulimit", "nofile"), ("--ulimit", "nonsense=1"), ("--ulimit", "nofile=5:1"),
    ("--sysctl", "x"), ("--sysctl", "kernel.panic=1"), ("--device", "/dev/does-not-exist"), ("--shm-size", "big"),
    ("--stop-signal", "NONSENSE"), ("--stop-timeout", "x"), ("--network", "no-such-network"), ("--network", "container:nobody"),
    ("--pid", "nonsense"), ("--ipc", "nonsense"), ("--uts", "nonsense"), ("--add-host", "x"), ("--dns", "nonsense"),
    ("--log-driver", "nonsense"), ("--pull", "nonsense"), ("--platform", "nonsense/nonsense/x/y"), ("--hostname", "bad host/name"),
    ("--label-file", "/does/not/exist"), ("--detach-keys", "nonsense"),
    ("--security-opt", "apparmor=no-such-profile"),
], ids=" ".join)
def test_wrong_options_of_run(refused, box: str, options: tuple[str, ...]) -> None:
    refused(125, "run", "--rm", *options, box, "true")


@pytest.mark.parametrize("options", [("-u", "no-such-user"), ("-u", "0:no-such-group"), ("-w", "relative"),
                                     ("--group-add", "no-such-group")], ids=" ".join)
def test_what_the_image_does_not_have(refused, box: str, options: tuple[str, ...]) -> None:
    refused(126, "run", "--rm", *options, box, "true", says=options[1].rpartition(":")[2])


def test_commands_that_cannot_be_run(refused, box: str) -> None:
    refused(127, "run", "--rm", box, "no-such-command", says="no-such-command")
    refused(126, "run", "--rm", box, "/etc/passwd", says="/etc/passwd")
    refused(127, "run", box, "no-such-command")
    refused(127, "run", "--rm", "--entrypoint", "/no/such", box)


def test_name_in_use(refused, conman: Command, box: str) -> None:
    conman.ok("create", "--name", "taken", box, "true")
    try:
        refused(125, "run", "--rm", "--name", "taken", box, "true", says="already in use")
        refused(125, "create", "--name", "taken", box, "true", says="already in use")
    finally:
        conman.ok("rm", "taken")


def test_a_running_container_and_an_image_in_use(refused, conman: Command, box: str) -> None:
    conman.ok("run", "-d", "--name", "busy", box, "sleep", "1000")
    try:
        refused(2, "rm", "busy")
        refused(2, "rmi", box, says="in use")
    finally:
        conman.ok("rm", "-f", "-t", "0", "busy")


@pytest.mark.parametrize("text, says", [
    ("[storage]\ndrivr = 'x'\n", "drivr"), ("storge = 1\n", "storge"), ("[storage]\ndriver = 5\n", "driver"), ("nonsense\n", "conman.toml"),
    ("[storage]\ndriver = 'no-such-plugin'\n", "no-such-plugin"), ("[runtime]\nname = 'no-such-plugin'\n", "no-such-plugin"),
])
def test_configuration(refused, box: str, folder: Path, text: str, says: str) -> None:
    (folder / "conman.toml").write_text(text)
    refused(125, "--config", str(folder / "conman.toml"), "run", "--rm", box, "true", says=says)


def test_a_configuration_that_anybody_may_write(refused, box: str, folder: Path) -> None:
    (folder / "conman.toml").write_text("log_level = 'debug'\n")
    (folder / "conman.toml").chmod(0o666)
    refused(125, "--config", str(folder / "conman.toml"), "run", "--rm", box, "true", says="conman.toml")


def test_a_configuration_that_is_not_there(refused, box: str) -> None:
    refused(125, "--config", "/does/not/exist.toml", "ps", says="/does/not/exist.toml")


def test_plugins_not_installed(refused, box: str) -> None:
    refused(125, "--runtime", "rnc-runtime", "run", "--rm", box, "true", says="pip install")
    refused(125, "--storage-driver", "overly-storage", "run", "--rm", box, "true", says="overlay-storage")


def test_runtime_that_fails_in_create_is_quoted(refused, box: str, folder: Path) -> None:
    program = folder / "runc"
    program.write_text("#!/bin/sh\ncase \"$*\" in *--version*|*features*) exec /usr/sbin/runc \"$@\";; *delete*|*state*) exit 0;; esac\n"
                       "echo 'the moon is in the wrong phase' >&2\nexit 1\n")
    program.chmod(stat.S_IRWXU)
    # The path that a person sets is the way to another runc.
    refused(125, "run", "--rm", box, "true", says="wrong phase", PATH=f"{folder}:{os.environ['PATH']}")


def test_runtime_that_is_missing(refused, box: str, folder: Path) -> None:
    (folder / "conman.toml").write_text('[plugin.runc-runtime]\nbinary = "/no/such/runc"\n')
    refused(125, "--config", str(folder / "conman.toml"), "run", "--rm", box, "true", says="/no/such/runc")


def test_store_that_cannot_be_written(refused, box: str) -> None:
    refused(125, "--root", "/proc/nowhere", "run", "--rm", box, "true", says="/proc/nowhere")
    refused(125, "--run-root", "/proc/nowhere", "run", "--rm", box, "true", says="/proc/nowhere")
