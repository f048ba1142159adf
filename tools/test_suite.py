"""Run the whole test suite, in two processes side by side: what uses runtimes and mounts, and everything else.

Usage: ``.venv/bin/python tools/test_suite.py [PYTEST ARGUMENTS]``. Two, because the machine that this is made for has two
cores and most tests use one. The last line counts all tests.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pytest_runs import TOP, Run, counted, side_by_side


def parts() -> dict[str, list[str]]:
    """The two halves: name -> paths that pytest is given."""
    def found(pattern: str) -> list[str]:
        return sorted(str(path.relative_to(TOP)) for path in TOP.glob(pattern) if path.is_dir() and path.name != "__pycache__")

    rest = [path for path in found("tests/*") if path != "tests/integration"]
    return {"host": ["tests/integration", "shim/tests", *found("examples/*/tests")], "rest": [*rest, *found("plugins/*/tests")]}


def main() -> int:
    """Run both; 0 where all passed."""
    prefix = Path(sys.prefix)
    codes, closing = side_by_side([Run(name, prefix, sys.argv[1:], paths) for name, paths in parts().items()])
    print(counted(closing))
    return max(abs(code) for code in codes.values())


if __name__ == "__main__":
    sys.exit(main())
