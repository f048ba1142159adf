"""Real Debian root file systems for the tests, made once by debootstrap and kept: prints the path of one's ``.tar.gz``.

Usage: ``python tools/debian_root.py [--find] [plain|servers]``. ``--find`` makes nothing and fails where there is none.
``plain`` is debootstrap's ``minbase``; ``servers`` has a database and a web server besides.

It is kept in ``$XDG_CACHE_HOME/conman-tests`` (``~/.cache/conman-tests``), one file per release, architecture and list
of packages. The mirror is the one that this machine's apt uses, and is written nowhere.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOTS: dict[str, tuple[str, ...]] = {"plain": (), "servers": ("redis-server", "nginx-light")}
"""Name of a root -> packages beside debootstrap's ``minbase``."""

RECIPE = 1
"""Counted up when :func:`make` makes something else of the same packages."""

NEEDED_BYTES = 1 << 30

RELEASES = ("bookworm", "trixie", "bullseye")


class Missing(Exception):
    """A fact of this machine stands in the way; its text says which."""


def release() -> str:
    """The Debian release to make: this machine's own."""
    lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    facts = dict(line.split("=", 1) for line in lines if "=" in line)
    name = facts.get("VERSION_CODENAME", "").strip('"')
    return name if name in RELEASES else RELEASES[0]


def architecture() -> str:
    """Debian's word for this machine's architecture."""
    return _output("dpkg", "--print-architecture")


def place(extra: tuple[str, ...]) -> Path:
    """Where the archive of the root with these packages lies, or will."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    packages = hashlib.sha256(" ".join((str(RECIPE), *extra)).encode()).hexdigest()[:12]
    return Path(base, "conman-tests", f"debian-{release()}-{architecture()}-minbase-{packages}.tar.gz")


def mirror() -> str:
    """The address of the archive that apt is configured for.

    :raises Missing: apt has none for the release.
    """
    rows = _output("apt-get", "indextargets", "--format", "$(CREATED_BY) $(RELEASE) $(COMPONENT) $(ORIGIN) $(REPO_URI)")
    for row in rows.splitlines():
        words = row.split()
        if words[:4] == ["Packages", release(), "main", "Debian"] and len(words) == 5:
            return words[4]
    raise Missing(f"apt has no index of Debian {release()} main: apt-get update")


def make(target: Path, extra: tuple[str, ...]) -> None:
    """Make the archive, whole or not at all.

    :raises Missing: debootstrap is not installed, or failed.
    """
    program = shutil.which("debootstrap", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None or os.geteuid() != 0:
        raise Missing("needs root and debootstrap: apt-get install debootstrap")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="debian-root-", dir=_roomy()) as folder:
        root, archive = Path(folder, "root"), Path(folder, "root.tar.gz")
        include = [f"--include={','.join(extra)}"] if extra else []
        # A mount namespace of its own: what debootstrap mounts goes when it ends, however it ends.
        _run("unshare", "--mount", program, "--variant=minbase", *include, release(), str(root), mirror())
        _neutral(root)
        _run("tar", "-C", str(root), "--xattrs", "--xattrs-include=*", "--numeric-owner", "--sort=name",
             "--use-compress-program=gzip -1 -n", "-cf", str(archive), ".")
        beside = target.with_suffix(f".{os.getpid()}")
        shutil.copyfile(archive, beside)
        beside.replace(target)


def _neutral(root: Path) -> None:
    """Take out what tells of this machine, and what only apt needs."""
    for name in ("etc/resolv.conf", "etc/hostname", "var/log/bootstrap.log", "var/cache/apt/pkgcache.bin",
                 "var/cache/apt/srcpkgcache.bin"):
        (root / name).unlink(missing_ok=True)
    (root / "etc/apt/sources.list").write_text("")
    for name in ("var/cache/apt/archives", "var/lib/apt/lists"):
        for path in (root / name).iterdir():
            if path.is_file():
                path.unlink()


def _roomy() -> str | None:
    memory = "/dev/shm"
    return memory if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > NEEDED_BYTES else None


def _run(*argv: str) -> None:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        last = done.stdout.decode(errors="replace").strip().splitlines()[-1:]
        raise Missing(f"{os.path.basename(argv[0])} failed with {done.returncode}: {''.join(last)}")


def _output(*argv: str) -> str:
    try:
        return subprocess.run(argv, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode().strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise Missing(f"needs a Debian-like machine: {argv[0]}: {error}") from None


def main() -> int:
    """See the module."""
    names = [word for word in sys.argv[1:] if word != "--find"] or ["plain"]
    if len(names) > 1 or names[0] not in ROOTS:
        sys.stderr.write(f"debian root: one of {', '.join(ROOTS)}\n")
        return 2
    try:
        path = place(ROOTS[names[0]])
        if not path.exists():
            if "--find" in sys.argv[1:]:
                raise Missing(f"{path} is not there: python tools/debian_root.py {names[0]} makes it")
            make(path, ROOTS[names[0]])
    except Missing as error:
        sys.stderr.write(f"debian root: {error}\n")
        return 1
    sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
