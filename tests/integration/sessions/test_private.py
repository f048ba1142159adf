"""Security: who may reach a session, what leaks into a container's process, what is bounded."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel import Conman
from conman_kernel.cancel import Cancel
from conman_kernel.errors import InvalidState
from conman_kernel.slots.attach import End, Outcome
from conman_kernel.testing.command import Command

from . import facts

HELLO = bytes((1, 1, 7))
NOBODY = 65534
SESSIONS = 32


@pytest.fixture
def host(conman: Command, image: str, gone: list[str]) -> str:
    """A container with a terminal and an input, an exec session in it, and somebody attached to each."""
    gone.append("host")
    conman.ok("run", "-dit", "--name", "host", image, "sleep", "1000")
    conman.ok("exec", "-d", "host", "sleep", "1000")
    return "host"


def tree(top: str) -> Iterator[tuple[str, os.stat_result]]:
    """Everything below a folder, mounts aside."""
    for folder, folders, files in os.walk(top):
        folders[:] = [name for name in folders if not os.path.ismount(f"{folder}/{name}")]
        for name in [*folders, *files]:
            try:
                yield f"{folder}/{name}", os.lstat(f"{folder}/{name}")
            except FileNotFoundError:
                continue  # it went while we looked


def test_folders_are_0700_and_sockets_and_logs_0600(conman: Command, host: str) -> None:
    """All folders above and beside a socket or a log, in the store of a container that runs."""
    id = str(conman.inspect(host)["Id"])
    run, kept = f"{conman.run_root}/containers/{id}", f"{conman.root}/containers/{id}"
    sockets = [(path, info) for path, info in tree(run) if stat.S_ISSOCK(info.st_mode)]
    assert sum(path.endswith("/attach.sock") for path, _ in sockets) == 2  # the container's and the exec session's
    log = str(conman.inspect(host)["HostConfig"]["LogConfig"]["Path"])
    for path, info in [*sockets, (log, os.lstat(log))]:
        assert (info.st_uid, stat.S_IMODE(info.st_mode)) == (0, 0o600), path
    above = {os.path.dirname(path) for path, _ in sockets} | {run, kept, os.path.dirname(log), f"{run}/exec"}
    for path in above | {conman.root, conman.run_root}:
        info = os.lstat(path)
        assert (info.st_uid, stat.S_IMODE(info.st_mode)) == (0, 0o700), path


def test_no_socket_is_abstract(conman: Command, host: str, begin: facts.Begin) -> None:
    attach = begin("attach", host, stdin=subprocess.PIPE)
    conman.ok("exec", "-d", host, "sleep", seconds := facts.token())
    shims = [facts.shim_of(facts.pid_of(conman, host)), facts.shim_of(facts.running("sleep", seconds)[0])]
    facts.until(lambda: len(facts.sockets(shims[0])) > facts.RESTING)
    inodes = {what[len("socket:["):-1] for pid in (*shims, attach.pid) for what in facts.sockets(pid)}
    lines = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()]
    mine = [line for line in lines if line[6] in inodes]
    assert len(mine) >= 4
    assert not [line for line in mine if len(line) > 7 and line[7].startswith("@")]
    assert not [line for line in lines if len(line) > 7 and line[7].startswith("@") and "conman" in line[7]]


_PEER = """
import os, socket, sys
os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
made.settimeout(20)
made.connect(sys.argv[1])
try:
    made.send(bytes((1, 1, 7)))
    said = made.recv(70000)
except OSError:
    said = b""
