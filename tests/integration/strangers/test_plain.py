"""A stranger's runtime in a clean environment: a program of its own in place of runc, by configuration only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conman_kernel.testing.command import Terminal
from conman_kernel.testing.images import busybox_entries, directory, layer, symlink

from .conftest import Host, Roots

pytestmark = pytest.mark.integration
TAR = layer(busybox_entries(), compress=False)
TRANSPORT = '[transports]\nroots = "roots-transport"\n'
PLAIN = TRANSPORT + '[runtime]\nname = "plain-runtime"\n'
# What it cannot give is given up on purpose, in so many words.
WITHOUT = '[containers]\npids_limit = 0\nseccomp_profile = "unconfined"\n'


@pytest.fixture
def plain(host: Host, roots: Roots) -> Host:
    """A host that runs everything with it, and has an image."""
    host.configure(PLAIN + WITHOUT)
    host.ok("pull", "-q", f"roots:{roots({'box.tar': TAR})}:box")
    return host


def test_a_container_runs_and_ends_as_elsewhere(plain: Host) -> None:
    assert plain.ok("run", "--rm", "localhost/box", "echo", "hello") == "hello\n"
    assert plain.ok("run", "--rm", "-i", "localhost/box", "tr", "a-z", "A-Z", stdin="input\n") == "INPUT\n"
    assert plain("run", "--rm", "localhost/box", "sh", "-c", "exit 7").returncode == 7
    assert plain("run", "--rm", "localhost/box", "sh", "-c", "kill -9 $$").returncode in (0, 137), "it is process 1"
    assert "not found" in plain.fails(127, "run", "--rm", "localhost/box", "no-such-program")
    assert "permission denied" in plain.fails(126, "run", "--rm", "localhost/box", "/etc/passwd")
    assert plain.ok("ps", "-aq") == ""


def test_a_container_is_alone(plain: Host) -> None:
    script = "hostname; id -u; ls /proc | grep -c '^[0-9]'; ls /sys/class/net; cat /proc/mounts | wc -l; ls /dev/loop0 2>&1"
    host_name, uid, processes, *rest = plain.ok("run", "--rm", "--hostname", "inner", "-u", "1000", "localhost/box", "sh", "-c",
                                                script + "; true").splitlines()
    assert (host_name, uid, rest[0]) == ("inner", "1000", "lo") and int(processes) <= 4
    assert "No such file" in rest[-1]
    status = plain.ok("run", "--rm", "--cap-drop", "all", "--cap-add", "chown", "--security-opt", "no-new-privileges", "localhost/box",
                      "grep", "-E", "^(Cap|NoNewPrivs)", "/proc/self/status").split()
    assert status == ["CapInh:", "0" * 16, "CapPrm:", "0" * 15 + "1", "CapEff:", "0" * 15 + "1", "CapBnd:", "0" * 15 + "1", "CapAmb:", "0" * 16,
                      "NoNewPrivs:", "1"]
    assert "Read-only" in plain("run", "--rm", "--read-only", "localhost/box", "touch", "/x").stderr
    assert plain.ok("run", "--rm", "--read-only", "localhost/box", "sh", "-c", "echo x > /tmp/x && stat -c %a /tmp") == "1777\n"
    assert "Read-only" in plain("run", "--rm", "localhost/box", "sh", "-c", "echo 1 > /proc/sys/kernel/panic").stderr
    assert plain.ok("run", "--rm", "localhost/box", "cat", "/proc/timer_list") == ""


def test_a_container_in_the_background_is_joined_logged_stopped_and_removed(plain: Host) -> None:
    plain.ok("run", "-d", "--name", "web", "localhost/box", "sh", "-c", "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.1; done")
    assert plain.ok("exec", "-e", "A=b", "-w", "/etc", "web", "sh", "-c", "echo $A $(pwd); exit 0") == "b /etc\n"
    assert plain.ok("exec", "-i", "web", "cat", stdin="through\n") == "through\n"
    assert plain.ok("exec", "-u", "1000", "web", "id", "-u") == "1000\n"
    assert plain("exec", "web", "sh", "-c", "exit 5").returncode == 5
    plain.fails(127, "exec", "web", "nope")
    plain.ok("stop", "web")
    assert plain.ok("logs", "web") == "up\nbye\n"
    (found,) = json.loads(plain.ok("inspect", "web"))
    assert (found["State"]["ExitCode"], found["OCIRuntime"]) == (3, "plain-runtime")
    assert plain.ok("start", "web").strip() == "web"
    plain.ok("kill", "web")
    plain.ok("rm", "-f", "web")
    plain.ok("system", "check")


def test_a_terminal_is_one(plain: Host) -> None:
    argv = [plain.program, "run", "--rm", "-it", "localhost/box", "sh"]
    terminal = Terminal(argv, plain.environ, 30, 90)
    terminal.expect(b"# ")
    terminal.type(b"tty; stty size; echo $((40 + 2))\n")
    seen = terminal.expect(b"42\r\n")
    assert b"/dev/pts/0" in seen and b"30 90" in seen
    terminal.type(b"exit 4\n")
    assert terminal.wait() == 4


@pytest.mark.parametrize(("options", "words"), [
    (["--memory", "64m"], "cannot limit memory"),
    (["--pids-limit", "9"], "cannot limit pids"),
    (["--pid", "host"], "cannot share a PID namespace"),
    (["--cap-add", "mknod"], "cannot restrict devices"),
])
def test_what_it_does_not_give_it_refuses(plain: Host, options: list[str], words: str) -> None:
    said = plain.fails(125, "run", "--rm", *options, "localhost/box", "true")
    assert words in said and said.startswith("Error: plain-oci: ")
    assert plain.ok("ps", "-aq") == "" and not list((plain.folder / "run" / "runtimes" / "plain-runtime").glob("*"))


def test_without_being_told_it_does_not_go_without_a_filter(host: Host, roots: Roots) -> None:
    host.configure(PLAIN)
    said = host.fails(125, "run", "--rm", f"roots:{roots({'box.tar': TAR})}:box", "true")
    assert "cannot filter system calls" in said and 'containers.seccomp_profile = "unconfined"' in said


def test_links_of_an_image_lead_no_mount_out_of_it(plain: Host, roots: Roots) -> None:
    """/dev, /proc and /etc/hosts of this image are links to places of the host."""
    outside = plain.folder / "outside"
    outside.mkdir()
    entries = [e for e in busybox_entries() if not e.name.startswith(("dev", "proc", "etc/hosts"))]
    hostile = layer([*entries, directory(str(outside)[1:]), symlink("proc", str(outside)), symlink("etc/hosts", f"{outside}/hosts")],
                    compress=False)
    plain("run", "--rm", f"roots:{roots({'evil.tar': hostile})}:evil", "true")
    assert not list(outside.iterdir())
    assert str(outside) not in Path("/proc/self/mountinfo").read_text(encoding="utf-8").split()


def test_containers_keep_the_runtime_they_were_made_with(plain: Host) -> None:
    plain.ok("create", "--name", "ours", "localhost/box", "cat", "/etc/hostname")
    plain.configure(TRANSPORT)
    plain.ok("run", "-d", "--name", "theirs", "localhost/box", "sleep", "600")
    plain.configure(PLAIN + WITHOUT)
    assert plain.ok("exec", "theirs", "echo", "runc") == "runc\n"
    assert plain.ok("start", "-a", "ours")
    runtimes = {name: json.loads(plain.ok("inspect", name))[0]["OCIRuntime"] for name in ("ours", "theirs")}
    assert runtimes == {"ours": "plain-runtime", "theirs": "runc-runtime"}
    plain.ok("rm", "-f", "-t", "0", "ours", "theirs")
