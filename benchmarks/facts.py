"""What a reader must know of the machine to judge the numbers."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import containerd
import peers


def _first_line(*argv: str) -> str:
    if shutil.which(argv[0]) is None:
        return "not installed"
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return (done.stdout.strip().splitlines() or ["?"])[0]


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        if line.startswith(name):
            return line.partition(":")[2].strip()
    return "?"


def facts(folder: Path) -> dict[str, str]:
    """Name -> value; all of it is read, none of it guessed."""
    memory = int(_field("/proc/meminfo", "MemTotal").split()[0]) // 1024
    kinds = {line.split(" - ")[1].split()[0] for line in Path("/proc/self/mountinfo").read_text().splitlines()
             if line.split()[4].startswith("/sys/fs/cgroup")}
    return {
        "kernel": platform.release(),
        "processor": f"{len(os.sched_getaffinity(0))} x {_field('/proc/cpuinfo', 'model name')}",
        "memory": f"{memory} MiB, load {os.getloadavg()[0]:.1f}",
        "cgroups": ", ".join(sorted(kinds)),
        "state in": f"{folder} ({_first_line('stat', '-f', '-c', '%T', str(folder))})",
        "python": f"{platform.python_version()} ({sys.executable})",
        "podman": _first_line("podman", "--version"),
        "conmon": _first_line("conmon", "--version"),
        "docker": peers.docker_state(folder) or _first_line("docker", "version", "--format", "{{.Server.Version}}"),
        "containerd": containerd.missing() or _first_line("containerd", "--version"),
        "runc": _first_line("runc", "--version"),
        "docker-registry": _first_line("docker-registry", "--version"),
        "busybox": _first_line("busybox"),
    }
