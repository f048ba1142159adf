"""The kits' tests can fail: each of these plugins breaks one promise, and the tests that hold it to that see it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from . import (
    attaches,
    networks,
    networks_leaving,
    networks_live,
    runtimes,
    storage_crowds,
    storage_drivers,
    transport_places,
    transports,
)

HERE = Path(__file__).parent
TOP = HERE.parents[2]
MODULES = (attaches, networks, networks_leaving, networks_live, runtimes, storage_crowds, storage_drivers, transport_places, transports)


def _file(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2] + ".py"


@pytest.fixture(scope="module")
def ended() -> set[tuple[str, str]]:
    """Of everything that the tables name: ``FAILED`` or ``ERROR`` (around the test), and ``module.py::TestPlugin::test``; in one run."""
    if os.geteuid():
        pytest.skip("needs root: mounts, containers")
    nodes = [f"{HERE}/{_file(module)}::Test{one.__name__}::{test}"
             for module in MODULES for one, tests in module.TABLE.items() for test in tests]
    nodes += [f"{HERE}/{_file(module)}::Test{one.__name__}" for module in MODULES for one, tests in module.TABLE.items() if not tests]
    # With CI set pytest would show all of what is not equal: of long bytes, and of many failures, for minutes.
    environ = {name: value for name, value in os.environ.items() if name not in ("CI", "BUILD_NUMBER")}
    done = subprocess.run([sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", TOP, "--confcutdir", HERE, "-p", "no:cacheprovider",
                           "--import-mode=importlib", "-q", "-rfE", "--tb=no", *nodes], capture_output=True, text=True, timeout=600, cwd=TOP,
                          env=environ)
    assert done.returncode == 1, done.stdout + done.stderr
    return set(re.findall(r"^(FAILED|ERROR) (?:\S*/)?(\w+\.py::\S+)", done.stdout, flags=re.M))


@pytest.mark.parametrize("file, broken, test", [(_file(module), one.__name__, test) for module in MODULES
                                                for one, tests in module.TABLE.items() for test in tests])
def test_a_broken_promise_is_seen(ended: set[tuple[str, str]], file: str, broken: str, test: str) -> None:
    wanted = f"{file}::Test{broken}::{test}"
    assert [node for how, node in ended if how == "FAILED" and (node == wanted or node.startswith(f"{wanted}["))]


@pytest.mark.parametrize("file, sound", [(_file(module), one.__name__) for module in MODULES
                                         for one, tests in module.TABLE.items() if not tests])
def test_it_is_the_promise_that_fails(ended: set[tuple[str, str]], file: str, sound: str) -> None:
    assert [node for _, node in ended if node.startswith(f"{file}::Test{sound}::")] == []


@pytest.mark.parametrize("kit", sorted({module.KIT for module in MODULES}, key=str), ids=lambda kit: kit.__name__)
def test_every_test_of_the_kit_is_in_the_table_or_named_as_not_there_yet(kit: type) -> None:
    asked = {name for name in dir(kit) if name.startswith("test_")}
    mine = [module for module in MODULES if module.KIT is kit]
    shown = {test.partition("[")[0] for module in mine for tests in module.TABLE.values() for test in tests}
    assert shown <= asked
    assert asked - shown == {test for module in mine for test in module.NOT_SHOWN}
