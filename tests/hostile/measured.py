"""Programs that run one thing and tell how much memory it took: for tests, whose own size its children would inherit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import IO, Mapping, NamedTuple, Sequence

_COMMAND = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True, stdin=subprocess.DEVNULL)
print(json.dumps({"code": done.returncode, "said": done.stderr.decode("utf-8", "replace"),
                  "peak": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}))
"""
_UNPACK = """
import json, os, resource, sys
from conman_kernel.cancel import Cancel
from conman_kernel.errors import ConmanError
from conman_kernel.slots.storage import Whiteouts
from conman_kernel.worker.client import Worker
from conman_kernel.worker.jobs import Limits, UnpackRequest
limits = json.loads(sys.argv[2])
kind = said = ""
try:
    Worker().unpack(UnpackRequest(0, os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY), "", Whiteouts.APPLIED, Cancel(600),
                                  merged=True, limits=Limits(**limits)))
except ConmanError as error:
    kind, said = type(error).__name__, str(error)
print(json.dumps({"code": kind, "said": said, "peak": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}))
"""


class Measured(NamedTuple):
    """How it ended: exit code or kind of error, what was said, KiB that the biggest process held."""

    code: int | str
    said: str
    peak: int


def command(argv: Sequence[str], environ: Mapping[str, str], seconds: float) -> Measured:
    """Run a command."""
    done = subprocess.run([sys.executable, "-c", _COMMAND, *argv], stdout=subprocess.PIPE, env=environ, timeout=seconds, check=True)
    return Measured(**json.loads(done.stdout))


def unpack(blob: IO[bytes], target: Path, seconds: float, **limits: int) -> Measured:
    """Unpack a layer beneath a folder, read from a file or pipe."""
    done = subprocess.run([sys.executable, "-c", _UNPACK, str(target), json.dumps(limits)], stdin=blob, stdout=subprocess.PIPE,
                          timeout=seconds, check=True)
    return Measured(**json.loads(done.stdout))
