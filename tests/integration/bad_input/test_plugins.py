"""Plugins that are broken, and storage that cannot work: installed as any other, named by type and distribution."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

PROVIDER = """
from conman_kernel import hookimpl
from conman_kernel.slots.provider import NoOptions, provider
@hookimpl
def conman_runtime():
    return provider(api={api}, summary="x", options=NoOptions, open=lambda context: None)
"""


def install(folder: Path, distribution: str, name: str, code: str, slot: str = "conman.runtime") -> None:
    """Put a plugin distribution into a folder for PYTHONPATH."""
    module = distribution.replace("-", "_")
    (folder / f"{module}.py").write_text(code)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{slot}]\n{name} = {module}\n")


@pytest.mark.parametrize("code, says", [
    ("raise ValueError('broken inside')", "broken inside"), ("import no_such_module_here", "no_such_module_here"),
    ("", "bad-runtime"), (PROVIDER.format(api=99), "99"), (PROVIDER.format(api=1), "bad-runtime"), ("def (", "bad-runtime"),
], ids=["raises", "imports", "empty", "api", "none", "syntax"])
def test_a_broken_plugin(refused, box: str, folder: Path, code: str, says: str) -> None:
    install(folder, "bad-dist", "bad-runtime", code)
    done = refused(125, "--runtime", "bad-runtime", "run", "--rm", box, "true", says=says, PYTHONPATH=str(folder))
    assert "bad-dist" in done.stderr or "bad-runtime" in done.stderr


def test_two_of_one_name(refused, box: str, folder: Path) -> None:
    install(folder, "first-dist", "twice-runtime", "")
    install(folder, "second-dist", "twice-runtime", "")
    done = refused(125, "--runtime", "twice-runtime", "run", "--rm", box, "true", PYTHONPATH=str(folder))
    assert "first-dist" in done.stderr and "second-dist" in done.stderr


def test_a_broken_plugin_that_is_not_selected_disturbs_nobody(conman, box: str, folder: Path) -> None:
    install(folder, "bad-dist", "bad-runtime", "raise ValueError('broken inside')")
    assert conman.ok("run", "--rm", box, "echo", "well", PYTHONPATH=str(folder)) == "well\n"


def test_storage_that_cannot_work_here(refused, box: str, folder: Path) -> None:
    for name in ("lower", "upper", "work", "merged"):
        (folder / name).mkdir()
    options = f"lowerdir={folder}/lower,upperdir={folder}/upper,workdir={folder}/work"
    merged = folder / "merged"
    # An overlay cannot write into another overlay.
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, str(merged)], check=True)
    try:
        done = refused(125, "--root", f"{merged}/root", "pull", box, says="overlay-storage")
        assert "vfs" in done.stderr and not os.path.exists(f"{merged}/root/images")
    finally:
        subprocess.run(["umount", str(merged)], check=True)
