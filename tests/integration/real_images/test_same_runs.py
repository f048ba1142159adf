"""The same commands in the same image, by conman and by the real podman: the same output, the same exit code.

What is known to differ is taken out by a named function below, which says why; nothing else differs.
"""

from __future__ import annotations

import re
import select
import subprocess
import time
from typing import Callable, NamedTuple

import pytest

from conman_kernel.testing.command import Command
from conman_kernel.testing.docker_registry import DockerRegistry

from .conftest import LIMITS, Podman

Scrub = Callable[[str], str]


class Case(NamedTuple):
    """One command, said to both.

    :param flags: of ``run``, before the image.
    :param command: after the image.
    :param scrub: takes out what is known to differ.
    :param shell: no entry point of the image before the command.
    """

    flags: tuple[str, ...]
    command: tuple[str, ...]
    scrub: Scrub = str
    shell: bool = True


def script(text: str, *flags: str, scrub: Scrub = str) -> Case:
    """A case for bash."""
    return Case(flags, ("bash", "-c", text), scrub)


def without(*patterns: str) -> Scrub:
    """Drop lines in which one of the patterns is found."""
    return lambda text: "\n".join(line for line in text.splitlines() if not any(re.search(p, line) for p in patterns))


def environment(text: str) -> str:
    """Podman 4.3 sets TERM without a terminal, and each says its own name; the order is nobody's promise."""
    return "\n".join(sorted(line for line in text.splitlines() if not line.startswith(("TERM=", "container=", "HOSTNAME="))))


def hosts(text: str) -> str:
    """host.containers.internal comes with networks; the container's own line holds its id and name."""
    kept = [line for line in text.splitlines() if "host.containers.internal" not in line]
    return "\n".join(re.sub(r"[0-9a-f]{12} \w+$", "ID NAME", line) for line in kept)


def sizes(text: str) -> str:
    """Podman's 65536k of /dev/shm are 64000 KiB, by its reading of k."""
    return re.sub(r"size=\d+k", "size=", text)


def root_folder(text: str) -> str:
    """Podman shows an image's root folder with the mode 0555, whatever the layers say."""
    return re.sub(r"^d[rwx-]+ +\d+ root root .* \.\.$", "the root folder", text, flags=re.M)


MOUNTS = r"""while read -r _ _ _ _ at options rest; do case $at in /proc|/sys|/dev|/dev/*|/run/*|/sys/fs/cgroup|/proc/*|/sys/firmware|/sys/dev/block)
echo "$at $options ${rest##* - }" | sed 's/tmpfs .*/tmpfs/' ;; esac; done < /proc/self/mountinfo | sort"""

