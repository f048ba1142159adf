"""What a person is shown of a record that says ``running``: who upholds it, and what the exit file says."""

from __future__ import annotations

import fcntl
import logging
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Iterator, cast

import pytest

from conman_kernel.containers import rows
from conman_kernel.containers.context import Context
from conman_kernel.containers.described import Described
from conman_kernel.containers.paths import exit_file, shim_lock
from conman_kernel.containers.rows import ContainerRow
from conman_kernel.containers.state import outward
from conman_kernel.oci.runtime.options import ContainerOptions
from conman_kernel.processes import boot_id, start_time
from conman_kernel.store.index import Index
from conman_kernel.store.layout import Layout

NOBODY = {"pid": 4_000_001, "pid_start": 1, "shim_pid": 4_000_002, "shim_start": 1}
"""Pids above any that a host hands out."""


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    layout = Layout(str(tmp_path / "root"), str(tmp_path / "run"))
    index = Index(layout)
    yield cast(Context, SimpleNamespace(layout=layout, index=index, log=logging.getLogger("test")))
    index.close()


def add(context: Context, **values: object) -> ContainerRow:
    found = {"id": "a" * 64, "name": "c", "image_id": "i", "image_name": "n", "image_chain_id": "", "state": "running",
             "created": 1.0, "started": 2.0, "exit_code": -1, "storage": "s", "runtime": "r", "boot_id": boot_id(),
             "options": rows.options_json(ContainerOptions()), "process": "{}", **NOBODY, **values}
    with context.index.write() as connection:
        rows.insert(connection, found)
        row = rows.by_id(connection, "a" * 64)
    assert row is not None
    context.layout.ensure(context.layout.container(row.id))
    context.layout.ensure(context.layout.container_run(row.id))
    return row


def write_exit(context: Context, row: ContainerRow, code: int = 3, oom: int = 0) -> None:
    Path(exit_file(context, row)).write_text(f"code={code}\nsignal=0\noom={oom}\nfinished=5000000000\n")


def facts(row: ContainerRow) -> tuple[str, int, float, int, str]:
    return row.state, row.exit_code, row.finished, row.oom, row.error


def test_while_its_process_lives_it_runs(context: Context) -> None:
    row = add(context, pid=os.getpid(), pid_start=start_time(os.getpid()))
    assert outward(context, row) is row


def test_after_the_process_the_exit_file_says_how_it_ended(context: Context) -> None:
    row = add(context)
    write_exit(context, row, oom=1)
    assert facts(outward(context, row)) == ("exited", 3, 5.0, 1, "")


@pytest.mark.parametrize("by", ["lock", "pid"])
def test_it_runs_until_its_shim_has_written_that(context: Context, by: str) -> None:
    row = add(context, **({"shim_pid": os.getpid(), "shim_start": start_time(os.getpid())} if by == "pid" else {}))
    with open(shim_lock(context, row), "w") as lock:
        if by == "lock":
            fcntl.flock(lock, fcntl.LOCK_EX)
        assert outward(context, row) is row
        write_exit(context, row)
        assert facts(outward(context, row))[:2] == ("exited", 3)


def test_it_is_lost_where_nobody_is_left_to_write_it(context: Context) -> None:
    state, code, finished, _, error = facts(outward(context, add(context)))
    assert (state, code, error) == ("exited", -1, "shim lost") and finished > 1e9


def test_another_boot_leaves_what_its_exit_file_says(context: Context) -> None:
    row = add(context, boot_id="another", pid=os.getpid(), pid_start=start_time(os.getpid()))
    assert facts(outward(context, row))[1] == -1 and outward(context, row).error == "the host was rebooted"
    write_exit(context, row)
    assert facts(outward(context, row)) == ("exited", 3, 5.0, 0, "")


def test_an_empty_exit_file_says_nothing(context: Context) -> None:
    row = add(context)
    Path(exit_file(context, row)).touch()
    assert facts(outward(context, row))[1] == -1


def test_a_record_that_was_settled_meanwhile_is_believed(context: Context) -> None:
    row = add(context)
    with context.index.write() as connection:
        rows.update(connection, row.id, state="exited", exit_code=7, finished=9.0)
    assert facts(outward(context, row)) == ("exited", 7, 9.0, 0, "")


def test_one_that_was_removed_meanwhile_has_its_exit_code(context: Context) -> None:
    row = add(context)
    with context.index.write() as connection:
        rows.delete(connection, row._replace(exit_code=7), 1.0)
    assert facts(outward(context, row))[:2] == ("exited", 7)


@pytest.mark.parametrize("state", ["created", "exited", "removing"])
def test_no_file_is_looked_at_where_it_is_over(state: str) -> None:
    row = ContainerRow(**{**dict.fromkeys(ContainerRow._fields, 0), "state": state})  # type: ignore[arg-type]
    assert outward(cast(Context, None), row) is row


def test_what_was_said_of_an_end_stays_said(context: Context) -> None:
    row = add(context)
    write_exit(context, row)
    container = Described(context, row)
    assert container.state == "exited"
    os.unlink(exit_file(context, row))
    assert (container.state, container.exit_code, container.finished, container.pid) == ("exited", 3, 5.0, 0)
