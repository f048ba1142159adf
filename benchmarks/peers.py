"""The container managers that are compared, each with state of its own in memory: conman, podman, and docker where one answers.

containerd, which needs a daemon of its own, is in ``containerd.py``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Iterator, Mapping

from measure import Command

SETTLE_SECONDS = 10.0
CONMAN = Path(sys.executable).with_name("conman")

# Hosts differ in what podman may do as root in a container of its own; these flags work on all of them and change
# nothing of what is measured: no network, as here with conman, limits that need no privilege.
PODMAN_RUN = ("--network", "none", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000")


def environment(home: Path) -> dict[str, str]:
    """The environment of every measured command: this one without conman's and Python's settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("CONMAN_", "PYTHON"))}
    return {**kept, "CONMAN_CONTAINERS_NETWORK": "none", "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / ".config"), "LC_ALL": "C.UTF-8"}


class Peer:
    """One container manager that speaks docker's command line, with its own root.

    :param start: the command and its global options.
    :param folder: where all of its state lies.
    :param run_flags: come after ``run`` and ``create``.
    :param rm_flags: so that ``rm -f`` kills at once: the first process of a container may ignore the stop signal.
    :param log_driver: the driver that writes a file, its own default kind; every one knows ``none`` too.
    """

    def __init__(self, name: str, start: list[str], folder: Path, *, run_flags: tuple[str, ...] = (),
                 pull_flags: tuple[str, ...] = ("--quiet",), rm_flags: tuple[str, ...] = ("-t", "0"), log_driver: str) -> None:
        self.name = name
        self.start = start
        self.folder = folder
        self.run_flags = run_flags
        self.pull_flags = pull_flags
        self.rm_flags = rm_flags
        self.log_driver = log_driver
        self.environ: Mapping[str, str] = environment(folder.parent)

    def command(self, verb: str, *arguments: str) -> Command:
        """One verb, to be measured."""
        flags = self.run_flags if verb in {"run", "create"} else self.pull_flags if verb == "pull" else ()
        return Command([*self.start, verb, *flags, *arguments], self.environ)

    def run(self, reference: str, *words: str, stdin: bool = False, terminal: bool = False, name: str = "",
            log: str = "") -> Command:
        """``run --rm`` in the foreground.

        :param name: of the container, for :meth:`remove`; without one it cannot be named.
        :param log: a log driver, such as :attr:`log_driver`; the manager's own choice where empty.
        """
        flags = ["--rm", *(["-i"] if stdin else []), *(["-t"] if terminal else [])]
        flags += ["--log-driver", log] if log else []
        flags += ["--name", name] if name else []
        return self.command("run", *flags, reference, *words)

    def execute(self, name: str, *words: str) -> Command:
        """``exec`` in a running container."""
        return self.command("exec", name, *words)

    def do(self, command: Command) -> str:
        """Run a command that is not measured. Ends the program where it fails."""
        process = subprocess.Popen(command.argv, env=dict(command.environ), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        try:
            out, words = process.communicate()
        except BaseException:
            # Not killed in the middle: what it is making must be whole, to be removed.
            process.communicate()
            raise
        if process.returncode:
            sys.exit(f"bench: {' '.join(command.argv)}: {process.returncode}\n{words}")
        return out

    def pull(self, reference: str) -> None:
        """Get an image."""
        self.do(self.command("pull", reference))

    def look(self, reference: str) -> tuple[Command | None, str]:
        """A command that finds an image here and asks no registry, and what it is; None where there is no such command."""
        shown = subprocess.run(self.command("pull", "--help").argv, env=dict(self.environ), capture_output=True, text=True).stdout
        if "--policy" in shown:
            return self.command("pull", "--policy", "missing", reference), "pull --policy missing"
        command = self.command("image", "exists", reference)
        found = subprocess.run(command.argv, env=dict(self.environ), stdin=subprocess.DEVNULL, capture_output=True)
        return (command, "image exists") if found.returncode == 0 else (None, "")

    def detached(self, reference: str, name: str, *words: str) -> None:
        """Start a container in the background. It goes with :meth:`remove`, at the latest with :meth:`forget`."""
        self.do(self.command("run", "-d", "--name", name, reference, *words))

    def main_pid(self, name: str) -> int:
        """The process id of a running container's main process, as this machine sees it."""
        return int(self.do(self.command("inspect", "--format", "{{.State.Pid}}", name)))

    def remove(self, *names: str) -> None:
        """Kill and remove containers; one that is gone already is no error."""
        if names:
            argv = self.command("rm", "-f", *self.rm_flags, *names).argv
            subprocess.run(argv, env=dict(self.environ), stdin=subprocess.DEVNULL, capture_output=True)

    def running(self) -> list[str]:
        """The containers of ours that run."""
        return self.do(self.command("ps", "-q")).split() if (self.folder / "root").exists() else []

    def forget(self) -> None:
        """Remove all state: the next command begins on an empty disk."""
        self.remove(*self.running())
        self._settle()
        points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        for point in sorted((p for p in points if p.startswith(f"{self.folder}/")), reverse=True):
            subprocess.run(["umount", "-l", point], check=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def _settle(self) -> None:
        """Wait for those that still clean up behind a removed container: they would make the folder anew."""
        mark = f"{self.folder}/".encode()
        end = time.monotonic() + SETTLE_SECONDS
        while any(mark in words for words in _command_lines()) and time.monotonic() < end:
            time.sleep(0.02)

    def close(self) -> None:
        """End what was started for it and remove all state."""
        self.forget()


def _command_lines() -> Iterator[bytes]:
    """The argv of every process but this one."""
    for name in os.listdir("/proc"):
        if name.isdecimal() and int(name) != os.getpid():
            try:
                yield Path("/proc", name, "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended while we looked


class Skopeo(Peer):
    """skopeo, which only copies: into a store as podman has it, or into a folder with nothing unpacked."""

    def __init__(self, name: str, folder: Path, target: str) -> None:
        super().__init__(name, ["skopeo", "--insecure-policy", "--tmpdir", f"{folder}/tmp"], folder, log_driver="")
        self._target = target

    def command(self, verb: str, *arguments: str) -> Command:
        """``copy`` for ``pull``; nothing else is known."""
        assert verb == "pull"
        (reference,) = arguments
        return Command([*self.start, "copy", "--quiet", "--src-tls-verify=false", f"docker://{reference}",
                        self._target.format(folder=self.folder, reference=reference)], self.environ)

    def running(self) -> list[str]:
        return []

    def forget(self) -> None:
        super().forget()
        (self.folder / "tmp").mkdir(parents=True, exist_ok=True)


class Docker(Peer):
    """A docker whose daemon was here before: only what the benchmark brought into it is taken out again."""

    def __init__(self, folder: Path) -> None:
        super().__init__("docker", ["docker"], folder, run_flags=("--network", "none"), rm_flags=(),
                         log_driver="json-file")
        self._images: list[str] = []

    def pull(self, reference: str) -> None:
        self._images.append(reference)
        super().pull(reference)

    def running(self) -> list[str]:
        rows = [self.do(self.command("ps", "-q", "--filter", f"ancestor={image}")).split() for image in self._images]
        return [row for found in rows for row in found]

    def forget(self) -> None:
        super().forget()
        for reference in self._images:
            self.do(self.command("rmi", "-f", reference))
        self._images = []


def conman(folder: Path) -> Peer:
    """The installed conman of this environment."""
    start = [str(CONMAN), "--root", f"{folder}/root", "--run-root", f"{folder}/run"]
    return Peer("conman", start, folder, log_driver="cri")


def podman(folder: Path) -> Peer | None:
    """podman, where it is installed."""
    if shutil.which("podman") is None:
        return None
    start = ["podman", "--root", f"{folder}/root", "--runroot", f"{folder}/run", "--tmpdir", f"{folder}/tmp",
             "--storage-driver", "overlay", "--runtime", "runc", "--cgroup-manager", "cgroupfs"]
    return Peer("podman", start, folder, run_flags=PODMAN_RUN, pull_flags=("--quiet", "--tls-verify=false"),
                log_driver="k8s-file")


def copiers(folder: Path) -> list[Peer]:
    """skopeo, where it is installed: as it fills a store, and as it only fetches."""
    if shutil.which("skopeo") is None:
        return []
    store = "containers-storage:[overlay@{folder}/root+{folder}/run]{reference}"
    return [Skopeo("skopeo to a store", folder / "skopeo-store", store),
            Skopeo("skopeo to a folder (no unpacking)", folder / "skopeo-folder", "dir:{folder}/image")]


def docker(folder: Path) -> Docker | None:
    """docker, where its daemon answers."""
    if docker_state(folder):
        return None
    return Docker(folder)


def docker_state(folder: Path) -> str:
    """Why docker cannot be measured here; empty where it can."""
    if shutil.which("docker") is None:
        return "not installed"
    try:
        done = subprocess.run(["docker", "version", "--format", "{{.Server.Version}}"], env=environment(folder),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10)
    except subprocess.TimeoutExpired:
        return "installed, its daemon does not answer"
    return "" if done.returncode == 0 else "installed, no daemon answers"
