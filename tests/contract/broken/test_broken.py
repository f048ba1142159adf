"""The kits' tests can fail: each of these drivers breaks one promise, and the tests that hold it to that see it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from conman_kernel.testing.kits import StorageContract

from . import storage_drivers

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def failed() -> set[str]:
    """``TestDriver::test``, without parameters' cases that passed, of all that the table names, in one run."""
    if os.geteuid():
        pytest.skip("needs root: mounts")
    nodes = [f"{HERE}/storage_drivers.py::Test{one.__name__}::{test}" for one, tests in storage_drivers.TABLE.items() for test in tests]
    done = subprocess.run([sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", HERE, "-p", "no:cacheprovider",
                           "--import-mode=importlib", "-q", "-rf", "--tb=no", *nodes], capture_output=True, text=True, timeout=300)
    assert done.returncode == 1, done.stdout + done.stderr
    return {line.partition("::")[2] for line in re.findall(r"^FAILED (\S+)", done.stdout, flags=re.M)}


@pytest.mark.parametrize("broken, test", [(one.__name__, test) for one, tests in storage_drivers.TABLE.items() for test in tests])
def test_a_broken_promise_is_seen(failed: set[str], broken: str, test: str) -> None:
    assert [node for node in failed if node == f"Test{broken}::{test}" or node.startswith(f"Test{broken}::{test}[")]


def test_every_test_of_the_kit_is_in_the_table_or_named_as_not_there_yet() -> None:
    asked = {name for name in dir(StorageContract) if name.startswith("test_")}
    shown = {test.partition("[")[0] for tests in storage_drivers.TABLE.values() for test in tests}
    assert shown <= asked
    assert asked - shown == set(storage_drivers.NOT_SHOWN)
