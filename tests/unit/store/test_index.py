"""The index: made once, changed whole or not at all, by threads and processes at once; clear words where it cannot be."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.errors import AlreadyExists, Unavailable
from conman_kernel.store import index as module
from conman_kernel.store.index import Index
from conman_kernel.store.layout import Layout
from conman_kernel.store.schema import MIGRATIONS

LONG = 60.0
NOBODY = 65534
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: to become somebody else")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(str(tmp_path / "root"), str(tmp_path / "run"))


@pytest.fixture
def index(layout: Layout) -> Iterator[Index]:
    made = Index(layout)
    yield made
    made.close()


def put(connection: sqlite3.Connection, digest: str) -> None:
    connection.execute("INSERT INTO blobs VALUES (?, 1, 'x')", (digest,))


def count(index: Index) -> int:
    with index.read() as connection:
        return int(connection.execute("SELECT count(*) FROM blobs").fetchone()[0])


def raw(layout: Layout, *statements: str) -> None:
    connection = sqlite3.connect(layout.index, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def test_made_on_first_use_for_its_owner_alone(layout: Layout, index: Index) -> None:
    assert not os.path.exists(layout.root)
    assert count(index) == 0
    assert os.stat(layout.index).st_mode & 0o777 == 0o600
    with index.read() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert connection.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
        assert connection.execute("PRAGMA foreign_keys").fetchone()[0] == 1
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert {"images", "containers", "layers", "exec_sessions", "volumes", "networks", "pods"} <= tables


def test_what_was_written_is_there_for_the_next(layout: Layout, index: Index) -> None:
    with index.write() as connection:
        put(connection, "a")
    second = Index(layout)
    assert count(index) == count(second) == 1
    second.close()


@pytest.mark.parametrize("error", [ValueError("x"), AlreadyExists("x"), KeyboardInterrupt()])
def test_raising_rolls_everything_back(index: Index, error: BaseException) -> None:
    with pytest.raises(type(error)), index.write() as connection:
        put(connection, "a")
        raise error
    assert count(index) == 0
    with index.write() as connection:  # and nothing stays locked
        put(connection, "b")


def test_a_clash_is_the_callers_own_affair(index: Index) -> None:
    with index.write() as connection:
        put(connection, "a")
    with pytest.raises(sqlite3.IntegrityError), index.write() as connection:
        put(connection, "b")
        put(connection, "a")
    assert count(index) == 1


def test_a_reader_sees_one_state_while_others_write(index: Index) -> None:
    with index.read() as reader:
        assert reader.execute("SELECT count(*) FROM blobs").fetchone()[0] == 0
        with index.write() as writer:
            put(writer, "a")
        assert reader.execute("SELECT count(*) FROM blobs").fetchone()[0] == 0
    assert count(index) == 1


def test_a_newer_schema_is_refused_and_left_alone(layout: Layout, index: Index) -> None:
    count(index)
    index.close()
    raw(layout, f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    for operation in (Index(layout).read, Index(layout).write):
        with pytest.raises(Unavailable) as caught, operation():
            pytest.fail("it was let in")
        assert caught.value.message == (f"{layout.index} was written by a newer conman (schema {len(MIGRATIONS) + 1}, this one "
                                        f"knows {len(MIGRATIONS)})")
        assert "--root" in caught.value.hint
    connection = sqlite3.connect(layout.index)
    assert connection.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS) + 1
    connection.close()


def test_an_older_schema_is_brought_up(layout: Layout, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    with index.write() as connection:
        put(connection, "kept")
    index.close()
    monkeypatch.setattr(module, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE later (x TEXT);\nINSERT INTO later VALUES ('a;b');\n"))
    newer = Index(layout)
    with newer.read() as connection:
        assert connection.execute("SELECT x FROM later").fetchone()[0] == "a;b"
    assert count(newer) == 1
    newer.close()
    again = Index(layout)
    assert count(again) == 1, "a migration ran twice"
    again.close()


def test_a_migration_that_fails_changes_nothing(layout: Layout, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    count(index)
    index.close()
    monkeypatch.setattr(module, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE later (x TEXT);\nINSERT INTO nowhere VALUES (1);\n"))
    with pytest.raises(Unavailable, match="no such table: nowhere"), Index(layout).read():
        pytest.fail("it was let in")
    monkeypatch.undo()
    sound = Index(layout)
    with sound.read() as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
        assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'later'").fetchone()[0] == 0
    sound.close()


@pytest.mark.parametrize("content", [b"this is no database at all, but long enough to have a header" * 20, b"SQLite format 3\0" + b"\xff" * 4000])
def test_a_damaged_file_is_named(layout: Layout, content: bytes) -> None:
    os.makedirs(layout.root)
    Path(layout.index).write_bytes(content)
    with pytest.raises(Unavailable) as caught, Index(layout).read():
        pytest.fail("it was let in")
    assert caught.value.message.startswith(f"the index {layout.index} is damaged: ") and caught.value.hint
    assert Path(layout.index).read_bytes() == content


def test_damage_in_the_middle_is_named(layout: Layout, index: Index) -> None:
    with index.write() as connection:
        for number in range(2000):
            put(connection, f"{number:0100}")
    index.close()
    size = os.path.getsize(layout.index)
    with open(layout.index, "r+b") as stream:
        stream.seek(4096)
        stream.write(os.urandom(1) * (size - 4096))
    with pytest.raises(Unavailable, match=r"is damaged: |cannot be used: "):
        count(Index(layout))


def test_a_root_that_is_no_folder(layout: Layout) -> None:
    Path(layout.root).write_text("a file")
    with pytest.raises(Unavailable, match=f"cannot use {layout.root}: Not a directory"), Index(layout).read():
        pytest.fail("it was let in")


def test_threads_share_one_index(index: Index) -> None:
    failed: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for number in range(20):
                with index.write() as connection:
                    put(connection, f"{name}{number}")
                count(index)
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert failed == [] and count(index) == 80


def test_threads_that_come_first_at_once_migrate_once(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Barrier(4)
    index = Index(layout)
    looked: list[int] = []
    real = Index._migrate

    def migrate(self: Index, connection: sqlite3.Connection) -> None:
        looked.append(1)
        real(self, connection)

    monkeypatch.setattr(Index, "_migrate", migrate)

    def work() -> None:
        gate.wait(LONG)
        count(index)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert looked == [1]
    index.close()


def test_no_descriptor_is_kept_after_close(layout: Layout) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    index = Index(layout)
    count(index)
    with pytest.raises(ValueError), index.write():
        raise ValueError
    index.close()
    index.close()
    assert sorted(os.listdir("/proc/self/fd")) == before
    assert count(index) == 0, "the index goes on working"
    index.close()


WRITER = """
import sys
from conman_kernel.store.index import Index
from conman_kernel.store.layout import Layout
index = Index(Layout(sys.argv[1], "/nonexistent"))
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    with index.write() as connection:
        seen = connection.execute("SELECT count(*) FROM blobs").fetchone()[0]
        connection.execute("INSERT INTO blobs VALUES (?, ?, 'x')", (f"{sys.argv[2]}-{number}", seen))
