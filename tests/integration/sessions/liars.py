"""Where the shims that break a promise lie, and how a test gets a store that uses one."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

from conman_kernel.testing.command import Command

LIARS = Path(__file__).with_name("tiny_shim") / "liars.py"
Liar = Callable[[str], Command]
