"""The plugin under test is the checkout's: it is installed in no environment but the clean one of tests/integration/strangers."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
