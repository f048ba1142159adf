"""A plugin's author: ``conman`` and one plugin, installed from wheels, nothing of the checkout; the kits are in what pip installs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from conman_kernel.testing.command import PATIENCE

from .conftest import TOP, Host

pytestmark = pytest.mark.integration
CONTRACT = """
import conman_vfs_storage
import pytest
from conman_kernel.slots.provider import NoOptions, PluginContext, provider
from conman_kernel.testing.kits import StorageContract


class TestMine(StorageContract):
    @pytest.fixture
    def provider(self):
        return conman_vfs_storage.conman_storage_driver()


def forgetful(context):
    driver = conman_vfs_storage.conman_storage_driver().open(PluginContext(
        name="kit", options={}, state_dir=context.state_dir, run_dir=context.run_dir, log=context.log))
    prepare = driver.prepare
    driver.prepare = lambda request: prepare(request._replace(parent=None))
    return driver


class TestForgetful(StorageContract):
    @pytest.fixture
    def provider(self):
        return provider(api=1, summary="a child is empty", options=NoOptions, open=forgetful)
"""


def _install(prefix: Path, *what: str) -> None:
    subprocess.run([sys.executable, str(TOP / "tools" / "clean_environment.py"), "--only", str(prefix), *what], check=True, timeout=PATIENCE)


def test_the_kits_come_with_pip_alone(scratch: Path) -> None:
    prefix, work = scratch / "environment", scratch / "work"
    work.mkdir()
    _install(prefix, "conman", "conman-vfs-storage")
    host = Host(work, str(prefix / "bin" / "conman"))
    assert host.fails(125, "plugin", "test", "vfs-storage") == (
        "Error: conman plugin test needs pytest, which is not installed\nHint: pip install 'conman[testing]'\n")

    _install(prefix, "conman[testing]")  # as the hint says
    assert {path.name for path in prefix.glob("lib/python*/site-packages/conman_*") if path.is_dir() and path.suffix != ".dist-info"} == {
        "conman_kernel", "conman_vfs_storage"}
    said = host.ok("plugin", "test", "vfs-storage", "-q", "-k", "taken or whiteouts_delete or chain")
    assert " passed" in said and "failed" not in said

    (work / "test_contract.py").write_text(CONTRACT)
    done = subprocess.run([prefix / "bin" / "python", "-m", "pytest", "-q", "-rf", "--tb=no", "-k", "taken or chain"],
                          cwd=work, env=host.environ, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1, done.stdout + done.stderr
    failed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("FAILED")]
    assert failed == ["test_contract.py::TestForgetful::test_a_chain_shows_every_layer"], done.stdout