print(said[:1].hex() or "closed")
"""


@pytest.mark.parametrize("uid, answer", [(0, "81"), (NOBODY, "closed")])
def test_the_peers_credentials_are_checked(conman: Command, host: str, folder: Path, uid: int, answer: str) -> None:
    """Another user who gets past folders and modes (a second name of the socket, open to all) is closed without a word."""
    way = folder / "socket"
    where = facts.attach_socket(conman, host)
    os.link(where, way)
    os.chmod(where, 0o666)
    os.chmod(folder, 0o755)
    try:
        done = subprocess.run([sys.executable, "-I", "-S", "-c", _PEER, str(way), str(uid)], capture_output=True, text=True,
                              timeout=facts.PATIENCE)
    finally:
        os.chmod(where, 0o600)
    assert (done.stdout.strip(), done.stderr) == (answer, "")


def test_a_folders_descriptor_opens_nothing_for_another_user(conman: Command, host: str) -> None:
    script = ("import os, socket, sys\nos.fchdir(int(sys.argv[1])); os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
              "made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
              "try:\n    made.connect('attach.sock')\nexcept PermissionError:\n    print('refused')\n")
    handle = os.open(os.path.dirname(facts.attach_socket(conman, host)), os.O_RDONLY | os.O_DIRECTORY)
    done = subprocess.run([sys.executable, "-I", "-S", "-c", script, str(handle)], pass_fds=[handle], capture_output=True, text=True,
                          timeout=facts.PATIENCE)
    os.close(handle)
    assert (done.stdout, done.stderr) == ("refused\n", "")


# What leaks.


@pytest.mark.parametrize("kind", [[], ["-i"], ["-t"], ["-it"], ["-d"], ["-dit"], ["--init"], ["--log-driver", "none"]], ids=" ".join)
def test_a_container_has_three_descriptors(conman: Command, image: str, gone: list[str], begin: facts.Begin, folder: Path,
                                           kind: list[str]) -> None:
    """None of the shim's, of the kernel's, nor those that its caller lets everybody inherit."""
    gone.append("bare")
    secret = os.open(folder / "secret", os.O_RDWR | os.O_CREAT)
    run = begin("run", "--name", "bare", *kind, image, "sleep", seconds := facts.token(), stdin=subprocess.PIPE, fds=(secret,))
    pid, = facts.until(lambda: facts.running("sleep", seconds))
    assert sorted(facts.open_files(pid)) == [0, 1, 2]
    shim = facts.shim_of(facts.pid_of(conman, "bare"))
    assert run.pid != shim and str(folder / "secret") not in facts.open_files(shim).values()
    os.close(secret)
    conman.ok("rm", "-f", "-t", "0", "bare")


@pytest.mark.parametrize("kind", [[], ["-i"], ["-t"], ["-it"], ["-d"], ["-dit"]], ids=" ".join)
def test_an_exec_has_three_descriptors(conman: Command, image: str, gone: list[str], begin: facts.Begin, folder: Path,
                                       kind: list[str]) -> None:
    gone.append("host")
    conman.ok("run", "-d", "--name", "host", image, "sleep", "1000")
    secret = os.open(folder / "secret", os.O_RDWR | os.O_CREAT)
    begin("exec", *kind, "host", "sleep", seconds := facts.token(), stdin=subprocess.PIPE, fds=(secret,))
    pid, = facts.until(lambda: facts.running("sleep", seconds))
    assert sorted(facts.open_files(pid)) == [0, 1, 2]
    assert str(folder / "secret") not in facts.open_files(facts.shim_of(pid)).values()
    os.close(secret)


def test_the_callers_environment_stays_outside(conman: Command, image: str) -> None:
    assert "SECRET" not in conman("run", "--rm", image, "cat", "/proc/self/environ", SECRET="caller").stdout


# Arguments are lists.

WEIRD = ["a b", "", "$(id)", "`id`", "'", '"', "new\nline", "*", "--", "-x", "--rm", "\\", "é ☃", "a=b", ";true", "$HOME", "%s", "\t", "{}", "~"]
SHOW = ["sh", "-c", 'for word; do printf "%s\\0" "$word"; done', "sh"]


def test_arguments_arrive_as_they_are(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("host")
    shown = "".join(f"{word}\0" for word in WEIRD)
    assert conman.ok("run", "--rm", image, *SHOW, *WEIRD) == shown
    conman.ok("run", "-d", "--name", "host", image, "sleep", "1000")
    assert conman.ok("exec", "host", *SHOW, *WEIRD) == shown
    conman.ok("rm", "-f", "-t", "0", "host")
    conman.ok("create", "--name", "host", image, *SHOW, *WEIRD)
    assert conman.ok("start", "-a", "host") == shown
    assert conman.inspect("host")["Args"][-len(WEIRD):] == WEIRD


def test_the_environment_arrives_as_it_is(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("host")
    options = [part for number, word in enumerate(WEIRD) for part in ("-e", f"W{number}={word}")]
    wanted = {f"W{number}={word}" for number, word in enumerate(WEIRD)}
    said = conman.ok("run", "--rm", *options, image, "cat", "/proc/self/environ")
    assert wanted <= set(said.split("\0"))
    conman.ok("run", "-d", "--name", "host", image, "sleep", "1000")
    assert wanted <= set(conman.ok("exec", *options, "host", "cat", "/proc/self/environ").split("\0"))


def test_one_word_is_one_word_in_every_process_on_the_way(conman: Command, image: str, gone: list[str]) -> None:
    """No shell stands anywhere between the command and the process."""
    gone.append("host")
    conman.ok("run", "-d", "--name", "host", image, "sh", "-c", "sleep 1000; :", "$(reboot) ; `halt`")
    pid = facts.pid_of(conman, "host")
    assert Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[3] == b"$(reboot) ; `halt`"
    assert json.dumps(conman.inspect("host")["Args"]).count("reboot") == 1


# What is bounded.


def test_one_session_too_many_is_refused(conman: Command, library: Conman, host: str) -> None:
    container = library.containers.get(host)
    joined = [container.session(stdin=True) for _ in range(SESSIONS)]
    with pytest.raises(InvalidState, match="sessions"):
        container.session()
    done = conman("attach", "--no-stdin", host)
    assert done.returncode == 125 and done.stderr.startswith("Error: ") and "session" in done.stderr
    joined.pop().close()
    facts.until(lambda: _joins(container))
    for session in joined:
        session.close()


def _joins(container: object) -> bool:
    try:
        container.session().close()  # type: ignore[attr-defined]
    except InvalidState:
        return False
    return True


def test_connections_that_say_nothing_are_bounded(conman: Command, host: str) -> None:
    """Those that never say hello keep nobody out for ever, and no more of them are held than sessions."""
    shim = facts.shim_of(facts.pid_of(conman, host))
    where = facts.attach_socket(conman, host)
    silent = [facts.dial(where) for _ in range(40)]
    facts.until(lambda: facts.still(shim))
    assert len(facts.sockets(shim)) <= SESSIONS + facts.RESTING + 8
    for connection in silent:
        connection.close()
    facts.until(lambda: len(facts.sockets(shim)) <= facts.RESTING)


def test_what_lies_for_sessions_is_bounded(library: Conman, conman: Command, image: str, gone: list[str]) -> None:
    """Eight sessions that never read while 200 MB come out: at most their queues, a MiB each, lie in the shim."""
    gone.append("loud")
    conman.ok("run", "-d", "-i", "--name", "loud", "--log-driver", "none", image, "sh", "-c",
              "read x; head -c 200000000 /dev/zero; echo done; : > /over; read x")
    pid = facts.pid_of(conman, "loud")
    shim = facts.shim_of(pid)
    before = facts.memory_kib(shim, "VmHWM")
    container = library.containers.get("loud")
    feeding = container.session(stdin=True, stdout=False, stderr=False)  # it stays, and so does the input
    idle = [container.session() for _ in range(8)]
    feeding.send(b"go\n")
    facts.until(lambda: os.path.exists(f"/proc/{pid}/root/over"))  # whoever read before might keep up, and not be dropped
    cancel = Cancel(facts.PATIENCE)
    for session in idle:
        while not isinstance(end := session.receive(), End):
            cancel.wait_readable(session.fileno())
        assert end.outcome is Outcome.LOST
        session.close()
    assert facts.memory_kib(shim, "VmHWM") - before < 20_000
    feeding.close()


def test_what_lies_for_the_foreground_is_bounded(conman: Command, image: str, gone: list[str], begin: facts.Begin) -> None:
    """A ``run`` into a file is no pipe, so that bytes go by frames; it is stopped while much comes out."""
    gone.append("loud")
    run = begin("run", "--name", "loud", "--log-driver", "none", image, "sh", "-c", "echo up; head -c 200000000 /dev/zero")
    assert run.stdout is not None and run.stdout.read(3) == b"up\n"
    shim = facts.shim_of(facts.pid_of(conman, "loud"))
    facts.until(lambda: facts.still(shim))
    assert facts.memory_kib(shim, "VmHWM") < 20_000
    conman.ok("kill", "loud")


def test_input_beyond_the_window_is_not_taken(conman: Command, image: str, gone: list[str]) -> None:
    """A client that ignores the window is dropped; one process that does not read costs no memory."""
    gone.append("deaf")
    conman.ok("run", "-d", "-i", "--name", "deaf", image, "sleep", "1000")
    shim = facts.shim_of(facts.pid_of(conman, "deaf"))
    before = facts.memory_kib(shim, "VmHWM")
    rude = facts.dial(facts.attach_socket(conman, "deaf"))
    rude.send(HELLO)
    assert rude.recv(70_000)[0] == 0x81
    sent = 0
    try:
        while sent < 50_000_000:
            sent += rude.send(bytes((2,)) + b"x" * 60_000) - 1
    except (BrokenPipeError, ConnectionResetError, TimeoutError):
        pass  # dropped, as it should be
    assert sent < 20_000_000
    assert facts.memory_kib(shim, "VmHWM") - before < 4_000
    assert _last_frame(rude) in (0x86, 0)
    rude.close()


def _last_frame(connection: socket.socket) -> int:
    last = 0
    while True:
        try:
            packet = connection.recv(70_000)
        except ConnectionResetError:
            continue  # said once; what the peer sent is still there
        if not packet:
            return last
        last = packet[0]


def test_malformed_frames_are_ignored(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("host")
    conman.ok("run", "-d", "-i", "--name", "host", image, "sh", "-c", "read x; echo $x; exit 3")
    odd = facts.dial(facts.attach_socket(conman, "host"))
    for frame in (b"\x02early\n", b"\x01", b"\x01\x01", b"\x05\x09"):
        odd.send(frame)
    odd.send(HELLO)
    assert odd.recv(70_000)[0] == 0x81
    for frame in (b"\x04", b"\x04\x00", b"\x05", b"\x05\x00", b"\x05\xff", b"\x63rubbish", b"\x02", b"\x81", b"\xff" * 65_000):
        odd.send(frame)
    odd.send(b"\x02good\n")
    while (frame := odd.recv(70_000))[0] != 0x85:
        assert frame[0] == 0x87 or frame == b"\x83good\n"
    assert frame[1] == 3
    odd.close()
