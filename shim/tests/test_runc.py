"""The real thing: runc, a root file system with busybox, this shim."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Iterator

import pytest

RUNC = shutil.which("runc")
BUSYBOX = Path("/bin/busybox")
STDIN, STDIN_END, RESIZE, SIGNAL = 2, 3, 4, 5
EXITED = 0x85


class Runc:
    """One container of runc's."""

    def __init__(self, rig, folder: Path) -> None:
        self.rig = rig
        self.bundle = folder / "bundle"
        self.root = folder / "runc"
        self.limit = 0
        self.name = f"shim-test-{os.getpid()}-{folder.name}"
        binaries = self.bundle / "rootfs" / "bin"
        binaries.mkdir(parents=True)
        for name in ("proc", "dev"):
            (self.bundle / "rootfs" / name).mkdir()
        shutil.copy(BUSYBOX, binaries / "busybox")
        for applet in ("sh", "cat", "sleep", "stty", "ls", "head", "echo", "readlink", "tty"):
            (binaries / applet).symlink_to("busybox")

    def command(self, *words: str) -> list[str]:
        return [str(RUNC), "--root", str(self.root), *words]

    def create(self, *program: str, terminal: bool = False, extra: tuple[str, ...] = ()) -> None:
        spec = {
            "ociVersion": "1.0.2", "root": {"path": "rootfs"}, "hostname": "box",
            "process": {"terminal": terminal, "user": {"uid": 0, "gid": 0}, "args": list(program), "cwd": "/",
                        "env": ["PATH=/bin"], "noNewPrivileges": True},
            "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
                       {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
                       {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
                        "options": ["newinstance", "ptmxmode=0666", "mode=0620"]}],
            "linux": {"namespaces": [{"type": t} for t in ("pid", "mount", "ipc", "uts", "network")],
                      "cgroupsPath": f"/{self.name}"},
        }
        if self.limit:
            spec["linux"]["resources"] = {"memory": {"limit": self.limit, "swap": self.limit}}
        (self.bundle / "config.json").write_text(json.dumps(spec))
        console = self.rig.path("console")
        argv = self.command("create", "--bundle", str(self.bundle), "--pid-file", self.rig.path("pid"))
        if terminal:
            argv += ["--console-socket", console]
            extra = (*extra, "terminal=1", f"console_socket={console}")
        cleanup = (f"cleanup={word}" for word in self.command("delete", "--force", self.name))
        self.rig.configure([*argv, self.name], *extra, *cleanup)

    def start(self) -> None:
        subprocess.run(self.command("start", self.name), check=True, capture_output=True)
        self.rig.say("started")

    def known(self) -> bool:
        return self.root.exists() and (self.root / self.name).exists()


@pytest.fixture
def runc(rig, folder: Path) -> Iterator[Runc]:
    assert RUNC, "runc is missing: apt-get install runc"
    assert BUSYBOX.exists(), "busybox is missing: apt-get install busybox-static"
    made = Runc(rig, folder)
    yield made
    subprocess.run(made.command("delete", "--force", made.name), capture_output=True, check=False)


def test_attached_output_exit_code_and_log(rig, runc: Runc) -> None:
    runc.create("sh", "-c", "echo out; echo err >&2; exit 7")
    rig.created()
    client = rig.attach()
    runc.start()
    assert client.output() == (b"out\n", b"err\n", (EXITED, b"\x07"))
    assert rig.exited()["code"] == "7"
    assert rig.logged() == "out\n"
    assert rig.logged("stderr") == "err\n"


def test_no_descriptor_leaks(rig, runc: Runc) -> None:
    runc.create("ls", "/proc/self/fd")
    rig.created()
    client = rig.attach()
    runc.start()
    assert client.output()[0].split() == [b"0", b"1", b"2", b"3"]  # 3: the folder that ls reads


def test_input_goes_through(rig, runc: Runc) -> None:
    runc.create("cat", extra=("stdin=1",))
    rig.created()
    client = rig.attach(15)
    client.send(STDIN, b"before the start\n")
    runc.start()
    client.until(b"start\n")
    client.send(STDIN, b"x" * 65536)
    client.send(STDIN_END)
    out, _, last = client.output()
    assert (out, last) == (b"x" * 65536, (EXITED, b"\x00"))


def test_a_terminal_with_its_size_and_job_control(rig, runc: Runc) -> None:
    runc.create("sh", terminal=True, extra=("stdin=1", "rows=40", "columns=90"))
    rig.created()
    client = rig.attach(15)
    runc.start()
    client.send(STDIN, b"stty size; tty\n")
    said = client.until(b"/dev/pts/0\r\n")
    assert b"40 90" in said
    client.send(STDIN, b"sh -c 'echo go; exec sleep 100'\n")
    client.until(b"go\r\n")
    client.send(RESIZE, (30).to_bytes(2, "big") + (77).to_bytes(2, "big"))
    client.send(STDIN, b"\x03")
    client.send(STDIN, b"stty size\n")
    client.until(b"30 77\r\n")
    client.send(STDIN, b"exit 5\n")
    assert client.output()[2] == (EXITED, b"\x05")


