"""The runtime's own command line: argv, output, and typed errors from what it says. The runtime is a script that does as told."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.containers.runtime_client import RuntimeClient, last_error
from conman_kernel.errors import (
    Cancelled,
    CommandNotExecutable,
    CommandNotFound,
    DeadlineExceeded,
    RuntimeFailed,
    Unavailable,
)
from conman_kernel.slots.runtime import Features, RuntimeCommands

LONG = 30.0


class Script:
    """A runtime whose every command is a shell script of the text given for it."""

    def __init__(self, binary: str, folder: Path, **texts: str) -> None:
        self._binary = binary
        self._folder = folder
        self._texts = texts

    @property
    def binary(self) -> str:
        return self._binary

    def commands(self, *, systemd_cgroup: bool) -> RuntimeCommands:
        def command(name: str) -> tuple[str, ...]:
            path = self._folder / f"{name}.sh"
            path.write_text(self._texts.get(name, f"echo {name}"))
            return (self._binary, str(path), "{root}", "{id}")

        names = ("create", "start", "state", "delete", "force_delete", "exec")
        return RuntimeCommands(**{name: command(name) for name in names}, kill=(*command("kill"), "{signal}"))  # type: ignore[arg-type]

    def exit_code(self, message: str) -> int:
        return 127 if "not there" in message else 126 if "not allowed" in message else 125

    def features(self, cancel: Cancel) -> Features:
        raise NotImplementedError


@pytest.fixture
def shell(tmp_path: Path) -> str:
    path = tmp_path / "myrunc"
    path.symlink_to("/bin/sh")
    return str(path)


def client(shell: str, root: Path, **texts: str) -> RuntimeClient:
    return RuntimeClient(Script(shell, root, **texts), root=str(root / "state"), systemd_cgroup=False)


def own_children() -> set[str]:
    return set(Path("/proc/thread-self/children").read_text().split())


def test_the_table_is_filled_in_and_the_output_returned(shell: str, tmp_path: Path) -> None:
    it = client(shell, tmp_path, start='echo "$1 $2"; echo err >&2')
    before, children = sorted(os.listdir("/proc/self/fd")), own_children()
    token = Cancel(LONG)
    assert it.call(it.commands.start, "abc", token) == f"{tmp_path}/state abc\nerr\n".encode()
    token.close()
    assert sorted(os.listdir("/proc/self/fd")) == before and own_children() == children


def test_a_command_that_the_runtime_lacks(shell: str, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"the runtime .*/myrunc has no such command"):
        client(shell, tmp_path).call((), "abc", Cancel())


@pytest.mark.parametrize(("path", "words"), [("missing", "No such file or directory"), ("plain", "Permission denied")])
def test_a_runtime_that_cannot_be_run(tmp_path: Path, path: str, words: str) -> None:
    (tmp_path / "plain").write_text("")
    before = sorted(os.listdir("/proc/self/fd"))
    it = client(str(tmp_path / path), tmp_path)
    with pytest.raises(Unavailable, match=f"the runtime {tmp_path}/{path} cannot be run: {words}"):
        it.call(it.commands.start, "abc", Cancel())
    assert sorted(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(("text", "kind", "message", "code"), [
    ("echo out of luck >&2; exit 1", RuntimeFailed, "myrunc: out of luck", 125),
    ("echo 'myrunc: its own name'; exit 1", RuntimeFailed, "myrunc: its own name", 125),
    ("echo not there; exit 1", CommandNotFound, "myrunc: not there", 127),
    ("printf 'not\\n allowed\\n'; echo not allowed; exit 1", CommandNotExecutable, "myrunc: not allowed not allowed", 126),
    ("exit 7", RuntimeFailed, "myrunc: exit code 7", 125),
    ("kill -9 $$", RuntimeFailed, "myrunc: exit code -9", 125),
    ("printf '\\377'; exit 1", RuntimeFailed, "myrunc: \N{REPLACEMENT CHARACTER}", 125),
])
def test_what_it_says_becomes_a_typed_error(shell: str, tmp_path: Path, text: str, kind: type[RuntimeFailed], message: str, code: int) -> None:
    it = client(shell, tmp_path, start=text)
    with pytest.raises(RuntimeFailed) as caught:
        it.call(it.commands.start, "abc", Cancel(LONG))
    assert (type(caught.value), str(caught.value), caught.value.exit_code) == (kind, message, code)


def test_its_log_says_it_better(shell: str, tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    lines = [{"level": "error", "msg": "first"}, {"level": "error", "msg": "not there"}, {"level": "info", "msg": "later"}]
    log.write_text("\n".join(json.dumps(line) for line in lines) + "\nno json\n[1]\n")
    it = client(shell, tmp_path, start="echo noise; exit 1")
    with pytest.raises(CommandNotFound, match=r"^myrunc: not there$"):
        it.finish(it.spawn(it.commands.start, "abc"), Cancel(LONG), log=str(log))
    with pytest.raises(RuntimeFailed, match="noise"):
        it.finish(it.spawn(it.commands.start, "abc"), Cancel(LONG), log=str(tmp_path / "none"))


def test_the_last_error_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_error("") == last_error(str(log)) == ""
    log.write_bytes(b'{"level":"error","msg":"\xff"}\n{"level":"fatal","msg":"the end"}\n{"level":"error"')
    assert last_error(str(log)) == "the end"
    log.write_bytes(b'{"level":"warning","msg":"w"}\n')
    assert last_error(str(log)) == ""


def test_more_output_than_anybody_wants(shell: str, tmp_path: Path) -> None:
    it = client(shell, tmp_path, start="head -c 5000000 /dev/zero")
    assert 1 << 20 <= len(it.call(it.commands.start, "abc", Cancel(LONG))) < (1 << 20) + 65536


@pytest.mark.parametrize("how", ["cancel", "deadline"])
def test_a_command_that_hangs_is_killed_and_reaped(shell: str, tmp_path: Path, how: str) -> None:
    it = client(shell, tmp_path, start="exec sleep 1000")
    children = own_children()
    before = sorted(os.listdir("/proc/self/fd"))
    token = Cancel(0.1 if how == "deadline" else LONG)
    spawned = it.spawn(it.commands.start, "abc")
    timer = threading.Timer(0.05, token.cancel)
    if how == "cancel":
        timer.start()
    with pytest.raises(DeadlineExceeded if how == "deadline" else Cancelled):
        it.finish(spawned, token)
    token.close()
    if how == "cancel":
        timer.join()
    assert own_children() == children and sorted(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ProcessLookupError):
        os.kill(spawned.pid, 0)


def test_it_is_apart_from_the_terminal_and_reads_nothing(shell: str, tmp_path: Path) -> None:
    it = client(shell, tmp_path, start="cut -d' ' -f1,6 /proc/$$/stat; cat")
    pid, session = it.call(it.commands.start, "abc", Cancel(LONG)).split()
    assert pid == session and int(session) != os.getsid(0)


def test_kill_passes_the_number(shell: str, tmp_path: Path) -> None:
    it = client(shell, tmp_path, kill=f'echo "$3" > {tmp_path}/got')
    it.kill("abc", signal.SIGUSR1, Cancel(LONG))
    assert (tmp_path / "got").read_text() == f"{int(signal.SIGUSR1)}\n"


@pytest.mark.parametrize(("force", "name"), [(False, "delete"), (True, "force_delete")])
def test_delete_needs_something_to_delete(shell: str, tmp_path: Path, force: bool, name: str) -> None:
    it = client(shell, tmp_path, **{name: f'echo x >> {tmp_path}/{name}; rmdir "$1/$2"'})
    assert it.begin_delete("abc", force=force) is None
    it.end_delete(None, "abc", Cancel(LONG), must=True)
    assert not (tmp_path / name).exists()
    (tmp_path / "state" / "abc").mkdir(parents=True)
    assert it.has_state("abc")
    it.end_delete(it.begin_delete("abc", force=force), "abc", Cancel(LONG), must=True)
    assert (tmp_path / name).read_text() == "x\n" and not it.has_state("abc")


def test_a_delete_that_fails_is_an_error_only_where_something_is_left(shell: str, tmp_path: Path) -> None:
    state = tmp_path / "state" / "abc"
    state.mkdir(parents=True)
    it = client(shell, tmp_path, delete="echo stuck; exit 1")
    with pytest.raises(RuntimeFailed, match="stuck"):
        it.end_delete(it.begin_delete("abc", force=False), "abc", Cancel(LONG), must=True)
    it.end_delete(it.begin_delete("abc", force=False), "abc", Cancel(LONG))  # left to another try
    it = client(shell, tmp_path, delete='rmdir "$1/$2"; echo gone already; exit 1')
    it.end_delete(it.begin_delete("abc", force=False), "abc", Cancel(LONG), must=True)
    assert not state.exists()


def test_the_state_document(shell: str, tmp_path: Path) -> None:
    assert client(shell, tmp_path, state="echo '{\"status\": \"running\", \"pid\": 7}'").state("abc", Cancel(LONG)) == \
        {"status": "running", "pid": 7}
    for text, shown in (("echo nonsense", "nonsense"), ("echo '[1]'", r"\[1\]"), ("true", ""), ("printf '\\377'", "")):
        with pytest.raises(RuntimeFailed, match=f"state answered no JSON object: {shown}"):
            client(shell, tmp_path, state=text).state("abc", Cancel(LONG))


