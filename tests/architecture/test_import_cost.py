"""Start-up is paid on every command: what the short paths must not load. Nothing here measures time.

``python -X importtime`` lists every module that one process imports; the worker and the shim are other processes.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

COSTLY = ("asyncio", "click", "dataclasses", "importlib.metadata", "inspect", "logging", "pathlib", "pluggy",
          "requests", "shutil", "subprocess", "tempfile", "email", "http", "urllib.request", "multiprocessing",
          "concurrent", "unittest", "ssl")

ONLY_OTHERS_NEED = ("sqlite3", "json", "socket", "typing", "enum", "re", "conman_kernel.kernel",
                    "conman_kernel.config", "conman_kernel.store", "conman_kernel.images",
                    "conman_kernel.containers", "conman_kernel.slots")

PLUGINS = ("conman_registry_pull", "conman_oci_archive", "conman_overlay_storage", "conman_vfs_storage",
           "conman_runc_runtime", "conman_crun_runtime", "conman_pty_attach", "conman_record_attach", "conman_events_jsonl",
           "conman_cdi_devices")


def imported(cli, *arguments: str, code: int = 0) -> set[str]:
    """The modules that ``conman ARGUMENTS`` loads in its own process, beyond those of a bare interpreter."""
    argv = [sys.executable, "-X", "importtime", *cli.program, *arguments]
    done = subprocess.run(argv, env=cli.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    words = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    assert done.returncode == code, words
    return names(done.stderr) - names(report("pass"))


def report(script: str) -> str:
    """The import-time report of a few words of Python."""
    argv = [sys.executable, "-X", "importtime", "-c", script]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stderr


def names(report: str) -> set[str]:
    """Module names of an import-time report."""
    rows = [line.split("|") for line in report.splitlines() if line.startswith("import time:")]
    return {row[2].strip() for row in rows if len(row) == 3 and row[2].strip() != "imported package"}


def loaded(found: set[str], *packages: str) -> list[str]:
    return sorted(m for m in found if any(m == p or m.startswith(f"{p}.") for p in packages))


def test_version_loads_next_to_nothing(cli):
    found = imported(cli, "--version")
    assert loaded(found, *COSTLY, *ONLY_OTHERS_NEED, *PLUGINS) == []
    assert len(found) <= 12, sorted(found)


def test_ps_loads_no_plugin_and_no_command_line_library(cli):
    assert loaded(imported(cli, "ps"), *COSTLY, *PLUGINS) == []


@pytest.mark.parametrize("arguments", [("ps",), ("ps", "--format", "json"), ("images",), ("version",)], ids=" ".join)
def test_templates_are_paid_by_those_who_give_one(cli, arguments):
    assert loaded(imported(cli, *arguments), "conman_kernel.cli.templates", "conman_kernel.cli.docker_names") == []
    assert "conman_kernel.cli.templates.form" in imported(cli, "ps", "--format", "{{.ID}}")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it runs a container")
def test_run_loads_what_it_uses(cli, box):
    cli.ok("pull", "-q", box)
    cli.ok("run", "--rm", box, "true")
    found = imported(cli, "run", "--rm", box, "true")
    assert loaded(found, *COSTLY) == []
    assert loaded(found, *PLUGINS), "the report would show plugins"
    assert loaded(found, "conman_events_jsonl.reading", "conman_kernel.events.filters", "conman_kernel.support.inotify") == []
    unused = ("conman_registry_pull", "conman_cdi_devices", "conman_kernel.containers.edits", "conman_oci_archive", "conman_vfs_storage", "conman_crun_runtime", "conman_record_attach")
    assert loaded(found, *unused) == []


@pytest.mark.parametrize("arguments", [("logs", "none"), ("inspect", "none"), ("images",)], ids=" ".join)
def test_questions_load_no_plugin(cli, arguments):
    found = imported(cli, *arguments, code=0 if arguments == ("images",) else 125)
    assert loaded(found, *PLUGINS, "pluggy", "requests") == []


def test_the_report_sees_what_is_imported():
    assert loaded(names(report("import pluggy")), "pluggy", "inspect")
