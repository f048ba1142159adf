"""What every container pays for: the modules that a shim imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src"


def test_nothing_heavy_is_imported() -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); import conman_shim.main, conman_shim.supervisor; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code, str(SOURCE)], capture_output=True, text=True, check=True)
    heavy = {"typing", "enum", "socket", "signal", "ctypes", "json", "subprocess", "re", "collections", "threading", "struct"}
    assert not heavy & set(done.stdout.split())
