"""Every way in which a plugin can be bad, in each slot, through the real command: one line that names plugin and distribution,
the exit code, and nothing left."""

from __future__ import annotations

import os
import select
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from conman_kernel.testing.aftermath import differences, look
from conman_kernel.testing.command import Command
from conman_kernel.testing.images import busybox_image, file, layer
from conman_kernel.testing.registry import Registry

from .bad_distributions import HOOKS, install, source

WHO = "(bad-dist 1.0)"

RAISES = {"value": ("raise ValueError('broken inside')", "ValueError: broken inside"), "exit": ("sys.exit(0)", "SystemExit: 0"),
          "escape": ("raise Escape('out')", "Escape: out"), "unspeakable": ("raise Unspeakable", "which cannot be shown"),
          "lines": ("raise ValueError('two\\nlines')", "two lines")}

METHOD = {"runtime": "commands(self, *, systemd_cgroup)", "storage": "prepare(self, request)", "attach": "run(self, request)",
          "transport": "resolve(self, request)"}


class Case:
    """The command that a bad plugin of a slot breaks."""

    def __init__(self, slot: str, folder: Path, box: str) -> None:
        self.environ: Any = {"PYTHONPATH": str(folder)}
        run = ["run", "--rm", box, "true"]
        self.arguments = {"runtime": ["--runtime", "bad-runtime", *run], "storage": ["--storage-driver", "bad-storage", *run],
                          "attach": ["--attach-plugin", "bad-attach", *run], "transport": ["pull", box]}[slot]
        if slot == "transport":
            config = folder / "conman.toml"
            config.write_text('[transports]\ndocker = "bad-transport"\n')
            self.environ["CONMAN_CONFIG"] = str(config)


@pytest.fixture(params=HOOKS)
def slot(request: pytest.FixtureRequest) -> str:
    """Each slot, where the test does not say which."""
    return str(request.param)


@pytest.fixture
def case(slot: str, folder: Path, box: str) -> Case:
    return Case(slot, folder, box)


def test_a_sound_one_works(conman: Command, folder: Path, slot: str, case: Case) -> None:
    """Else every other test here would pass for no reason."""
    install(folder, slot, source(slot))
    before = look(conman.root, conman.run_root)
    conman.ok(*case.arguments, **case.environ)
    left = differences(before, conman.root, conman.run_root, 5)
    # A storage driver keeps the image's layers, a runtime the folder that it is given for its state.
    assert slot == "storage" or [line for line in left if not line.endswith("/runtimes/bad-runtime")] == []


WHERE = ("top", "hook", "probe", "open", "methods")
EACH = [pytest.param(slot, where, kind, id=f"{slot}-{where}-{kind}",
                     marks=pytest.mark.stress if slot != "runtime" and kind != "value" else ())
        for slot in HOOKS for where in WHERE for kind in RAISES if slot == "runtime" or kind in ("value", "exit")]


@pytest.mark.parametrize(("slot", "where", "kind"), EACH)
def test_raises(refused, folder: Path, slot: str, case: Case, where: str, kind: str) -> None:
    statement, says = RAISES[kind]
    code = f"def {METHOD[slot]}:\n    {statement}" if where == "methods" else statement
    install(folder, slot, source(slot, **{where: code}))
    done = refused(125, *case.arguments, says=says, **case.environ)
    assert f"bad-{slot} {WHO} " in done.stderr, done.stderr
    assert done.stdout == ""


WRONG = {"hook": ("return 'x'", "must return a Provider"), "probe": ("return True", "must answer None or Unavailable from probe, not bool"),
         "open": ("return 7", "lacks"), "methods": ("return 7", "must answer"),
         "fields": ("from conman_kernel.slots import attach, runtime, storage, transport\n    return FIELD", "must be")}
FIELD = {"runtime": "runtime.RuntimeCommands(*(['runc'] * 7))", "storage": "storage.Snapshot(7, None)",
         "attach": "attach.End('exited')", "transport": "transport.Resolved('sha256:00')"}


@pytest.mark.parametrize("where", WRONG)
def test_answers_the_wrong_thing(refused, folder: Path, slot: str, case: Case, where: str) -> None:
    statement, says = WRONG[where]
    if where in ("methods", "fields"):
        code = f"def {METHOD[slot]}:\n    {statement.replace('FIELD', FIELD[slot])}"
        install(folder, slot, source(slot, methods=code))
    else:
        install(folder, slot, source(slot, **{where: statement}))
    done = refused(125, *case.arguments, says=says, **case.environ)
    assert f"bad-{slot} {WHO} " in done.stderr, done.stderr


def test_written_for_another_api(refused, folder: Path, slot: str, case: Case) -> None:
    install(folder, slot, source(slot).replace("api=1", "api=99"))
    done = refused(125, *case.arguments, says="was written for version 99", **case.environ)
    assert f"bad-{slot} {WHO} " in done.stderr


def test_a_taken_name(refused, folder: Path, slot: str, box: str) -> None:
    """A stranger's ``runc-runtime`` does not stand in for ours, whichever comes first."""
    taken = {"runtime": "runc-runtime", "storage": "overlay-storage", "attach": "pty-attach", "transport": "registry-pull"}[slot]
    install(folder, slot, source(slot), name=taken)
    command = ["pull", box] if slot == "transport" else ["run", "--rm", box, "true"]
    done = refused(125, *command, says=f"{taken} of the slot conman.{slot} is shipped twice", PYTHONPATH=str(folder))
    assert "bad-dist 1.0" in done.stderr and f"conman-{taken}" in done.stderr