def test_a_command_that_does_not_exist(rig, runc: Runc) -> None:
    runc.create("/no/such/command")
    name, records = rig.heard()
    assert (name, records["stage"]) == ("error", "create")
    assert "no such file or directory" in records["text"]
    rig.say("done")


def test_killed_before_the_start_it_is_undone(rig, runc: Runc) -> None:
    runc.create("sleep", "100")
    pid = rig.created()
    assert runc.known()
    rig.control.close()
    rig.gone()
    assert not Path(f"/proc/{pid}").exists()
    assert not runc.known()


def test_detached_clean_up_is_the_shims(rig, runc: Runc) -> None:
    runc.create("sh", "-c", "exit 3")
    rig.created()
    subprocess.run(runc.command("start", runc.name), check=True, capture_output=True)
    rig.say("release")
    rig.control.close()
    rig.gone()
    assert rig.exit_file()["code"] == "3"
    assert not runc.known()


def test_exec_even_one_that_ends_at_once_loses_nothing(rig, runc: Runc, folder: Path) -> None:
    runc.create("sleep", "100")
    rig.created()
    runc.start()
    process = folder / "process.json"
    process.write_text(json.dumps({"terminal": False, "user": {"uid": 0, "gid": 0}, "cwd": "/", "env": ["PATH=/bin"],
                                   "args": ["sh", "-c", "echo quick; exit 4"]}))
    inner = folder / "exec"
    inner.mkdir()
    second = type(rig)(inner)
    try:
        second.configure(runc.command("exec", "--detach", "--process", str(process), "--pid-file", second.path("pid"),
                                      runc.name))
        second.created()
        client = second.attach()
        second.say("started")
        assert client.output() == (b"quick\n", b"", (EXITED, b"\x04"))
        assert second.exited()["code"] == "4"
    finally:
        second.close()


def test_an_execs_output_comes_before_the_runtimes_exec_has_ended(rig, runc: Runc, folder: Path) -> None:
    runc.create("sleep", "100")
    rig.created()
    runc.start()
    process = folder / "process.json"
    process.write_text(json.dumps({"terminal": False, "user": {"uid": 0, "gid": 0}, "cwd": "/", "env": ["PATH=/bin"],
                                   "args": ["sh", "-c", "echo early; cat; exit 4"]}))
    inner = folder / "exec"
    inner.mkdir()
    second = type(rig)(inner)
    try:
        # The runtime's command goes on until the output is here: so it came while that ran.
        command = runc.command("exec", "--detach", "--process", str(process), "--pid-file", second.path("pid"), runc.name)
        second.configure(["sh", "-c", "\"$@\" && while ! test -e \"$0\"; do sleep 0.01; done", second.path("go"), *command], "stdin=1")
        assert second.heard_next()[0] == "listening"
        client = second.attach(15)
        second.say("started")
        client.send(STDIN, b"input\n")
        assert client.until(b"input\n") == b"early\ninput\n"
        (inner / "go").touch()
        second.created()
        client.send(STDIN_END)
        assert client.output() == (b"", b"", (EXITED, b"\x04"))
    finally:
        second.close()


def test_the_shim_is_in_the_cgroup_it_was_given_and_the_container_is_not(rig, runc: Runc) -> None:
    pids = next(p for p in (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup")) if (p / "cgroup.procs").exists())
    own = pids / f"{runc.name}-shim"
    own.mkdir()
    try:
        runc.create("sleep", "100", extra=(f"cgroup={own}",))
        pid = rig.created()
        runc.start()
        assert (own / "cgroup.procs").read_text().split() == [str(rig.pid)]
        assert f"/{runc.name}\n" in Path(f"/proc/{pid}/cgroup").read_text()
        assert os.getsid(rig.pid) == rig.pid
        os.kill(pid, 9)
        rig.exited()
        rig.say("done")
        rig.gone()
    finally:
        own.rmdir()


def test_out_of_memory_is_noted_by_the_cgroups_own_counter(rig, runc: Runc) -> None:
    memory = Path("/sys/fs/cgroup/memory")
    events = memory / runc.name / "memory.oom_control"
    if not (memory / "memory.limit_in_bytes").exists():
        events = Path("/sys/fs/cgroup") / runc.name / "memory.events"
    runc.limit = 8 * 1024 * 1024
    runc.create("sh", "-c", "x=aaaaaaaa; while :; do x=$x$x; done", extra=(f"oom_files={events}",))
    rig.created()
    runc.start()
    told = rig.exited()
    assert (told["code"], told["oom"]) == ("137", "1")
