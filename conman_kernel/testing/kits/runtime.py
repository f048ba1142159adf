"""The contract of the slot ``conman.runtime``: the tables, and what the runtime does when they are rendered and run."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Iterator, Mapping

import pytest

from ...cancel import Cancel
from ...containers.runtime_client import last_error
from ...slots.provider import PluginContext, Provider
from ...slots.runtime import Features, Runtime, RuntimeCommands, Template, render
from .outcomes import not_offered, unavailable

PATIENCE = 60.0
_REQUIRED = ("create", "start", "state", "kill", "delete", "force_delete", "exec")
_PLACES = {"root", "log", "bundle", "id", "pid_file", "console_socket", "signal", "process", "image_path", "work_path"}


class Box:
    """A bundle of busybox, and the runtime's command line on it.

    :ivar features: what the runtime says of itself. ``id``: the container's.
    """

    def __init__(self, runtime: Runtime, folder: Path) -> None:
        self.runtime = runtime
        self.folder = folder
        self.commands: RuntimeCommands = runtime.commands(systemd_cgroup=False)
        self.features: Features = runtime.features(Cancel(PATIENCE))
        self.id = f"conman-kit-{os.urandom(6).hex()}"
        self.rootfs = folder / "bundle/rootfs"
        for name in ("bin", "proc", "dev", "tmp"):
            (self.rootfs / name).mkdir(parents=True)
        busybox = shutil.which("busybox") or unavailable("no busybox, which the kit's container runs", "install busybox-static")
        shutil.copy(busybox, self.rootfs / "bin/busybox")
        os.symlink("busybox", self.rootfs / "bin/sh")

    def configure(self, *command: str, terminal: bool = False, seccomp: object = None) -> None:
        """Write the bundle's document."""
        linux: dict[str, object] = {"namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts", "network")],
                                    "cgroupsPath": f"/{self.id}"}
        if seccomp is not None:
            linux["seccomp"] = seccomp
        document = {
            "ociVersion": "1.0.2", "root": {"path": "rootfs"}, "hostname": "kit",
            "process": {"terminal": terminal, "user": {"uid": 0, "gid": 0}, "args": [*command], "cwd": "/", "env": ["PATH=/bin"],
                        "noNewPrivileges": True},
            "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
                       {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
                       {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
                        "options": ["newinstance", "ptmxmode=0666", "mode=0620"]}],
            "linux": linux,
        }
        (self.folder / "bundle/config.json").write_text(json.dumps(document))

    def call(self, template: Template, **places: str) -> subprocess.CompletedProcess[bytes]:
        """Render a command, run it, wait for it; the container's output goes to a file."""
        argv = render(template, {"root": str(self.folder / "root"), "id": self.id, "log": str(self.folder / "log"),
                                 "bundle": str(self.folder / "bundle"), **places})
        # Files, no pipes: the container's process keeps what the command was given, and a pipe would never end.
        wanted = "out" if template in (self.commands.create, self.commands.run, self.commands.exec) else "said"
        with open(self.folder / wanted, "wb") as out, open(self.folder / "err", "wb") as err:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, timeout=PATIENCE)
        said = b"" if wanted == "out" else (self.folder / wanted).read_bytes()
        return subprocess.CompletedProcess(argv, done.returncode, said, (self.folder / "err").read_bytes())

    def ok(self, template: Template, **places: str) -> bytes:
        """The same, and it must succeed."""
        done = self.call(template, **places)
        assert done.returncode == 0, f"{done.args}: {done.returncode} {done.stderr!r} {last_error(str(self.folder / 'log'))}"
        return done.stdout or b""

    def failure(self, done: subprocess.CompletedProcess[bytes]) -> int:
        """The exit code that the plugin makes of what a failed command said, as the kernel asks for it."""
        assert done.returncode != 0, "the command was to fail"
        said = last_error(str(self.folder / "log")) or done.stderr.decode(errors="replace").strip()
        return self.runtime.exit_code(said)

    def state(self) -> str:
        """The state document's ``status``."""
        document = json.loads(self.ok(self.commands.state))
        assert document["id"] == self.id
        return str(document["status"])

    def pid(self) -> int:
        """The process's, by the pid file."""
        return int((self.folder / "pid").read_text())

    def create(self, *command: str) -> None:
        """Create a container."""
        self.configure(*command)
        self.ok(self.commands.create, pid_file=str(self.folder / "pid"))

    def wait_ended(self, pid: int) -> None:
        """Wait until a process of the container has ended."""
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        try:
            with Cancel(PATIENCE) as cancel:
                cancel.wait_readable(fd)
        finally:
            os.close(fd)

    def clear(self) -> None:
        """Whatever is left, goes."""
        self.call(self.commands.force_delete)