index.close()
"""


def test_processes_write_at_once_and_lose_nothing(layout: Layout, index: Index) -> None:
    """From the first moment: the index is not there yet when they start."""
    children = [subprocess.Popen([sys.executable, "-c", WRITER, layout.root, str(n), "25"], stdin=subprocess.PIPE, stderr=subprocess.PIPE,
                                 text=True) for n in range(4)]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        _, err = child.communicate(timeout=LONG)
        assert child.returncode == 0, err
    assert count(index) == 100
    with index.read() as connection:  # each saw all that were before it: nothing interleaved
        assert sorted(row[0] for row in connection.execute("SELECT size FROM blobs")) == list(range(100))


KILLED = """
import os, sys
from conman_kernel.store.index import Index
from conman_kernel.store.layout import Layout
index = Index(Layout(sys.argv[1], "/nonexistent"))
with index.write() as connection:
    connection.execute("INSERT INTO blobs VALUES ('whole', 1, 'x')")
with index.write() as connection:
    connection.execute("INSERT INTO blobs VALUES ('half', 1, 'x')")
    os.kill(os.getpid(), 9)
"""


def test_a_writer_that_dies_leaves_the_state_before(layout: Layout, index: Index) -> None:
    child = subprocess.run([sys.executable, "-c", KILLED, layout.root], timeout=LONG)
    assert child.returncode == -9
    with index.write() as connection:
        assert [row[0] for row in connection.execute("SELECT digest FROM blobs")] == ["whole"]


BUSY = """
import sys
from conman_kernel.errors import Unavailable
from conman_kernel.store import index as module
from conman_kernel.store.layout import Layout
module.BUSY_SECONDS = 0.05
try:
    with module.Index(Layout(sys.argv[1], "/nonexistent")).write():
        print("let in")
