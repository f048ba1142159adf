"""Containers in the index: reserved once, found by what a person types."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.containers import rows
from conman_kernel.errors import AlreadyExists, InvalidInput, NotFound
from conman_kernel.oci.runtime.options import ContainerOptions, MountOption
from conman_kernel.store.index import Index
from conman_kernel.store.layout import Layout


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    index = Index(Layout(str(tmp_path / "root"), str(tmp_path / "run")))
    with index.write() as connection:
        yield connection
    index.close()


def add(db: sqlite3.Connection, name: str, id: str = "", **more: object) -> rows.ContainerRow:
    id = id.ljust(64, "0") if id else os.urandom(32).hex()
    values = {"id": id, "name": name, "image_id": "i", "image_name": "n", "image_chain_id": "", "state": "created", "created": 1.0,
              "storage": "s", "runtime": "r", "options": rows.options_json(ContainerOptions()), "process": "{}", **more}
    rows.insert(db, values)
    found = rows.by_id(db, id)
    assert found is not None
    return found


def test_id_and_name_are_reserved_in_one_step(db: sqlite3.Connection) -> None:
    first = add(db, "one")
    with pytest.raises(AlreadyExists) as caught:
        add(db, "one")
    assert caught.value.message == f'the container name "one" is already in use by {first.id}'
    with pytest.raises(sqlite3.IntegrityError):
        add(db, "two", first.id)
    assert [row.name for row in rows.select(db)] == ["one"]


def test_a_name_is_reserved_while_its_container_is_being_made(db: sqlite3.Connection) -> None:
    add(db, "early", state="creating")
    with pytest.raises(AlreadyExists):
        add(db, "early")
    with pytest.raises(NotFound):
        rows.find(db, "early")
    assert rows.select(db) == []


def test_row_numbers_are_never_used_again(db: sqlite3.Connection) -> None:
    first, second = add(db, "a"), add(db, "b")
    rows.delete(db, second, 0)
    assert add(db, "c").num > second.num > first.num


def test_found_by_name_id_and_beginning(db: sqlite3.Connection) -> None:
    one, two = add(db, "one", "abc1"), add(db, "two", "abd1")
    for words, row in (("one", one), (one.id, one), ("abc", one), ("abd", two), (two.id[:63], two)):
        assert rows.find(db, words) == row


def test_a_beginning_that_several_ids_have(db: sqlite3.Connection) -> None:
    add(db, "one", "abc1")
    add(db, "two", "abd1")
    with pytest.raises(InvalidInput, match='more than one container has an id that begins with "ab"'):
        rows.find(db, "ab")


def test_a_name_wins_over_a_beginning(db: sqlite3.Connection) -> None:
    add(db, "one", "abc1")
    named = add(db, "abc", "fff1")
    assert rows.find(db, "abc") == named
    add(db, "three", "abc2")
    assert rows.find(db, "abc") == named


@pytest.mark.parametrize("words", ["", "none", "ABC", "abc%", "on", "abcg", "%", "abc1 "])
def test_what_names_nothing(db: sqlite3.Connection, words: str) -> None:
    add(db, "one", "abc1")
    with pytest.raises(NotFound) as caught:
        rows.find(db, words)
    assert caught.value.message == f'no container with name or ID "{words}" found: no such container'


def test_the_last_hex_digit_is_in_reach(db: sqlite3.Connection) -> None:
    row = add(db, "one", "f" * 64)
    assert rows.find(db, "f") == rows.find(db, "f" * 63) == row


def test_changes_and_selections(db: sqlite3.Connection) -> None:
    a, b = add(db, "a"), add(db, "b")
    rows.update(db, a.id, state="running", pid=7)
    rows.update(db, "gone", state="running")
    assert [(r.name, r.state, r.pid) for r in rows.select(db)] == [("a", "running", 7), ("b", "created", 0)]
    assert [r.name for r in rows.select(db, ["created", "exited"])] == ["b"]
    assert [r.name for r in rows.active(db)] == ["a"]
    rows.update(db, b.id, state="removing")
    assert [r.name for r in rows.active(db)] == ["a", "b"]


def test_the_exit_code_outlives_the_container_for_a_while(db: sqlite3.Connection) -> None:
    ran, never = add(db, "ran", started=5.0, exit_code=3), add(db, "never")
    rows.delete(db, ran, now=1000.0)
    rows.delete(db, never, now=1000.0)
    assert (rows.by_id(db, ran.id), rows.exit_of_removed(db, ran.id), rows.exit_of_removed(db, never.id)) == (None, 3, None)
    rows.delete(db, add(db, "later"), now=1000.0 + rows.EXITS_KEPT_SECONDS)
    assert rows.exit_of_removed(db, ran.id) == 3
    rows.delete(db, add(db, "much later"), now=1001.0 + rows.EXITS_KEPT_SECONDS)
    assert rows.exit_of_removed(db, ran.id) is None


def test_options_come_back_as_they_went_in(db: sqlite3.Connection) -> None:
    options = ContainerOptions(command=("sh", "-c", "é\n"), env=(("A", "b=c"),), labels=(("l", ""),), remove=True,
                               mounts=(MountOption("bind", "/a", "/b", ("ro",)),))
    assert add(db, "x", options=rows.options_json(options)).parsed_options() == options


def test_every_column_of_the_record_is_in_the_schema(db: sqlite3.Connection) -> None:
    columns = {row["name"] for row in db.execute("PRAGMA table_info(containers)")}
    assert set(rows.ContainerRow._fields) <= columns
