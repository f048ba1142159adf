"""Run the unit and contract tests on every other Python that conman says it supports and this machine has; not the slow ones.

Each gets an environment of its own in build/ with the same wheels. Looked for: ``python3.N`` in PATH, and what pyenv
has.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import wheels
from pytest_runs import Run, side_by_side

SUPPORTED = ("3.11", "3.12", "3.13")
TESTS = ("tests/unit", "tests/contract/test_*.py")


def interpreters() -> dict[str, str]:
    """Version (``3.12``) -> a working interpreter of it, for all but the one that runs this."""
    found: dict[str, str] = {}
    home = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for version in SUPPORTED:
        known = sorted(map(str, home.glob(f"versions/{version}.*/bin/python3")))
        for candidate in [*known, shutil.which(f"python{version}") or ""]:
            if candidate and _version(candidate) == version:
                found[version] = candidate
    found.pop(f"{sys.version_info.major}.{sys.version_info.minor}", None)
    return found


def _version(python: str) -> str:
    script = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([python, "-c", script], capture_output=True, text=True).stdout.strip()


def environment(version: str, python: str, wanted: str) -> Path:
    """An environment in build/ for that Python, holding the current wheels and pytest."""
    prefix = wheels.BUILD / f"python{version}"
    stamp = prefix / ".made-from"
    if not wheels.fresh(stamp, python):
        shutil.rmtree(prefix, ignore_errors=True)
        wheels.run(python, "-m", "venv", "--without-pip", prefix)
        stamp.write_text(python)
    wheels.install(prefix, wanted)
    wheels.dev(prefix, ("pytest", "hypothesis"))
    return prefix


def main() -> int:
    """Test each; 0 where all passed."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    wanted = wheels.build()
    others = interpreters()
    tests = [str(path.relative_to(wheels.TOP)) for pattern in TESTS for path in sorted(wheels.TOP.glob(pattern))]
    runs, failed = [], []
    for version, python in others.items():
        prefix = environment(version, python, wanted)
        print(f"== Python {version} ({python}): begins", flush=True)
        argv = [str(prefix / "bin" / "python"), "-W", "error", str(prefix / "bin" / "conman"), "--version"]
        if subprocess.run(argv, stdout=subprocess.DEVNULL).returncode:
            failed.append(version)
        runs.append(Run(f"python{version}", prefix, ("-q", "-m", "not slow"), tests))
    codes, _ = side_by_side(runs)  # each uses one processor
    failed += [version for version in others if codes[f"python{version}"] and version not in failed]
    missing = [v for v in SUPPORTED if v not in others and not sys.version.startswith(f"{v}.")]
    if missing:
        print(f"== not on this machine, so not tested: Python {', '.join(missing)}")
    _agree()
    for version in failed:
        print(f"FAILED on Python {version}", file=sys.stderr)
    return bool(failed)


def _agree() -> None:
    """The classifiers of pyproject.toml list exactly what is tested here."""
    listed = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', (wheels.TOP / "pyproject.toml").read_text())
    if tuple(listed) != SUPPORTED:
        sys.exit(f"pyproject.toml claims Python {', '.join(listed)}; tested are {', '.join(SUPPORTED)}")


if __name__ == "__main__":
    sys.exit(main())
