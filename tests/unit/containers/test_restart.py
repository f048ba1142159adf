"""Restart policies as rules: what is parsed, when one applies, and how long it waits."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.containers import restart
from conman_kernel.containers.context import Context
from conman_kernel.containers.restart import check_policy, is_waited_for, next_backoff, parse_policy, wanted
from conman_kernel.containers.rows import ContainerRow, options_json
from conman_kernel.containers.state import outward
from conman_kernel.errors import InvalidInput
from conman_kernel.oci.runtime.options import ContainerOptions
from conman_kernel.processes import start_time

from .test_state import NOBODY, add, context, write_exit  # noqa: F401 (a fixture)


def unheld(row: ContainerRow) -> ContainerRow:
    """The row with processes that nobody has."""
    return row._replace(pid=NOBODY["pid"], pid_start=1, shim_pid=NOBODY["shim_pid"], shim_start=1)


def options(policy: str, tries: int = 0) -> str:
    return options_json(ContainerOptions(restart=policy, restart_tries=tries))


@pytest.mark.parametrize(("text", "found"), [("no", ("no", 0)), ("always", ("always", 0)), ("on-failure", ("on-failure", 0)),
                                             ("unless-stopped", ("unless-stopped", 0)), ("on-failure:5", ("on-failure", 5))])
def test_policies(text: str, found: tuple[str, int]) -> None:
    assert parse_policy(text) == found


@pytest.mark.parametrize("text", ["", "yes", "ALWAYS", "always:", "always:1", "on-failure:", "on-failure:-1", "on-failure:1.5",
                                  "on-failure:²", "on-failure:0", "on-failure:99999999999999999999", "unless-stopped:2", ":3"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_policy(text)
    assert repr(text)[1:-1] in caught.value.message


@pytest.mark.parametrize("wrong", [ContainerOptions(restart="x"), ContainerOptions(restart="always", restart_tries=1),
                                   ContainerOptions(restart_tries=1), ContainerOptions(restart="on-failure", restart_tries=-1),
                                   ContainerOptions(restart="always", remove=True)])
def test_options_that_contradict_each_other(wrong: ContainerOptions) -> None:
    with pytest.raises(InvalidInput):
        check_policy(wrong)


@pytest.mark.parametrize(("policy", "tries", "code", "restarts", "stopped", "so"), [
    ("", 0, 1, 0, 0, False), ("no", 0, 1, 0, 0, False), ("always", 0, 0, 9, 0, True), ("always", 0, 0, 0, 1, False),
    ("unless-stopped", 0, 0, 0, 0, True), ("unless-stopped", 0, 0, 0, 1, False), ("on-failure", 0, 0, 0, 0, False),
    ("on-failure", 0, 1, 1000, 0, True), ("on-failure", 2, 1, 1, 0, True), ("on-failure", 2, 1, 2, 0, False),
    ("on-failure", 0, -1, 0, 0, True), ("on-failure", 0, 1, 0, 1, False)])
def test_when_it_applies(context: Context, policy: str, tries: int, code: int, restarts: int, stopped: int,  # noqa: F811
                         so: bool) -> None:
    row = add(context, state="exited", options=options(policy, tries), exit_code=code, restarts=restarts, stopped=stopped)
    assert wanted(row) is so


@pytest.mark.parametrize(("before", "ran", "then"), [(0, 0.0, 100), (100, 0.0, 200), (200, 9.9, 400), (400, 10.0, 100),
                                                     (51_200, 1.0, 60_000), (60_000, 1.0, 60_000), (60_000, 3600.0, 100)])
def test_the_back_off(context: Context, before: int, ran: float, then: int) -> None:  # noqa: F811
    assert next_backoff(add(context, started=1000.0, finished=1000.0 + ran, backoff=before)) == then


def test_it_is_waited_for_while_its_waiter_lives(context: Context) -> None:  # noqa: F811
    row = add(context, state="restarting", shim_pid=os.getpid(), shim_start=start_time(os.getpid()), exit_code=3)
    assert is_waited_for(row) and outward(context, row).state == "restarting"
    gone = row._replace(shim_pid=NOBODY["shim_pid"])
    assert not is_waited_for(gone) and outward(context, gone).state == "exited"
    assert not is_waited_for(row._replace(boot_id="another")) and outward(context, row._replace(boot_id="another")).state == "exited"


def test_a_row_that_was_read_before_the_restart_shows_what_came_of_it(context: Context) -> None:  # noqa: F811
    now = add(context, pid=os.getpid(), pid_start=start_time(os.getpid()))
    assert outward(context, unheld(now)._replace(state="restarting")).state == "running"


def test_an_end_that_nobody_has_settled_yet_is_on_its_way_up(context: Context) -> None:  # noqa: F811
    mine = {"shim_pid": os.getpid(), "shim_start": start_time(os.getpid())}
    row = add(context, options=options("on-failure"), **mine)
    write_exit(context, row, code=3)
    assert outward(context, row).state == "restarting"
    write_exit(context, row, code=0)
    assert outward(context, row).state == "exited"
    assert outward(context, unheld(row)).state == "exited"


@pytest.fixture
def waiter(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    made = tmp_path / "made"
    pid = restart._spawn_waiter(("/bin/sh", "-c", f"ls -l /proc/self/fd > {made}.new; mv {made}.new {made}"), 200)
    yield pid, made


def test_the_waiter_sleeps_then_becomes_the_command(waiter: tuple[int, Path]) -> None:
    pid, made = waiter
    assert not made.exists() and os.getsid(pid) == pid and os.readlink(f"/proc/{pid}/cwd") == "/"
    pidfd = os.pidfd_open(pid)
    import select

    assert select.select([pidfd], [], [], 20)[0]
    os.close(pidfd)
    links = [line.rpartition(" -> ")[2] for line in made.read_text().splitlines() if " -> " in line]
    assert links.count("/dev/null") == 2 and not any("pipe:" in link or "socket:" in link for link in links)
