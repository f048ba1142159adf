"""The commands that are compared: conman, podman and bare runc, each with state of its own in memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

CONMAN = Path(sys.executable).with_name("conman")

# Hosts differ in what podman may do as root in a container of its own; these flags work on all of them and change
# nothing of what is measured: no network as with conman's default, limits that need no privilege.
PODMAN_RUN = ("--network", "none", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000")


def environment(home: Path) -> dict[str, str]:
    """The environment of every measured command: this one without conman's and Python's settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("CONMAN_", "PYTHON"))}
    return {**kept, "HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config"), "LC_ALL": "C.UTF-8"}


class Peer:
    """One container manager with its own root. ``run_flags`` come after ``run`` and ``create``."""

    def __init__(self, name: str, start: list[str], folder: Path, run_flags: tuple[str, ...],
                 pull_flags: tuple[str, ...]) -> None:
        self.name = name
        self.start = start
        self.folder = folder
        self.run_flags = run_flags
        self.pull_flags = pull_flags
        self.environ = environment(folder.parent)

    def argv(self, verb: str, *arguments: str) -> list[str]:
        """The command line of one verb."""
        flags = self.run_flags if verb in {"run", "create"} else self.pull_flags if verb == "pull" else ()
        return [*self.start, verb, *flags, *arguments]

    def do(self, verb: str, *arguments: str) -> str:
        """Run a verb that is not measured. Ends the program where it fails."""
        done = subprocess.run(self.argv(verb, *arguments), env=self.environ, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"bench: {' '.join(self.argv(verb, *arguments))}: {done.returncode}\n{done.stderr}")
        return done.stdout

    def forget(self) -> None:
        """Remove all state: the next command begins on an empty disk."""
        points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        for point in sorted((p for p in points if p.startswith(f"{self.folder}/")), reverse=True):
            subprocess.run(["umount", "-l", point], check=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)


def conman(folder: Path) -> Peer:
    """The installed conman of this environment."""
    start = [str(CONMAN), "--root", f"{folder}/root", "--run-root", f"{folder}/run"]
    return Peer("conman", start, folder, (), ("--quiet",))


def podman(folder: Path) -> Peer | None:
    """podman, where it is installed."""
    if shutil.which("podman") is None:
        return None
    start = ["podman", "--root", f"{folder}/root", "--runroot", f"{folder}/run", "--tmpdir", f"{folder}/tmp",
             "--storage-driver", "overlay", "--runtime", "runc", "--cgroup-manager", "cgroupfs"]
    return Peer("podman", start, folder, PODMAN_RUN, ("--quiet", "--tls-verify=false"))


def runc_bundle(folder: Path, layout_root: Path) -> list[str] | None:
    """The command line of a bare ``runc run`` of ``true`` in a bundle around a finished root file system."""
    if shutil.which("runc") is None:
        return None
    bundle = folder / "bundle"
    bundle.mkdir(parents=True)
    subprocess.run(["runc", "spec", "--bundle", str(bundle)], check=True)
    path = bundle / "config.json"
    document = json.loads(path.read_text())
    document["process"].update(terminal=False, args=["true"], rlimits=[])
    document["root"] = {"path": str(layout_root), "readonly": True}
    path.write_text(json.dumps(document))
    return ["runc", "--root", str(folder / "state"), "run", "--bundle", str(bundle), "conman-bench"]
