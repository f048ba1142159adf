"""Make a clean environment as a user has it: ``conman[standard]`` and more distributions of this checkout, all from wheels.

Usage: ``.venv/bin/python tools/clean_environment.py PREFIX FOLDER...``, each folder a distribution such as
``examples/roots-transport``. Does nothing where PREFIX holds just that already.

With ``--only``: ``... --only PREFIX conman[EXTRA] NAME...``, the kernel with that extra (or ``conman``: with none) and these
plugins of ours, into PREFIX as it is.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import wheels


def main(prefix: Path, folders: list[Path]) -> None:
    """Make or renew ``prefix``."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    wanted = wheels.build()
    made_from = f"{sys.version} {wheels.digest(folders, wanted)}"
    stamp = prefix / ".clean"
    if wheels.fresh(stamp, made_from):
        return
    # An environment that may hold what was left out meanwhile proves nothing about what was left in.
    shutil.rmtree(prefix, ignore_errors=True)
    wheels.run(sys.executable, "-m", "venv", "--without-pip", prefix)
    wheels.install(prefix, wanted)
    with tempfile.TemporaryDirectory(prefix="conman-clean-") as found:
        wheels.build_into(Path(found), folders, wheels.builder())
        wheels.pip(prefix / "bin" / "python", "install", "--no-index", "--find-links", found, "--find-links", wheels.WHEELS,
                   *sorted(Path(found).glob("*.whl")))
    stamp.write_text(made_from)


def only(prefix: Path, kernel: str, *plugins: str) -> None:
    """Install no more than ``kernel`` and ``plugins`` into ``prefix``, which is made where it is not there."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    wheels.build()
    if not prefix.exists():
        wheels.run(sys.executable, "-m", "venv", "--without-pip", prefix)
    name, _, extra = kernel.rstrip("]").partition("[")
    _, others = wheels.requirements(extra or "none", (name, *plugins))
    wheels.pip(prefix / "bin" / "python", "install", *others)
    # As in wheels.install: no index.
    wheels.pip(prefix / "bin" / "python", "install", "--no-index", "--find-links", wheels.WHEELS, kernel, *plugins)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    if sys.argv[1] == "--only":
        only(Path(sys.argv[2]).absolute(), *sys.argv[3:])
        sys.exit()
    main(Path(sys.argv[1]).absolute(), [Path(folder).resolve() for folder in sys.argv[2:]])