except Unavailable as error:
    print(error)
"""


def test_a_writer_that_never_ends_is_not_waited_for_for_ever(layout: Layout, index: Index) -> None:
    with index.write() as connection:
        put(connection, "a")
        done = subprocess.run([sys.executable, "-c", BUSY, layout.root], capture_output=True, text=True, timeout=LONG)
    assert done.stdout == f"the index {layout.index} cannot be used: database is locked\n", done.stderr


AS_NOBODY = f"""
import os, sys
from conman_kernel.errors import Unavailable
from conman_kernel.store.index import Index
from conman_kernel.store.layout import Layout
from conman_kernel.store.locks import Locks
os.setgroups([])
os.setgid({NOBODY})
os.setuid({NOBODY})
layout = Layout(sys.argv[1], "/nonexistent")
index = Index(layout)
for what in (lambda: index.read().__enter__(), lambda: index.write().__enter__(), lambda: Locks(layout).try_acquire(1)):
    try:
        what()
        print("let in")
    except Unavailable as error:
        print(error, "|", error.hint)
"""


@root_only
@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_somebody_else_is_told_what_to_do(layout: Layout, index: Index, mode: int) -> None:
    count(index)
    os.chmod(layout.root, mode)
    fd = os.open(layout.root, os.O_PATH)  # the folders above are root's alone
    try:
        done = subprocess.run([sys.executable, "-c", AS_NOBODY, f"/proc/self/fd/{fd}"],
                              pass_fds=(fd,), capture_output=True, text=True, timeout=LONG, cwd="/")
    finally:
        os.close(fd)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    for line in lines:
        assert line.startswith(f"cannot use /proc/self/fd/{fd}") and "Permission denied" in line and "--root" in line


@root_only
def test_somebody_else_cannot_make_a_root_here(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_PATH)
    try:
        done = subprocess.run([sys.executable, "-c", AS_NOBODY, f"/proc/self/fd/{fd}/new"],
                              pass_fds=(fd,), capture_output=True, text=True, timeout=LONG, cwd="/")
    finally:
        os.close(fd)
    assert done.returncode == 0, done.stderr
    assert all("Permission denied" in line for line in done.stdout.splitlines()) and os.listdir(tmp_path) == []


def test_the_resting_connection_is_lent_to_one_operation_at_a_time(index: Index) -> None:
    with index.read() as first:
        pass
    with index.read() as second:
        assert second is first, "it rests between the operations of one thread"
        assert second.execute("SELECT count(*) FROM blobs").fetchone()[0] == 0
        with index.write() as within:
            assert within is not second
            within.execute("INSERT INTO blobs VALUES ('a', 1, 'x')")
        with index.read() as again:
            assert again not in (second, within), "the one that was given back within was not the resting one"
        assert second.execute("SELECT count(*) FROM blobs").fetchone()[0] == 0, "one consistent state"
    with index.read() as third:
        assert third is first and third.execute("SELECT count(*) FROM blobs").fetchone()[0] == 1
    seen: list[object] = []

    def elsewhere() -> None:
        with index.read() as connection:
            seen.append(connection)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(LONG)
    assert len(seen) == 1 and seen[0] is not first


def test_a_fork_uses_no_connection_of_its_parents(index: Index) -> None:
    with index.read() as resting:
        pass
    child = os.fork()
    if child == 0:
        with index.read() as connection:
            os._exit(0 if connection is not resting else 1)
    assert os.waitpid(child, 0)[1] == 0
    with index.read() as connection:
        assert connection is resting


def test_closing_within_an_operation_lets_it_end(index: Index) -> None:
    with index.write() as connection:
        connection.execute("INSERT INTO blobs VALUES ('a', 1, 'x')")
        index.close()
    with index.read() as connection:
        assert connection.execute("SELECT count(*) FROM blobs").fetchone()[0] == 1
