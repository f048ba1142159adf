"""``conman plugin test``: a kit on this very host, against an installed plugin as it is configured."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Mapping, NamedTuple, Sequence

import pytest

from ....slots.provider import PluginContext, Provider


class Host(NamedTuple):
    """What is tested.

    :param provider: what the plugin declared. ``context``: what conman would open it with here.
    :param folder: a folder of the test's own on the file system where the plugin's state would lie.
    """

    provider: Provider[object]
    context: PluginContext[Mapping[str, object]]
    folder: Path


class _Given:
    """A pytest plugin that hands the :class:`Host` to the tests."""

    def __init__(self, host: Host) -> None:
        self._host = host

    @pytest.fixture
    def conman_host(self) -> Host:
        return self._host


def kits() -> tuple[str, ...]:
    """The groups of the slots that have a kit."""
    return tuple(f"conman.{name[:-3]}" for name in sorted(os.listdir(os.path.dirname(__file__)))
                 if name.endswith(".py") and not name.startswith("_"))


def run(group: str, provider: Provider[object], context: PluginContext[Mapping[str, object]], arguments: Sequence[str]) -> int:
    """Run the kit of a slot; pytest prints.

    :param group: the slot's, such as ``conman.storage``; one of :func:`kits`.
    :param arguments: further arguments for pytest.
    :returns: 0 where nothing failed, 130 after Ctrl-C, else 1.
    """
    tests = os.path.join(os.path.dirname(__file__), f"{group.partition('.')[2]}.py")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the command's own only asks its token to stop
    near = os.path.dirname(context.state_dir)
    while not os.path.isdir(near):
        near = os.path.dirname(near)
    folder = tempfile.mkdtemp(prefix=".plugin-test-", dir=near)
    try:
        # Whatever project the person stands in, its rules of tests are not this plugin's.
        code = pytest.main(
            ["-c", os.devnull, "--rootdir", folder, "--noconftest", "-p", "no:cacheprovider", "--import-mode=importlib", "-ra",
             tests, *arguments],
            plugins=[_Given(Host(provider, context, Path(folder)))])
    finally:
        shutil.rmtree(folder)
    return {pytest.ExitCode.OK: 0, pytest.ExitCode.INTERRUPTED: 130}.get(pytest.ExitCode(code), 1)
