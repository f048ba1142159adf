"""The contract of the slot ``conman.attach``."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import termios
import threading
import time
from pathlib import Path
from typing import Callable, Iterator, Mapping

import pytest

from ...cancel import Cancel
from ...errors import Cancelled, ConmanError, DeadlineExceeded
from ...log import StderrLog
from ...slots.attach import Attach, AttachRequest, End, Outcome
from ...slots.provider import PluginContext, Provider
from ..memory_session import MemorySession
from .compared import difference
from .outcomes import unavailable

PATIENCE = 30.0
KEYS = b"\x10\x11"
MOST_SECONDS = 2.0


class _Ready(MemorySession):
    """Tells when the plugin has set itself up: signal handlers come before the first look for output (see the slot)."""

    def __init__(self, *, terminal: bool = False, room: int = 1 << 30) -> None:
        super().__init__(terminal=terminal, room=room)
        self.ready = threading.Event()

    def __enter__(self) -> _Ready:
        return self

    def fileno(self) -> int:
        self.ready.set()
        return super().fileno()


class Bench:
    """A plugin, and a person's descriptors."""

    def __init__(self, attach: Attach, folder: Path) -> None:
        self.attach = attach
        self.folder = folder

    def run(self, session: MemorySession, *, stdin: int = -1, stdout: int = -1, stderr: int = -1, keys: bytes = KEYS,
            forward: bool = False, cancel: Cancel | None = None) -> End:
        """As the kernel calls it."""
        return self.attach.run(AttachRequest(
            session=session, stdin=stdin, stdout=stdout, stderr=stderr, detach_keys=keys, forward_signals=forward,
            cancel=cancel or Cancel(PATIENCE), container="c" * 64, name="kit", command=("cat",)))

    def into_files(self, session: MemorySession) -> tuple[End, bytes, bytes]:
        """Run with two files as output."""
        paths = [self.folder / name for name in ("out", "err")]
        with open(paths[0], "wb") as out, open(paths[1], "wb") as err:
            end = self.run(session, stdout=out.fileno(), stderr=err.fileno())
        return end, paths[0].read_bytes(), paths[1].read_bytes()