CASES: dict[str, Case] = {
    "id": Case((), ("id",)),
    "id of root": Case(("--user", "0"), ("id",)),
    "id of user and group": Case(("--user", "app:helpers"), ("id",)),
    "id of numbers": Case(("--user", "4321:77", "--group-add", "helpers"), ("id", "-u")),
    "unknown group": Case(("--user", "app:nobody-such"), ("id",), lambda text: ""),
    "unknown user": Case(("--user", "nobody-such"), ("id",), lambda text: ""),
    "environment": Case((), ("env",), environment),
    "environment given": Case(("--env", "LANG=C", "--env", "NEW=1 2", "--user", "0"), ("env",), environment),
    "capabilities": script("grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp:|SigBlk|SigCgt|Umask|NSpid)' /proc/self/status"),
    "capabilities of root": script("grep -E '^(Cap|NoNewPrivs|Seccomp)' /proc/self/status", "--user", "0"),
    "devices": Case((), ("ls", "-la", "--time-style=+", "/dev"), root_folder),
    "mounts": script(MOUNTS, scrub=sizes),
    "shared memory": script("grep ' /dev/shm ' /proc/mounts", scrub=sizes),
    "umask": script("umask"),
    "limits": script("ulimit -a; ulimit -Ha"),
    "limits given": script("ulimit -a", "--ulimit", "core=0", "--ulimit", "stack=1000000:2000000"),
    "hosts": Case(("--add-host", "db:192.0.2.9"), ("cat", "/etc/hosts"), hosts),
    "hostname": script('echo ${#HOSTNAME}; test "$(hostname)" = "$HOSTNAME"; test "$(cat /etc/hostname)" = "$HOSTNAME"'),
    "hostname given": script("hostname; cat /etc/hostname; echo; echo $HOSTNAME", "--hostname", "box.example",
                             scrub=lambda text: text.replace("\n\n", "\n")),
    "working folder": script("pwd; echo $PWD; stat -c '%u %g %a' ."),
    "container file": script("stat -c '%a %u %g %s %F' /run/.containerenv /etc/hosts /etc/hostname | sed 's/ [0-9]* reg/ reg/'"),
    "mount table": script("readlink /etc/mtab; test -s /etc/mtab"),
    "users": script("getent passwd; getent group app helpers"),
    "su": Case(("--user", "0"), ("su", "app", "-s", "/bin/bash", "-c", "id; echo ~; umask")),
    "a new user": script("useradd -m new && su new -c 'id -un; pwd'", "--user", "0"),
    "perl": Case((), ("perl", "-v")),
    "perl at work": Case((), ("perl", "-we", 'use POSIX; print join " ", (POSIX::uname())[0], $<, $>, sysconf(_SC_OPEN_MAX), "\\n"')),
    "locale": script("locale; locale -a; printf 'ä' | wc -m"),
    "packages": script("dpkg-query -W | wc -l; dpkg -S /bin/ls; dpkg --audit | wc -l"),
    "setuid": Case((), ("/opt/special/id-setuid",)),
    "file capability": Case((), ("/opt/special/capable", "/etc/debian_version"), lambda text: ""),
    "file capability allowed": script("/opt/special/capable /proc/self/status | grep ^Cap", "--cap-add", "NET_RAW"),
    "no new privileges": Case(("--security-opt", "no-new-privileges"), ("/opt/special/id-setuid", "-u")),
    "read only": script("touch /x; touch /tmp/x && touch /run/x && touch /dev/shm/x && echo written", "--read-only", "--user", "0"),
    "masked": script("ls -A /proc/acpi /sys/firmware; wc -c < /proc/keys; echo 1 > /proc/sys/kernel/panic", "--user", "0"),
    "nothing mounts": script("mount -t tmpfs none /mnt; mknod /tmp/sda b 8 0; dd if=/opt/special/disk of=/dev/null count=1", "--user", "0"),
    "processes": script("cat /proc/1/comm; ls -d /proc/[0-9]* | wc -l; cat /proc/self/oom_score_adj"),
    "descriptors": script("ls /proc/self/fd; cat <(echo through a pipe); test -t 0 || echo no terminal"),
    "sockets": script("cat /proc/net/dev | wc -l; cat /proc/sys/net/ipv4/ping_group_range"),
    "entry point and command": Case((), (), shell=False),
    "entry point and words": Case((), ("default", "and more"), shell=False),
    "entry point with a program": Case((), ("sh", "-c", "echo $0 $$; pwd", "zero"), shell=False),
    "another entry point": Case(("--entrypoint", "/bin/echo"), ("one", "two"), shell=False),
    "exit code": script("exit 3"),
    "killed": script("kill -KILL $$"),
    "terminated": Case((), ("sh", "-c", "kill -TERM $$; echo the first process survives")),
    "no such program": Case((), ("/no/such/program",), lambda text: ""),
    "no such program on PATH": Case((), ("no-such-program",), lambda text: ""),
    "not executable": Case((), ("/etc/passwd",), lambda text: ""),
    "a folder": Case((), ("/etc",), lambda text: ""),
    "workdir": Case(("--workdir", "/home/app"), ("pwd",)),
    "workdir on a mount": Case(("--volume", "/usr:/data:ro", "--workdir", "/data/bin"), ("pwd",)),
    "tmpfs": script("grep ' /scratch ' /proc/mounts; stat -c '%a %u %g' /scratch", "--tmpfs", "/scratch:size=1m,mode=1770"),
}


