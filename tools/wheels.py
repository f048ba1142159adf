"""Build every distribution of this repository as a wheel and install them into .venv, as a user would have them.

Usage: ``.venv/bin/python tools/wheels.py build|install|dev``. Each step leaves a stamp (a digest of what it was made
from) and does nothing where the stamp still holds.
"""

from __future__ import annotations

import email
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path
from typing import Iterator

TOP = Path(__file__).resolve().parent.parent
BUILD = TOP / "build"
WHEELS = BUILD / "wheels"
NOISE = {"__pycache__", "build", "dist", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis"}


def distributions() -> list[Path]:
    """The folders that hold a distribution: the root, the shim, every plugin."""
    found = [TOP, TOP / "shim", *sorted((TOP / "plugins").iterdir())]
    return [folder for folder in found if (folder / "pyproject.toml").is_file()]


def sources(folder: Path) -> Iterator[Path]:
    """The files that a wheel of ``folder`` is made of, in a fixed order."""
    for name in ("pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"):
        if (folder / name).is_file():
            yield folder / name
    tree = folder / ("conman_kernel" if folder == TOP else "src")
    for parent, folders, files in os.walk(tree):
        folders[:] = sorted(f for f in folders if f not in NOISE and not f.endswith(".egg-info"))
        yield from (Path(parent, f) for f in sorted(files) if not f.endswith((".pyc", ".swp", "~")))


def digest(folders: list[Path], *more: str) -> str:
    """A digest over names and contents of the sources of ``folders``, and over ``more``."""
    total = hashlib.sha256("\0".join(more).encode())
    for folder in folders:
        for path in sources(folder):
            total.update(f"{path.relative_to(TOP)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def fresh(stamp: Path, wanted: str) -> bool:
    """True where ``stamp`` says that the work was done for ``wanted``."""
    return stamp.is_file() and stamp.read_text() == wanted


def run(*argv: str | Path, cwd: Path | None = None) -> None:
    """Run a command; its output is the person's. Ends this program where it fails."""
    done = subprocess.run([str(a) for a in argv], cwd=cwd)
    if done.returncode:
        sys.exit(f"setup: failed: {' '.join(map(str, argv))}")


def pip(python: Path, *arguments: str | Path) -> None:
    """The pip of .venv, quiet, at work on the environment of ``python``."""
    run(sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", python, *arguments)


def builder() -> Path:
    """A Python with the newest setuptools, apart from .venv: what builds is no part of what is installed."""
    python = BUILD / "builder" / "bin" / "python"
    wanted = f"{TOP} {sys.version}"
    stamp = BUILD / "builder" / ".made-from"
    if not fresh(stamp, wanted):
        shutil.rmtree(BUILD / "builder", ignore_errors=True)
        run(sys.executable, "-m", "venv", "--without-pip", BUILD / "builder")
        pip(python, "install", "setuptools>=77")
        stamp.write_text(wanted)
    return python


def build() -> str:
    """Make build/wheels hold one wheel of each distribution. Returns the digest of what they were made from."""
    folders = distributions()
    wanted = digest(folders, *sorted(str(f.relative_to(TOP)) for f in folders))
    stamp = WHEELS / ".made-from"
    if fresh(stamp, wanted):
        return wanted
    print(f"setup: building {len(folders)} wheels", file=sys.stderr)
    python = builder()
    shutil.rmtree(WHEELS, ignore_errors=True)
    WHEELS.mkdir(parents=True)
    build_into(WHEELS, folders, python)
    stamp.write_text(wanted)
    return wanted


def build_into(result: Path, folders: list[Path], python: Path) -> None:
    """Add a wheel of each distribution to the folder ``result``. Ends this program where one cannot be built."""
    # From copies: setuptools leaves build/ and *.egg-info beside its sources, and would pack stale files from there.
    with tempfile.TemporaryDirectory(prefix="conman-wheels-") as temporary:
        jobs = []
        for folder in folders:
            copy = Path(temporary) / folder.name
            for path in sources(folder):
                target = copy / path.relative_to(folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
            hook = f"import setuptools.build_meta as b; b.build_wheel({str(result)!r})"
            log = (copy / "build.log").open("w+")
            jobs.append((folder, log, subprocess.Popen([python, "-c", hook], cwd=copy, stdout=log, stderr=log)))
        for folder, log, job in jobs:
            if job.wait():
                log.seek(0)
                sys.exit(f"{log.read()}\nsetup: cannot build {folder}")
            log.close()


def requirements(extra: str = "standard", only: tuple[str, ...] = ()) -> tuple[list[str], list[str]]:
    """Names of our distributions, or of those of them that are named, and the requirements of their wheels on others; of the
    extras, ``extra`` alone counts."""
    chosen = re.compile(rf"""\s*(?:;|and)\s*extra\s*==\s*['"]{extra}['"]""")
    ours: list[str] = []
    others: set[str] = set()
    for wheel in sorted(WHEELS.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
            metadata = email.message_from_bytes(archive.read(name))
        if only and metadata["Name"] not in only:
            continue
        ours.append(str(metadata["Name"]))
        wanted = (chosen.sub("", str(r)) for r in metadata.get_all("Requires-Dist", []))
        others.update(r for r in wanted if "extra ==" not in r)
    return ours, sorted(r for r in others if not r.startswith("conman"))


def install(prefix: Path, wanted: str) -> None:
    """Install ``conman[standard]`` from the local wheels into the environment ``prefix``."""
    stamp = prefix / ".conman"
    if fresh(stamp, wanted):
        return
    print(f"setup: installing conman[standard] into {os.path.relpath(prefix)}", file=sys.stderr)
    python = prefix / "bin" / "python"
    ours, others = requirements()
    third = prefix / ".third-party"
    if not fresh(third, "\n".join(others)):
        pip(python, "install", *others)
        third.write_text("\n".join(others))
    stamp.unlink(missing_ok=True)
    installed = [n for n in ours if any(prefix.glob(f"lib/python*/site-packages/{n.replace('-', '_')}-*.dist-info"))]
    if installed:
        pip(python, "uninstall", "--yes", *installed)
    # No index: a stranger's package of one of our names must never be taken, and nothing of ours may be missing.
    pip(python, "install", "--no-index", "--find-links", WHEELS, "conman[standard]")
    packages = [p for p in prefix.glob("lib/python*/site-packages/conman_*") if p.suffix != ".dist-info"]
    run(python, "-m", "compileall", "-q", *packages)
    stamp.write_text(wanted)


def dev(prefix: Path, only: tuple[str, ...] = ()) -> None:
    """Install what the tests and checks need, or the packages ``only`` of that, into the environment ``prefix``."""
    document = tomllib.loads((TOP / "pyproject.toml").read_text())
    wanted = "\n".join(document["dependency-groups"]["dev"])
    stamp = prefix / ".dev"
    if not fresh(stamp, wanted):
        print("setup: installing the tools for tests and checks", file=sys.stderr)
        needed = [r for r in document["dependency-groups"]["dev"] if not only or r.startswith(only)]
        pip(prefix / "bin" / "python", "install", *needed)
        stamp.write_text(wanted)


def main(what: str) -> None:
    """Do one step for the environment whose Python runs this."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if what == "dev":
        dev(Path(sys.prefix))
    elif what == "install":
        install(Path(sys.prefix), build())
    elif what == "build":
        build()
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) == 2 else "")
