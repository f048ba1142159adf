"""The command line of an OCI runtime: create, start, state, kill, delete, exec, features."""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import socket
import sys

from . import linux, process, rootfs
from .failure import Failure, unsupported
from .spawn import spawn
from .spec import Json, check, check_process, read
from .states import State, folder_of, forget, load, replace, save, start_time

VERSION = "0.1"
SPEC = "1.0.2"
KILL_SECONDS = 10.0
NAMESPACES = {"network": ("net", linux.NEWNET), "ipc": ("ipc", linux.NEWIPC), "uts": ("uts", linux.NEWUTS),
              "mount": ("mnt", linux.NEWNS), "pid": ("pid", linux.NEWPID), "cgroup": ("cgroup", linux.NEWCGROUP)}


def main() -> None:
    """Run one command; ends the process."""
    parser = argparse.ArgumentParser(prog="plain-oci", description="An OCI runtime on plain namespaces: no cgroups, no seccomp.")
    parser.add_argument("--root", default="/run/plain-oci")
    parser.add_argument("--version", action="version", version=f"plain-oci version {VERSION}\nspec: {SPEC}")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("create", "start", "state", "kill", "delete", "exec", "features"):
        command = commands.add_parser(name)
        if name in ("create", "exec"):
            command.add_argument("--pid-file", default="")
            command.add_argument("--console-socket", default="")
        if name == "create":
            command.add_argument("--bundle", "-b", default=".")
        if name == "exec":
            command.add_argument("--detach", "-d", action="store_true", required=True)
            command.add_argument("--process", "-p", required=True)
        if name == "delete":
            command.add_argument("--force", "-f", action="store_true")
        if name != "features":
            command.add_argument("id")
        if name == "kill":
            command.add_argument("signal", nargs="?", default="15")
    given = parser.parse_args()
    try:
        {"create": create, "start": start, "state": state, "kill": kill, "delete": delete, "exec": execute,
         "features": features}[given.command](given)
    except Failure as failure:
        print(failure, file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        print(f"cannot {given.command}: {error}", file=sys.stderr)
        sys.exit(1)


def create(given: argparse.Namespace) -> None:
    """Make a container whose process waits for `start`."""
    _from_memory()
    bundle = os.path.abspath(given.bundle)
    spec = read(f"{bundle}/config.json")
    check(spec)
    console = _console(spec["process"], given.console_socket)
    folder = folder_of(os.path.abspath(given.root), given.id)
    os.makedirs(os.path.dirname(folder), 0o700, exist_ok=True)
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        raise Failure(f"container {given.id} exists") from None
    try:
        here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(f"/proc/self/fd/{here}/start")  # an address holds 107 bytes
        listener.listen(1)

        def act(told: socket.socket) -> None:
            path = _set_up(spec, bundle, console)
            told.send(b"ready")
            told.close()
            peer, _ = listener.accept()
            try:
                process.execute(path, spec["process"])
            except Failure as failure:
                peer.send(str(failure).encode())
                os._exit(1)

        pid = spawn(lambda: _enter_new(spec), act)
        made = State(folder, given.id, pid, start_time(pid), bundle, spec.get("annotations") or {})
        save(made)
        if given.pid_file:
            replace(given.pid_file, str(pid))
    except BaseException:
        forget(folder)
        raise


def start(given: argparse.Namespace) -> None:
    """Let the container's process become its program."""
    found = load(given.root, given.id)
    if found.status() != "created":
        raise Failure(f"container {given.id} is {found.status()}, not created")
    here = os.open(found.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
        peer.connect(f"/proc/self/fd/{here}/start")
        said = peer.recv(1 << 16)  # its end comes with execve(2)
    if said:
        raise Failure(said.decode(errors="replace"))


def state(given: argparse.Namespace) -> None:
    """Print the state document."""
    found = load(given.root, given.id)
    status = found.status()
    print(json.dumps({"ociVersion": SPEC, "id": found.id, "status": status, "pid": 0 if status == "stopped" else found.pid,
                      "bundle": found.bundle, "annotations": found.annotations}))


def kill(given: argparse.Namespace) -> None:
    """Send a signal to the container's process."""
    found = load(given.root, given.id)
    name = given.signal.upper()
    number = int(name) if name.isdigit() else int(signal.Signals[name if name.startswith("SIG") else f"SIG{name}"])
    pidfd = _pidfd(found)
    if pidfd < 0:
        raise Failure(f"container {given.id} is not running")
    signal.pidfd_send_signal(pidfd, number)


def delete(given: argparse.Namespace) -> None:
    """Forget a container; with force it is ended first."""
    folder = folder_of(given.root, given.id)
    if given.force and not os.path.exists(f"{folder}/state.json"):
        forget(folder)  # what a create that was killed has left
        return
    found = load(given.root, given.id)
    pidfd = _pidfd(found)
    if pidfd >= 0:
        if not given.force:
            raise Failure(f"container {given.id} is {found.status()}: stop it, or delete it with --force")
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        if not select.select([pidfd], [], [], KILL_SECONDS)[0]:
            raise Failure(f"container {given.id} does not end")
    forget(found.folder)


def execute(given: argparse.Namespace) -> None:
    """Start another process in a container."""
    _from_memory()
    document = read(given.process)
    check_process(document)
    found = load(given.root, given.id)
    if found.status() == "stopped":
        raise Failure(f"container {given.id} is not running")
    kinds = [(os.open(f"/proc/{found.pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC), flag) for name, flag in NAMESPACES.values()]
    if start_time(found.pid) != found.started:  # the pid was another's by the time that its namespaces were opened
        raise Failure(f"container {given.id} is not running")
    console = _console(document, given.console_socket)

    def enter() -> None:
        process.prepare(document)
        for fd, flag in sorted(kinds, key=lambda one: one[1] == linux.NEWNS):  # after the mounts' the host's files are gone
            linux.setns(fd, flag)

    def act(told: socket.socket) -> None:
        if console is not None:
            process.terminal(document, console, bind=False)
        else:
            os.setsid()
        process.execute(process.become(document, make_folder=False), document)

    pid = spawn(enter, act)
    if given.pid_file:
        replace(given.pid_file, str(pid))


def features(given: argparse.Namespace) -> None:
    """Print the features document of the runtime specification."""
    print(json.dumps({
        "ociVersionMin": "1.0.0", "ociVersionMax": SPEC, "hooks": [], "mountOptions": sorted({*rootfs.FLAGS, *rootfs.NO_FLAG}),
        "linux": {"namespaces": sorted(NAMESPACES), "capabilities": list(process.CAPABILITIES),
                  "cgroup": {"v1": False, "v2": False},
                  "seccomp": {"enabled": False}, "apparmor": {"enabled": False}, "selinux": {"enabled": False}}}))


def _enter_new(spec: Json) -> None:
    process.prepare(spec["process"])
    joined, fresh = [], 0
    for one in spec["linux"]["namespaces"]:
        if one["type"] not in NAMESPACES:
            unsupported(f"make a {one['type']} namespace", "leave it out")
        flag = NAMESPACES[one["type"]][1]
        if one.get("path"):
            joined.append((os.open(one["path"], os.O_RDONLY | os.O_CLOEXEC), flag))
        else:
            fresh |= flag
    for fd, flag in joined:
        linux.setns(fd, flag)
        os.close(fd)
    linux.unshare(fresh)


def _set_up(spec: Json, bundle: str, console: socket.socket | None) -> str:
    rootfs.enter(spec, bundle)
    if spec.get("hostname"):
        socket.sethostname(spec["hostname"])
    if console is not None:
        process.terminal(spec["process"], console, bind=True)
        console.close()
    else:
        os.setsid()
    rootfs.finish(spec)
    return process.become(spec["process"], make_folder=True)


def _console(document: Json, path: str) -> socket.socket | None:
    if not document.get("terminal"):
        return None
    if not path:
        raise Failure("a process with a terminal needs --console-socket")
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    here = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    made.connect(f"/proc/self/fd/{here}/{os.path.basename(path)}")
    os.close(here)
    return made


def _pidfd(found: State) -> int:
    try:
        fd = os.pidfd_open(found.pid)
    except ProcessLookupError:
        return -1
    return fd if start_time(found.pid) == found.started else -1


def _from_memory() -> None:
    """Go on in a sealed copy of this program, that nobody else may look into.

    Once in the container this process is in its reach: what it runs (CVE-2019-5736) must not be a file of the host that could be
    written to, and its memory and descriptors are nobody's.
    """
    import fcntl

    if not os.readlink("/proc/self/exe").startswith("/memfd:"):
        copy = os.memfd_create("plain-oci", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        with open("/proc/self/exe", "rb") as file:
            while os.sendfile(copy, file.fileno(), None, 1 << 24):
                pass
        fcntl.fcntl(copy, 1033, 15)  # F_ADD_SEALS: seal, shrink, grow, write
        os.execve(copy, [os.path.realpath(sys.executable), *sys.orig_argv[1:]], os.environ)
    linux.prctl(linux.SET_DUMPABLE, 0)


if __name__ == "__main__":
    main()