class AttachContract:
    """What every attach plugin promises, see :mod:`conman_kernel.slots.attach`. Override the fixture ``provider``; ``options``
    where another ``[plugin.NAME]`` table is to be tried. The container's side is a
    :class:`~conman_kernel.testing.memory_session.MemorySession`."""

    @pytest.fixture
    def provider(self) -> Provider[Attach]:
        """What the plugin's hook ``conman_attach`` returns. To be overridden."""
        raise NotImplementedError("override the fixture `provider`: return what your conman_attach() returns")

    @pytest.fixture
    def options(self) -> Mapping[str, object]:
        """The plugin's ``[plugin.NAME]`` table; what is not in it has its default."""
        return {}

    @pytest.fixture
    def bench(self, provider: Provider[Attach], options: Mapping[str, object]) -> Iterator[Bench]:
        """The plugin, opened."""
        folder = Path(tempfile.mkdtemp(prefix="kit-"))
        context: PluginContext[Mapping[str, object]] = PluginContext(
            name="kit", options={**options}, state_dir=f"{folder}/state", run_dir=f"{folder}/run", log=StderrLog("error"))
        no = provider.probe(context)
        if no is not None:
            unavailable(no.reason, no.hint)
        yield Bench(provider.open(context), folder)
        shutil.rmtree(folder)

    def test_direct_is_said(self, bench: Bench) -> None:
        """``direct`` is a bool, the same every time: by it the kernel decides whether the plugin sees the bytes of pipes."""
        said: tuple[object, object] = (bench.attach.direct, bench.attach.direct)
        assert said in ((True, True), (False, False))

    def test_output_is_carried_in_order(self, bench: Bench) -> None:
        """Stream 1 goes to ``stdout``, stream 2 to ``stderr``, every byte in order; then the end is EXITED: all output was
        delivered."""
        with MemorySession() as session:
            for number in range(50):
                session.say(b"out%d\n" % number)
                session.say(b"err%d\n" % number, stream=2)
            session.exit()
            end, out, err = bench.into_files(session)
        assert end.outcome is Outcome.EXITED
        assert out == b"".join(b"out%d\n" % n for n in range(50)) and err == b"".join(b"err%d\n" % n for n in range(50))

    def test_much_output_is_whole(self, bench: Bench) -> None:
        """Some megabytes through a pipe that is read slowly: nothing is lost at the end. ``run image tar c / | ...``"""
        data = os.urandom(3_000_000)
        read, write = os.pipe()
        got = bytearray()
        with MemorySession() as session:
            reader = threading.Thread(target=lambda: _drain(read, got))
            writer = threading.Thread(target=_in_order, args=(lambda: session.say(data), session.exit))
            reader.start()
            writer.start()
            end = bench.run(session, stdout=write)
            os.close(write)
            writer.join()
            reader.join()
        os.close(read)
        assert end.outcome is Outcome.EXITED and difference(got, data) == ""

    def test_what_nobody_wants_is_discarded(self, bench: Bench) -> None:
        """``stdout`` or ``stderr`` -1: "discard". The end is found all the same."""
        with MemorySession() as session:
            session.say(b"x" * 100_000)
            session.say(b"y", stream=2)
            session.exit()
            assert bench.run(session).outcome is Outcome.EXITED

    def test_input_is_carried_and_half_closed(self, bench: Bench) -> None:
        """``stdin`` is fed to the process, and "at the end of ``stdin`` the session's input is half-closed"; output comes after
        it still. ``echo x | run -i image cat``"""
        read, write = os.pipe()
        os.write(write, b"x" * 50_000)
        os.close(write)
        with MemorySession() as session:
            answer = threading.Thread(target=_in_order, args=(
                lambda: session.wait(lambda: session.stdin_closed), lambda: session.say(b"after"), session.exit))
            answer.start()
            (bench.folder / "out").touch()
            with open(bench.folder / "out", "wb") as out:
                end = bench.run(session, stdin=read, stdout=out.fileno())
            answer.join()
            assert difference(session.fed, b"x" * 50_000) == ""
        os.close(read)
        assert end.outcome is Outcome.EXITED and (bench.folder / "out").read_bytes() == b"after"

    def test_a_process_that_reads_slowly_gets_everything(self, bench: Bench) -> None:
        """``send`` takes what there is room for: the rest is offered again, in order, once ``writable_fileno`` says so."""
        data = os.urandom(30_000)
        read, write = os.pipe()
        os.write(write, data)
        os.close(write)
        with MemorySession(room=1000) as session:
            def process() -> None:
                while len(session.fed) < len(data):
                    before = len(session.fed)
                    session.wait(lambda: session.room == 0 or len(session.fed) == len(data))
                    if len(session.fed) < len(data):
                        session.more_room(min(7000, len(data) - before))
                session.wait(lambda: session.stdin_closed)
                session.exit()

            slow = threading.Thread(target=process)
            slow.start()
            end = bench.run(session, stdin=read)
            slow.join()
            assert difference(session.fed, data) == ""
        os.close(read)
        assert end.outcome is Outcome.EXITED

    def test_detach_keys_detach(self, bench: Bench) -> None:
        """DETACHED: "the person typed the detach keys; the process lives on". It gets none of them, and all that was typed
        before."""
        with _terminal() as (person, program), _Ready(terminal=True) as session:
            typing = threading.Thread(target=_in_order, args=(
                lambda: session.ready.wait(PATIENCE), lambda: os.write(person, b"ls\r" + KEYS)))
            typing.start()
            assert bench.run(session, stdin=program, stdout=program, stderr=program).outcome is Outcome.DETACHED
            typing.join()
            assert bytes(session.fed) == b"ls\r" and not session.signals

    def test_without_detach_keys_nothing_detaches(self, bench: Bench) -> None:
        """``detach_keys`` "empty: never": the same keys are the process's then."""
        with _terminal() as (person, program), _Ready(terminal=True) as session:
            def type_and_end() -> None:
                session.ready.wait(PATIENCE)
                os.write(person, KEYS)
                session.wait(lambda: bytes(session.fed) == KEYS)
                session.exit()

            typing = threading.Thread(target=type_and_end)
            typing.start()
            assert bench.run(session, stdin=program, stdout=program, keys=b"").outcome is Outcome.EXITED
            typing.join()

    @pytest.mark.parametrize("how", ["exited", "detached", "lost", "cancelled"])
    def test_the_terminal_is_restored(self, bench: Bench, how: str) -> None:
        """"A terminal's mode is restored before this returns or raises, whatever happens"; it was raw in between, and the process
        was told its size. Else the person's shell is unusable."""
        with _terminal() as (person, program), _Ready(terminal=True) as session:
            termios.tcsetwinsize(program, (33, 77))
            before, flags = termios.tcgetattr(program), os.get_blocking(program)
            raw: list[bool] = []
            cancel = Cancel(PATIENCE)

            def end() -> None:
                session.wait(lambda: (33, 77) in session.sizes)
                raw.append(not termios.tcgetattr(program)[3] & termios.ICANON)
                ends: Mapping[str, Callable[[], object]] = {
                    "exited": session.exit, "lost": session.lose, "cancelled": cancel.cancel,
                    "detached": lambda: os.write(person, KEYS)}
                ends[how]()

            ending = threading.Thread(target=end)
            ending.start()
            try:
                outcome = bench.run(session, stdin=program, stdout=program, cancel=cancel).outcome.value
            except Cancelled:
                outcome = "cancelled"
            ending.join()
            assert (outcome, raw) == (how, [True])
            assert (termios.tcgetattr(program), os.get_blocking(program)) == (before, flags)

    def test_a_lost_connection_is_said(self, bench: Bench) -> None:
        """LOST: "the connection broke": what came before it was delivered; never EXITED, which would give a wrong exit code."""
        with MemorySession() as session:
            session.say(b"before")
            session.lose()
            end, out, _ = bench.into_files(session)
        assert end.outcome is Outcome.LOST and out == b"before"

    @pytest.mark.parametrize("fired", ["cancelled", "deadline", "before"])
    def test_a_token_that_fires_ends_it(self, bench: Bench, fired: str) -> None:
        """Cancelled or DeadlineExceeded when the token fires, within two seconds, while nothing else happens. Ctrl-C,
        ``--timeout``."""
        cancel = Cancel(0.1 if fired == "deadline" else PATIENCE)
        stopped: type[ConmanError] = DeadlineExceeded if fired == "deadline" else Cancelled
        with _Ready() as session:
            firing = threading.Thread(target=_in_order, args=(lambda: session.ready.wait(PATIENCE), cancel.cancel))
            if fired == "cancelled":
                firing.start()
            elif fired == "before":
                cancel.cancel()
            started = time.monotonic()
            with pytest.raises(stopped):
                bench.run(session, cancel=cancel)
            assert time.monotonic() - started < MOST_SECONDS
            if fired == "cancelled":
                firing.join()

    def test_output_that_nobody_reads_ends_it(self, bench: Bench) -> None:
        """OSError where "``stdout`` takes nothing more: nobody reads": ``run image yes | head -1`` has to end."""
        read, write = os.pipe()
        os.close(read)
        with MemorySession() as session:
            session.say(b"x" * 1000)
            with pytest.raises(BrokenPipeError):
                bench.run(session, stdout=write)
        os.close(write)

    @pytest.mark.parametrize("forward", [True, False])
    def test_signals_are_passed_on(self, bench: Bench, forward: bool) -> None:
        """``forward_signals``: "signals that the calling process gets are passed on", and not otherwise; the caller's own
        handlers are back afterwards. ``kill`` of a foreground ``run`` reaches the container."""
        mine: list[int] = []
        before = signal.signal(signal.SIGUSR1, lambda number, frame: mine.append(number))
        try:
            handler = signal.getsignal(signal.SIGUSR1)
            with _Ready() as session:
                def send() -> None:
                    if not session.ready.wait(PATIENCE):
                        return  # the plugin failed before: the handler is gone by now, and the signal would end pytest
                    os.kill(os.getpid(), signal.SIGUSR1)
                    if forward:
                        session.wait(lambda: session.signals)
                    session.exit()

                sending = threading.Thread(target=send)
                sending.start()
                assert bench.run(session, forward=forward).outcome is Outcome.EXITED
                sending.join()
                assert session.signals == ([signal.SIGUSR1] if forward else [])
            assert signal.getsignal(signal.SIGUSR1) is handler and mine == ([] if forward else [signal.SIGUSR1])
        finally:
            signal.signal(signal.SIGUSR1, before)

    def test_descriptors_are_the_callers(self, bench: Bench) -> None:
        """The caller's descriptors stay open, and as blocking as they were; none of the plugin's own is left. A program attaches
        many times."""
        with open(bench.folder / "out", "wb") as out:
            count = 0
            for number in range(4):
                read, write = os.pipe()
                os.close(write)
                with MemorySession() as session:
                    session.say(b"x")
                    session.exit()
                    bench.run(session, stdin=read, stdout=out.fileno())
                    assert os.get_blocking(read) and os.get_blocking(out.fileno())
                os.close(read)
                if number == 0:
                    count = len(os.listdir("/proc/self/fd"))
            assert len(os.listdir("/proc/self/fd")) == count

    def test_it_prints_nothing(self, bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
        """Only ``stdout`` and ``stderr`` of the request are written to: the caller may be a server."""
        with MemorySession() as session:
            session.say(b"x")
            session.exit()
            bench.into_files(session)
        assert capfd.readouterr() == ("", "")


class _terminal:
    def __enter__(self) -> tuple[int, int]:
        self._ends = os.openpty()
        return self._ends

    def __exit__(self, *_: object) -> None:
        for end in self._ends:
            os.close(end)


def _in_order(*calls: Callable[[], object]) -> None:
    for call in calls:
        call()


def _drain(read: int, into: bytearray) -> None:
    while piece := os.read(read, 10_000):
        into += piece