def said(done: subprocess.CompletedProcess[str], scrub: Scrub) -> tuple[int, str, str]:
    """Exit code, output, and what the programs inside said on standard error."""
    own = done.returncode in (125, 126, 127)
    return done.returncode, scrub(done.stdout).strip(), "" if own else done.stderr.strip()


@pytest.mark.parametrize("case", CASES)
def test_the_same(case: str, conman: Command, podman: Podman, name: str) -> None:
    flags, command, scrub, shell = CASES[case]
    words = ("run", "--rm", *LIMITS, *(("--entrypoint", "") if shell else ()), *flags, name, *command)
    theirs, ours = podman(*words), conman(*words)
    assert said(ours, scrub) == said(theirs, scrub), f"{ours.stderr}\n-- podman: {theirs.stderr}"


def test_vfs_runs_it_too(each: Command, name: str) -> None:
    assert each.ok("run", "--rm", "--network", "none", name) == "entry default as app in /srv/job\n"
    assert each.ok("run", "--rm", "--network", "none", name, "/opt/special/id-setuid", "-un") == "root\n"


MISSING = {
    "missing": ("--workdir", "/missing"), "missing deeper": ("--workdir", "/srv/job/missing/deeper"),
    "a file": ("--workdir", "/etc/passwd"), "below a file": ("--workdir", "/etc/passwd/x"),
}


def without_id(text: str) -> str:
    """The first line of an error, without the container's id, and without what podman tells of its own folders."""
    line = text.strip().splitlines()[0]
    return re.sub(r"[0-9a-f]{64}", "ID", line)


@pytest.mark.parametrize("case", MISSING)
def test_a_workdir_that_cannot_be(case: str, conman: Command, podman: Podman, name: str) -> None:
    words = ("run", "--rm", *LIMITS, *MISSING[case], name, "id")
    theirs, ours = podman(*words), conman(*words)
    assert (ours.returncode, ours.stdout) == (theirs.returncode, theirs.stdout) == (126, "")
    if case != "below a file":  # where podman shows stat's words and a path of its own store
        assert without_id(ours.stderr) == without_id(theirs.stderr)
    assert conman.ok("ps", "-a", "-q") == ""


def test_the_images_workdir(conman: Command, podman: Podman, registry: DockerRegistry) -> None:
    """Where it is missing it is made for the container's user; where a file lies there, nobody can start."""
    nowhere, file = f"{registry.host}/debian:nowhere", f"{registry.host}/debian:on-a-file"
    look = ("run", "--rm", "-q", *LIMITS, "--entrypoint", "")
    shell = ("sh", "-c", "pwd; stat -c '%a %u %g' . ..")
    podman.ok("pull", "-q", "--tls-verify=false", nowhere)
    podman.ok("pull", "-q", "--tls-verify=false", file)
    for user in ((), ("--user", "0"), ("--user", "77:88")):
        assert conman.ok(*look, *user, nowhere, *shell).strip() == podman.ok(*look, *user, nowhere, *shell)
    theirs, ours = podman(*look, file, "id"), conman(*look, file, "id")
    assert ours.returncode == theirs.returncode == 126
    assert without_id(ours.stderr) == without_id(theirs.stderr)


def test_the_stop_signal(conman: Command, podman: Podman, name: str) -> None:
    """STOPSIGNAL of the image reaches the entry point, whose exit code is kept."""
    for tool in (conman, podman):
        id = tool.ok("run", "-d", *LIMITS, name, "wait").strip()
        end = time.monotonic() + 30
        while "ready" not in tool.ok("logs", id) and time.monotonic() < end:
            select.select([], [], [], 0.05)  # neither's log tells when it grows; what is waited for is the line
        tool.ok("stop", id)
        assert tool.ok("logs", id).split("\n")[:2] == ["ready", "stopped by USR1"]
        assert tool.ok("inspect", "--format", "{{.State.ExitCode}}", id).strip() == "7"
        tool.ok("rm", id)
