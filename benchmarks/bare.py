"""The floor: the OCI runtime itself, without image, log, session or clean-up."""

from __future__ import annotations

import json
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Mapping

from measure import Command

NAME = "conman-bench-runc"


def _bundle(folder: Path, root: Path, words: tuple[str, ...]) -> Path:
    bundle = folder / "bundle"
    bundle.mkdir(parents=True)
    subprocess.run(["runc", "spec", "--bundle", str(bundle)], check=True)
    path = bundle / "config.json"
    document = json.loads(path.read_text())
    document["process"].update(terminal=False, args=list(words), rlimits=[])
    document["root"] = {"path": str(root), "readonly": True}
    path.write_text(json.dumps(document))
    return bundle


def run(folder: Path, root: Path, environ: Mapping[str, str], *words: str) -> Command | None:
    """``runc run`` of a finished bundle around a root file system; None where there is no runc."""
    if shutil.which("runc") is None:
        return None
    bundle = _bundle(folder, root, words)
    return Command(["runc", "--root", str(folder / "state"), "run", "--bundle", str(bundle), NAME], environ)


@contextmanager
def execute(folder: Path, root: Path, environ: Mapping[str, str], *words: str) -> Iterator[Command | None]:
    """``runc exec`` in a container that sleeps meanwhile; None where there is no runc."""
    started = run(folder, root, environ, "sleep", "3600")
    if started is None:
        yield None
        return
    start = ["runc", "--root", str(folder / "state")]
    argv = [*started.argv[:3], "run", "--detach", *started.argv[4:]]
    subprocess.run(argv, env=dict(environ), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    try:
        yield Command([*start, "exec", NAME, *words], environ)
    finally:
        subprocess.run([*start, "delete", "--force", NAME], check=True)
        shutil.rmtree(folder)