def test_unavailable(refused, folder: Path, slot: str, case: Case) -> None:
    install(folder, slot, source(slot, probe="return Unavailable('there is no moon', 'wait for night')"))
    done = refused(125, *case.arguments, says="cannot work on this host: there is no moon", **case.environ)
    assert f"bad-{slot} {WHO} " in done.stderr and "Hint: wait for night" in done.stderr


@pytest.mark.parametrize("where", WHERE)
def test_prints(conman: Command, folder: Path, slot: str, case: Case, where: str) -> None:
    """What it prints is no part of the output; neither is, while it is loaded, what it writes to descriptor 1 or a program does."""
    loud = "print('loud'); sys.stdout.flush()"
    if where == "methods":
        name = METHOD[slot].partition("(")[0]
        code = f"def {METHOD[slot]}:\n    {loud}\n    return self._real.{name}(" + (
            "systemd_cgroup=systemd_cgroup)" if slot == "runtime" else "request)")
    else:
        tail = {"top": "", "hook": "; return provider(api=1, summary='bad', options=NoOptions, probe=probe, open=make)",
                "probe": "; return None", "open": "; return Wrapped(context)"}[where]
        code = f"{loud}; os.write(1, b'loud\\n'); subprocess.run(['echo', 'loud']){tail}"
    install(folder, slot, source(slot, **{where: code}))
    done = conman(*case.arguments, **case.environ)
    assert done.returncode == 0, done.stderr
    assert "loud" not in done.stdout and "loud" in done.stderr
    for document in (["info", "--format", "json"], ["plugin", "inspect", f"bad-{slot}"]):
        assert conman.ok(*document, **case.environ).startswith(("{", "["))


@pytest.mark.parametrize(("slot", "where"), [
    pytest.param(slot, where, id=f"{slot}-{where}",
                 marks=() if where == "methods" or (slot, where) in (("runtime", "top"), ("runtime", "open")) else pytest.mark.stress)
    for slot in HOOKS for where in WHERE if slot == "runtime" or where in ("top", "methods")])
def test_never_comes_back(conman: Command, folder: Path, slot: str, case: Case, where: str) -> None:
    """It is named after a few seconds; one Ctrl-C undoes and ends the command."""
    code = f"def {METHOD[slot]}:\n    stay()" if where == "methods" else "stay()"
    install(folder, slot, source(slot, **{where: code}))
    conman.ok("rm", "--force", "--all")
    before = look(conman.root, conman.run_root)
    process = conman.start(*case.arguments, **case.environ)
    assert process.stderr is not None
    try:
        if (slot, where) == ("attach", "methods"):  # that lasts as long as a person likes: nobody is told of it
            _until(lambda: "running" in conman.ok("ps", "--format", "{{.State}}"))
        else:
            doing = {"top": "import", "methods": METHOD[slot].partition("(")[0], "hook": HOOKS[slot][0]}.get(where, where)
            words = _read_until(process.stderr.fileno(), f"conman: waiting for bad-{slot} {WHO} in {doing}\n")
            assert "Error" not in words
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    finally:
        process.kill()
        process.communicate()
    assert differences(before, conman.root, conman.run_root, 10) == []


def test_tries_everything_again(conman: Command, folder: Path, box: str) -> None:
    """``except Exception`` round what blocks does not hold a person up."""
    install(folder, "runtime", source("runtime", probe="""
    while True:
        try:
            stay()
        except Exception:
            continue
"""))
    before = look(conman.root, conman.run_root)
    process = conman.start("--runtime", "bad-runtime", "run", "--rm", box, "true", PYTHONPATH=str(folder))
    assert process.stderr is not None
    try:
        _read_until(process.stderr.fileno(), "in probe\n")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    finally:
        process.kill()
        process.communicate()
    assert differences(before, conman.root, conman.run_root, 10) == []


def test_a_thread_that_never_comes_back(conman: Command, folder: Path, registry: Registry) -> None:
    """A transport that blocks in a download: the main thread waits for threads, and leaves one that does not stop."""
    install(folder, "transport", source("transport", methods="""def open(self, request):
    if "layer" in request.descriptor.media_type:
        stay()
    return self._real.open(request)"""))
    config = folder / "conman.toml"
    config.write_text('[transports]\ndocker = "bad-transport"\n')
    registry.add_image(busybox_image(extra=[layer([file("new", b"new")])]), "new:latest")
    before = look(conman.root, conman.run_root)
    process = conman.start("pull", f"{registry.host}/new:latest", PYTHONPATH=str(folder), CONMAN_CONFIG=str(config))
    assert process.stderr is not None
    try:
        _read_until(process.stderr.fileno(), f"conman: waiting for bad-transport {WHO} in open\n")
        process.send_signal(signal.SIGINT)
        assert process.wait(40) == 130
    finally:
        process.kill()
        process.communicate()
    left = [line for line in differences(before, conman.root, conman.run_root, 10) if "/ingest" not in line and "/blobs" not in line]
    assert left == []


def _until(true, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end


def _read_until(fd: int, words: str, seconds: float = 30.0) -> str:
    end, seen = time.monotonic() + seconds, b""
    while words.encode() not in seen:
        assert select.select([fd], [], [], max(0.0, end - time.monotonic()))[0], seen
        data = os.read(fd, 65536)
        assert data, seen
        seen += data
    return seen.decode()
