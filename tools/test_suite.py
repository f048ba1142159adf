"""Run the whole test suite, in three processes side by side: two for what uses runtimes and mounts, one for everything else.

Usage: ``.venv/bin/python tools/test_suite.py [PYTEST ARGUMENTS]``. Three, because the machine that this is made for has two
cores, and most tests use one and wait a good deal. The last line counts all tests.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pytest_runs import TOP, Run, counted, side_by_side


def parts() -> dict[str, list[str]]:
    """The parts: name -> paths that pytest is given."""
    def found(pattern: str) -> list[str]:
        return sorted(str(path.relative_to(TOP)) for path in TOP.glob(pattern) if path.is_dir() and path.name != "__pycache__")

    rest = [path for path in found("tests/*") if path != "tests/integration"]
    host = found("tests/integration/*")
    half = host.index("tests/integration/lifecycle")
    return {"host": host[:half],
            "more": [*host[half:], "tests/integration/test_shim_client.py", "shim/tests", *found("examples/*/tests")],
            "rest": [*rest, *found("plugins/*/tests")]}


def main() -> int:
    """Run them; 0 where all passed."""
    prefix = Path(sys.prefix)
    codes, closing = side_by_side([Run(name, prefix, sys.argv[1:], paths) for name, paths in parts().items()])
    print(counted(closing))
    return max(abs(code) for code in codes.values())


if __name__ == "__main__":
    sys.exit(main())
