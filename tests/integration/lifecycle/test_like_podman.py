"""Habits of people who come from podman: output that is not read to its end, closed descriptors, words of errors."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from conman_kernel.testing.command import Command

TALKS = "i=0; while [ $i -lt 200 ]; do echo y; sleep 0.05; i=$((i+1)); done"


def read_one_line(conman: Command, *arguments: str) -> int:
    """What ``... | head -1`` does; the exit code of conman."""
    with conman.start(*arguments) as process:
        assert process.stdout is not None and process.stdout.readline() == b"y\n"
        process.stdout.close()
        return process.wait(30)


def test_run_rm_ends_with_its_reader(conman: Command, image: str) -> None:
    assert read_one_line(conman, "run", "--rm", image, "sh", "-c", TALKS) == 141
    assert conman.ok("ps", "-aq") == ""


def test_without_rm_the_container_goes_on_without_its_reader(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("talks")
    assert read_one_line(conman, "run", "--name", "talks", image, "sh", "-c", TALKS) == 141
    assert conman.ok("ps", "--format", "{{.Names}} {{.State}}") == "talks running\n"
    assert read_one_line(conman, "attach", "talks") == 141
    assert read_one_line(conman, "exec", "talks", "sh", "-c", TALKS) == 141
    conman.ok("stop", "--time", "0", "talks")
    assert conman.ok("wait", "talks") == "137\n"


def test_a_full_disk_is_said_in_one_line(conman: Command, image: str) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(conman.argv("run", "--rm", image, "echo", "hi"), stdout=full, stderr=subprocess.PIPE,
                              stdin=subprocess.DEVNULL, timeout=60, env=conman.environ)
    assert (done.returncode, done.stderr) == (125, b"Error: write /dev/stdout: No space left on device\n")


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_closed_descriptor_is_nothing_else(conman: Command, image: str, closed: int) -> None:
    """Its number would be given to the index or a socket, and be read as input or written as output."""
    words = conman.argv("run", "--rm", "-i", image, "sh", "-c", "cat; echo out; echo err >&2")
    script = f'exec {closed}<&-; exec "$@"'
    done = subprocess.run(["sh", "-c", script, "sh", *words], input=b"in\n", capture_output=True, timeout=60,
                          env=conman.environ)
    if closed == 1:
        assert (done.returncode, done.stdout) == (125, b"") and b"write /dev/stdout: Bad file descriptor" in done.stderr
        return
    assert done.returncode == 0
    assert done.stdout == {0: b"out\n", 2: b"in\nout\n"}[closed]
    assert done.stderr == (b"" if closed == 2 else b"err\n")


@pytest.mark.parametrize("arguments, code, message", [
    (("-u", "nosuch"), 126, "unable to find user nosuch: no matching entries in passwd file"),
    (("-u", "0:nosuch"), 126, "unable to find group nosuch: no matching entries in group file"),
    (("-v", "/no/such:/t"), 125, "statfs /no/such: no such file or directory"),
    (("--mount", "type=bind,src=/no/such,dst=/t"), 125, "statfs /no/such: no such file or directory"),
    (("--log-driver", "journald"), 125, "invalid log driver 'journald'")])
def test_what_cannot_be_had_is_said_in_podmans_way(conman: Command, image: str, arguments: tuple[str, ...], code: int,
                                                   message: str) -> None:
    done = conman("run", "--rm", *arguments, image, "true")
    assert done.returncode == code
    assert done.stderr.splitlines()[0] == f"Error: {message}"


def test_the_hosts_network_brings_the_hosts_name(conman: Command, image: str) -> None:
    host = os.uname().nodename
    said = conman.ok("run", "--rm", "--network", "host", image, "sh", "-c", "hostname; cat /etc/hostname; echo $HOSTNAME")
    assert said.split() == [host] * 3
    own = conman.ok("run", "--rm", "--network", "host", "--hostname", "mine", "--name", "other", image, "sh", "-c",
                    "hostname; tail -n 1 /etc/hosts")
    assert own == "mine\n127.0.0.1\tmine other\n"


def test_rm_force_of_what_does_not_exist(conman: Command) -> None:
    assert conman.ok("rm", "--force", "nosuch") == ""
    assert conman("rm", "nosuch").returncode == 1
    done = conman("rm", "--time", "3", "nosuch")
    assert (done.returncode, done.stderr) == (125, "Error: --force option must be specified to use the --time option\n")


def test_ps_of_a_running_container(conman: Command, image: str, gone: list[str], folder: Path) -> None:
    gone.append("seen")
    conman.ok("run", "-d", "--name", "seen", "--log-driver", "k8s-file", "-v", f"{folder}:/data", image, "sleep", "60")
    assert json.loads(conman.ok("ps", "--format", "json"))[0]["ExitCode"] == 0
    # podman shows a size only with --size, docker wherever it is asked for.
    assert re.fullmatch(r"seen \d\S*B \(virtual \S+B\)\n", conman.ok("ps", "--format", "{{.Names}} {{.Size}}", "--filter", "volume=/data"))
    assert conman.ok("ps", "-q", "--filter", f"volume={folder}") != "" == conman.ok("ps", "-q", "--filter", "volume=/dat")
    assert conman.ok("ps", "-q", "--filter", "network=none") == ""
    assert conman.ok("inspect", "-f", "{{json .Args}}{{json .State.Running}}", "seen") == '["60"]true\n'


def test_images_by_the_end_of_a_name(conman: Command, image: str) -> None:
    host = image.partition("/")[0]
    for known in ("box", f"{host}/box", image):
        assert len(conman.ok("images", "-q", known).split()) == 1, known
    assert conman.ok("images", "-q", "ox") == conman.ok("images", "-q", "other/box") == ""


def test_go_names_of_fields(conman: Command) -> None:
    """Scripts written for podman say ``.Host.Arch`` where the document says ``host.arch``."""
    assert conman.ok("info", "--format", "{{.Host.Arch}} {{.Store.GraphRoot}}").split()[1] == str(conman.root)
    assert conman.ok("version", "--format", "{{.Client.Version}} {{.Client.Os}}") == conman.ok(
        "version", "--format", "{{.Version}} linux")