class RuntimeContract:
    """What every runtime promises, see :mod:`conman_kernel.slots.runtime`. Override the fixture ``provider``; ``options`` where
    another ``[plugin.NAME]`` table is to be tried."""

    @pytest.fixture
    def provider(self) -> Provider[Runtime]:
        """What the plugin's hook ``conman_runtime`` returns. To be overridden."""
        raise NotImplementedError("override the fixture `provider`: return what your conman_runtime() returns")

    @pytest.fixture
    def options(self) -> Mapping[str, object]:
        """The plugin's ``[plugin.NAME]`` table; what is not in it has its default."""
        return {}

    @pytest.fixture
    def runtime(self, provider: Provider[Runtime], options: Mapping[str, object]) -> Runtime:
        """The plugin, opened."""
        context: PluginContext[Mapping[str, object]] = PluginContext(
            name="kit", options={**options}, state_dir="/nonexistent/state", run_dir="/nonexistent/run",
            log=logging.getLogger("conman-kit"))
        no = provider.probe(context)
        if no is not None:
            unavailable(no.reason, no.hint)
        return provider.open(context)

    @pytest.fixture
    def box(self, runtime: Runtime) -> Iterator[Box]:
        """A bundle; its container is removed afterwards."""
        if os.geteuid():
            unavailable("the kit starts containers", "run it as root")
        folder = Path(tempfile.mkdtemp(prefix="kit-"))
        try:
            made = Box(runtime, folder)
            try:
                yield made
            finally:
                made.clear()
        finally:
            shutil.rmtree(folder)

    @pytest.mark.parametrize("systemd", [False, True])
    def test_the_tables_are_whole(self, runtime: Runtime, systemd: bool) -> None:
        """``commands``: "program name included. The same answer every time"; what every container needs is there, and only places
        that the kernel fills in. It renders them for the shim, which knows no plugin."""
        tables = runtime.commands(systemd_cgroup=systemd)
        assert tables == runtime.commands(systemd_cgroup=systemd)
        assert [name for name in _REQUIRED if not getattr(tables, name)] == []
        for name, template in tables._asdict().items():
            texts = [text for part in template for text in (part if isinstance(part, tuple) else (part,))]
            assert not texts or (os.path.basename(texts[0]) and os.path.isabs(texts[0])), f"{name} does not begin with a program"
            assert {place for text in texts for place in re.findall(r"{(\w+)}", text)} <= _PLACES, name

    def test_the_binary_is_there(self, runtime: Runtime) -> None:
        """``binary``: "absolute path of the executable"."""
        assert os.path.isabs(runtime.binary) and os.access(runtime.binary, os.X_OK)

    def test_features_are_said(self, runtime: Runtime) -> None:
        """``features``: versions on one line each, the same every time; at least one kind of cgroup, or none at all if it makes
        none."""
        features = runtime.features(Cancel(PATIENCE))
        assert features == runtime.features(Cancel(PATIENCE))
        assert features.version and len(features.version.splitlines()) == 1
        assert re.match(r"\d+\.\d+", features.oci_version), features.oci_version

    def test_a_containers_life(self, box: Box) -> None:
        """``create`` "returns once the container is created", its process not yet started; then ``start``, ``state``, ``kill``
        with a number, ``delete``. The states are the runtime specification's. What is deleted is unknown."""
        box.create("sh", "-c", "echo started > /tmp/fact; trap 'exit 3' TERM; while true; do busybox sleep 0.05; done")
        assert box.state() == "created" and not (box.rootfs / "tmp/fact").exists()
        pid = box.pid()
        assert os.path.exists(f"/proc/{pid}")
        box.ok(box.commands.start)
        assert box.state() == "running"
        box.ok(box.commands.kill, signal="9")
        box.wait_ended(pid)
        assert box.state() == "stopped"
        box.ok(box.commands.delete)
        assert box.call(box.commands.state).returncode != 0

    def test_output_is_the_callers(self, box: Box) -> None:
        """``create``: "leaving stdio to the process": what the process writes goes where the caller of ``create`` said."""
        box.create("sh", "-c", "echo one; echo two >&2")
        pid = box.pid()
        box.ok(box.commands.start)
        box.wait_ended(pid)
        assert (box.folder / "out").read_bytes() == b"one\n"

    def test_what_runs_is_not_deleted_but_by_force(self, box: Box) -> None:
        """``delete`` refuses a running container; ``force_delete`` ends and removes it. ``rm --force`` after a crash."""
        box.create("sh", "-c", "while true; do busybox sleep 0.05; done")
        pid = box.pid()
        box.ok(box.commands.start)
        assert box.call(box.commands.delete).returncode != 0 and box.state() == "running"
        box.ok(box.commands.force_delete)
        box.wait_ended(pid)
        assert box.call(box.commands.state).returncode != 0

    def test_a_created_container_is_undone(self, box: Box) -> None:
        """``force_delete`` of what was created and never started: a ``run`` that fails in between leaves nothing."""
        box.create("sh")
        pid = box.pid()
        box.ok(box.commands.force_delete)
        box.wait_ended(pid)
        assert box.call(box.commands.state).returncode != 0

    @pytest.mark.parametrize("command, code", [
        ("no-such-command", 127), ("/no/such/path", 127), ("/tmp/data", 126), ("/tmp", 126)])
    def test_commands_that_cannot_be_run(self, box: Box, command: str, code: int) -> None:
        """``exit_code``: "127 where the command was not found, 126 where it cannot be executed", by what ``create`` or ``start``
        says: scripts tell the two apart by conman's exit code."""
        (box.rootfs / "tmp/data").write_text("no program")
        box.configure(command)
        done = box.call(box.commands.create, pid_file=str(box.folder / "pid"))
        if done.returncode == 0:
            done = box.call(box.commands.start)
        assert box.failure(done) == code

    def test_other_failures_are_125(self, box: Box) -> None:
        """``exit_code``: "else 125": a bundle that is none, and texts of no meaning."""
        shutil.rmtree(box.folder / "bundle")
        assert box.failure(box.call(box.commands.create, pid_file=str(box.folder / "pid"))) == 125
        assert {box.runtime.exit_code(text) for text in ("", "?", "x" * 10_000, "permission granted")} == {125}

    def test_exec_runs_beside_the_process(self, box: Box) -> None:
        """``exec``: "detached, takes ``process``, ``pid_file``": another process in the same container."""
        box.create("sh", "-c", "while true; do busybox sleep 0.05; done")
        box.ok(box.commands.start)
        process = {"terminal": False, "user": {"uid": 0, "gid": 0}, "args": ["sh", "-c", "echo here > /tmp/exec"], "cwd": "/",
                   "env": ["PATH=/bin"]}
        (box.folder / "process").write_text(json.dumps(process))
        box.ok(box.commands.exec, process=str(box.folder / "process"), pid_file=str(box.folder / "exec-pid"))
        box.wait_ended(int((box.folder / "exec-pid").read_text()))
        assert (box.rootfs / "tmp/exec").read_text() == "here\n"

    def test_a_terminal_comes_by_the_socket(self, box: Box) -> None:
        """``console_socket``: the terminal's descriptor is sent there. ``run -t``"""
        box.configure("sh", "-c", "busybox tty; read line; echo got $line", terminal=True)
        path = str(box.folder / "console")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
            listening.bind(path)
            listening.listen(1)
            listening.settimeout(PATIENCE)
            box.ok(box.commands.create, pid_file=str(box.folder / "pid"), console_socket=path)
            connection, _ = listening.accept()
            with connection:
                _, fds, _, _ = socket.recv_fds(connection, 4096, 1)
        box.ok(box.commands.start)
        said = b""
        os.write(fds[0], b"word\n")
        with Cancel(PATIENCE) as cancel:
            while b"got word" not in said:
                cancel.wait_readable(fds[0])
                said += os.read(fds[0], 4096)
        os.close(fds[0])
        assert b"/dev/pts/0" in said

    def test_run_is_create_and_start(self, box: Box) -> None:
        """``run``, where there is one: "create and start in one, detached, with create's places"."""
        if not box.commands.run:
            not_offered("run")
        box.configure("sh", "-c", "while true; do busybox sleep 0.05; done")
        box.ok(box.commands.run, pid_file=str(box.folder / "pid"))
        assert box.state() == "running" and os.path.exists(f"/proc/{box.pid()}")

    def test_pause_and_resume(self, box: Box) -> None:
        """``pause`` and ``resume``, where they are, come together and work: a declared command that does nothing is worse than
        none."""
        if not box.commands.pause:
            assert not box.commands.resume
            not_offered("pause")
        box.create("sh", "-c", "while true; do busybox sleep 0.05; done")
        box.ok(box.commands.start)
        box.ok(box.commands.pause)
        assert box.state() == "paused"
        box.ok(box.commands.resume)
        assert box.state() == "running"

    def test_seccomp_that_is_declared_works(self, box: Box) -> None:
        """``Features.seccomp``: "it applies seccomp profiles": a call that the profile denies fails in the container. Who
        declares it and does nothing would leave every container unprotected."""
        if not box.features.seccomp:
            not_offered("seccomp")
        profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}]}
        box.configure("sh", "-c", "busybox mkdir /tmp/made || echo denied > /tmp/fact", seccomp=profile)
        box.ok(box.commands.create, pid_file=str(box.folder / "pid"))
        pid = box.pid()
        box.ok(box.commands.start)
        box.wait_ended(pid)
        assert (box.rootfs / "tmp/fact").exists() and not (box.rootfs / "tmp/made").exists()

    def test_checkpoint_is_declared_with_its_commands(self, runtime: Runtime) -> None:
        """``Features.checkpoint``: "it can checkpoint and restore": then both tables are there."""
        tables = runtime.commands(systemd_cgroup=False)
        if not runtime.features(Cancel(PATIENCE)).checkpoint:
            not_offered("checkpoint")
        assert tables.checkpoint and tables.restore
