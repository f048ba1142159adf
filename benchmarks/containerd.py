"""containerd as a peer: a daemon of its own for the benchmark, and its plain client ``ctr``."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from measure import Command
from peers import Peer

NAMESPACE = "conman-bench"
RUNTIME = "io.containerd.runc.v2"
START_SECONDS = 20.0
# Shims make their sockets here, whatever the daemon's own folders are.
SOCKETS = Path("/run/containerd/s")
# Plugins that need what a benchmark has no use for (CNI, block devices, folders in /opt, a collector of traces).
DISABLED = ("io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
            "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.opt",
            "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing")


def missing() -> str:
    """Why containerd cannot be measured here; empty where it can."""
    lacks = [name for name in ("containerd", "ctr", "containerd-shim-runc-v2") if shutil.which(name) is None]
    return f"not installed ({', '.join(lacks)})" if lacks else ""


class Containerd(Peer):
    """A containerd with root, state and socket below one folder, started with the first image. It keeps no logs of containers."""

    def __init__(self, folder: Path) -> None:
        self._address = folder / "containerd.sock"
        super().__init__("containerd", ["ctr", "--address", str(self._address), "--namespace", NAMESPACE], folder,
                         log_driver="")
        self._daemon: subprocess.Popen[bytes] | None = None
        self._ids = 0
        self._folders = [path for path in (SOCKETS, SOCKETS.parent) if not path.exists()]

    def _command(self, *words: str) -> Command:
        return Command([*self.start, *words], self.environ)

    def _flags(self) -> tuple[str, ...]:
        return ("--runtime", RUNTIME, "--runc-root", f"{self.folder}/runc", "--fifo-dir", f"{self.folder}/fifo")

    def _id(self) -> str:
        self._ids += 1
        return f"bench-{self._ids}"

    def run(self, reference: str, *words: str, stdin: bool = False, terminal: bool = False, name: str = "",
            log: str = "") -> Command:
        # Input is always carried; without --log-uri nothing is logged.
        tty = ("--tty",) if terminal else ()
        return self._command("run", "--rm", *self._flags(), *tty, reference, name or self._id(), *words)

    def execute(self, name: str, *words: str) -> Command:
        return self._command("task", "exec", "--fifo-dir", f"{self.folder}/fifo", "--exec-id", self._id(), name, *words)

    def pull(self, reference: str) -> None:
        self._start()
        self.do(self._command("images", "pull", "--plain-http", reference))

    def detached(self, reference: str, name: str, *words: str) -> None:
        # Without --null-io the client's FIFOs stay open in the shim, for a client that is gone.
        self.do(self._command("run", "--detach", "--null-io", *self._flags(), reference, name, *words))

    def main_pid(self, name: str) -> int:
        rows = [line.split() for line in self.do(self._command("task", "ls")).splitlines()]
        return next(int(row[1]) for row in rows if row[0] == name)

    def remove(self, *names: str) -> None:
        for name in names:
            for words in (("task", "rm", "--force", name), ("containers", "rm", name)):
                subprocess.run([*self.start, *words], stdin=subprocess.DEVNULL, capture_output=True)

    def running(self) -> list[str]:
        return [] if self._daemon is None else self.do(self._command("containers", "ls", "-q")).split()

    def forget(self) -> None:
        self.remove(*self.running())
        if self._daemon is not None:
            self._daemon.send_signal(signal.SIGTERM)
            try:
                self._daemon.wait(START_SECONDS)
            except subprocess.TimeoutExpired:
                self._daemon.kill()
                self._daemon.wait()
            self._daemon = None
        super().forget()

    def close(self) -> None:
        self.forget()
        # Version 1 has a folder for each controller, some under two names; version 2 has one.
        for group in {path.resolve() for path in Path("/sys/fs/cgroup").glob(f"*/{NAMESPACE}")}:
            group.rmdir()
        if (group := Path("/sys/fs/cgroup", NAMESPACE)).is_dir():
            group.rmdir()
        for path in self._folders:
            if path.is_dir() and not os.listdir(path):
                path.rmdir()

    def _start(self) -> None:
        """Start the daemon where it does not run, and wait until it answers."""
        if self._daemon is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "config.toml"
        # A JSON string or list is also one of TOML.
        config.write_text(f"version = 2\nroot = {json.dumps(f'{self.folder}/root')}\n"
                          f"state = {json.dumps(f'{self.folder}/state')}\ndisabled_plugins = {json.dumps(list(DISABLED))}\n"
                          f"[grpc]\naddress = {json.dumps(str(self._address))}\n")
        log = self.folder / "log"
        with log.open("wb") as words:
            self._daemon = subprocess.Popen(["containerd", "--config", str(config)], env=dict(self.environ),
                                            stdin=subprocess.DEVNULL, stdout=words, stderr=words)
        end = time.monotonic() + START_SECONDS
        while subprocess.run([*self.start, "version"], stdin=subprocess.DEVNULL, capture_output=True).returncode:
            if self._daemon.poll() is not None or time.monotonic() > end:
                sys.exit(f"bench: containerd did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)


def containerd(folder: Path) -> Containerd | None:
    """containerd, where it is installed."""
    return None if missing() else Containerd(folder)
