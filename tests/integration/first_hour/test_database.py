"""A real Redis with its data in a named volume: killed and started again, copied away, packed away, and brought back."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
from pathlib import Path

from ..networks.conftest import Host

DATA = "/var/lib/redis"
SERVER = ("redis-server", "--dir", DATA, "--appendonly", "yes", "--appendfsync", "always", "--protected-mode", "no",
          "--bind", "0.0.0.0")


def started(host: Host, name: str, *options: str) -> None:
    host.conman.ok("run", "-d", "--name", name, *options, host.image, *SERVER)
    answers(host, name)


def answers(host: Host, name: str) -> None:
    """Return once the server answers."""
    host.conman.ok("exec", name, "sh", "-c", "until [ \"$(redis-cli ping 2>&1)\" = PONG ]; do sleep 0.05; done")


def cli(host: Host, name: str, *words: str) -> str:
    return host.conman.ok("exec", name, "redis-cli", *words).strip()


def test_killed_and_started_again_it_has_its_data(clean: Host) -> None:
    clean.conman.ok("volume", "create", "orders")
    started(clean, "db", "-v", f"orders:{DATA}")
    assert cli(clean, "db", "set", "first", "42") == "OK"
    assert cli(clean, "db", "rpush", "list", *map(str, range(1000))) == "1000"
    pid = int(clean.conman.ok("inspect", "--format", "{{.State.Pid}}", "db"))
    os.kill(pid, signal.SIGKILL)
    assert clean.conman.ok("wait", "db") == "137\n"
    assert clean.conman.ok("ps", "-a", "--format", "{{.Names}} {{.State}} {{.ExitCode}}") == "db exited 137\n"
    clean.conman.ok("start", "db")
    answers(clean, "db")
    assert (cli(clean, "db", "get", "first"), cli(clean, "db", "llen", "list")) == ("42", "1000")
    # The container goes, the volume stays; another container finds what is in it.
    clean.conman.ok("rm", "-f", "-t", "0", "db")
    started(clean, "next", "-v", f"orders:{DATA}")
    assert cli(clean, "next", "get", "first") == "42"
    done = clean.conman("volume", "rm", "orders")
    assert done.returncode == 2 and "volume is being used" in done.stderr


def test_a_backup_by_cp_is_a_database(clean: Host, folder: Path) -> None:
    started(clean, "db", "-v", f"orders:{DATA}")
    cli(clean, "db", "set", "first", "42")
    clean.conman.ok("stop", "db")
    clean.conman.ok("cp", f"db:{DATA}", str(folder / "backup"))
    assert any(path.name.startswith("appendonly") for path in (folder / "backup").rglob("*"))
    clean.conman.ok("create", "--name", "again", "-v", f"restored:{DATA}", clean.image, *SERVER)
    clean.conman.ok("cp", f"{folder}/backup/.", f"again:{DATA}")
    clean.conman.ok("start", "again")
    answers(clean, "again")
    assert cli(clean, "again", "get", "first") == "42"


def test_a_backup_by_exec_and_gzip_is_whole(clean: Host, folder: Path) -> None:
    started(clean, "db", "-v", f"orders:{DATA}")
    cli(clean, "db", "set", "big", "x" * 100_000)
    cli(clean, "db", "save")
    command = " ".join(clean.conman.argv("exec", "db", "tar", "-C", DATA, "-c", "."))
    subprocess.run(["bash", "-c", f"set -o pipefail; {command} | gzip > {folder}/backup.tar.gz"], check=True, timeout=60,
                   env=clean.conman.environ)
    packed = gzip.decompress((folder / "backup.tar.gz").read_bytes())
    assert b"dump.rdb" in packed and b"REDIS" in packed
    clean.conman.ok("create", "--name", "again", "-v", f"restored:{DATA}", clean.image, *SERVER)
    restore = " ".join(clean.conman.argv("cp", "-", f"again:{DATA}"))
    subprocess.run(["bash", "-c", f"set -o pipefail; gunzip -c {folder}/backup.tar.gz | {restore}"], check=True, timeout=60,
                   env=clean.conman.environ)
    clean.conman.ok("start", "again")
    answers(clean, "again")
    assert cli(clean, "again", "strlen", "big") == "100000"
