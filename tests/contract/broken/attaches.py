"""Attach plugins that break one promise each, and the kit's tests that must see it. Run by test_broken.py; not collected by itself."""

from __future__ import annotations

import os
import signal
import tty

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.slots.attach import API, End, Outcome, Output
from conman_kernel.slots.provider import NoOptions, provider
from conman_kernel.support.joined.loop import join
from conman_kernel.testing import memory_session
from conman_kernel.testing.kits import AttachContract, attach

KIT = AttachContract


class SoundAttach:
    """Breaks nothing. ``session``: what the others see the session through."""

    direct = True
    session: type | None = None

    def run(self, request):
        return join(request._replace(session=self.session(request.session)) if self.session else request)


class _Through:
    """A session, as it is."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        return getattr(self.inner, name)


class Undecided(SoundAttach):
    """``direct`` is what it was not before."""

    said = False

    @property
    def direct(self):  # type: ignore[override]
        self.said = not self.said
        return self.said


class MixesStreams(SoundAttach):
    """What was for ``stderr`` is output."""

    class session(_Through):
        def receive(self):
            said = self.inner.receive()
            return Output(1, said.data) if isinstance(said, Output) else said


class CutsPieces(SoundAttach):
    """It has a small buffer, and what does not fit is gone."""

    class session(_Through):
        def receive(self):
            said = self.inner.receive()
            return Output(said.stream, said.data[:60_000]) if isinstance(said, Output) else said


class WritesToNobody(SoundAttach):
    """It insists on an output."""

    def run(self, request):
        os.fstat(request.stdout)
        return super().run(request)


class DropsInput(SoundAttach):
    """It says that it was sent."""

    class session(_Through):
        def send(self, data):
            return len(data)


class EndlessInput(SoundAttach):
    """The end of the input is not told."""

    class session(_Through):
        def close_stdin(self):
            return


class OffersOnce(SoundAttach):
    """What a slow process does not take at once, it never gets."""

    class session(_Through):
        def send(self, data):
            self.inner.send(data)
            return len(data)


class NeverDetaches(SoundAttach):
    """The keys are the process's."""

    def run(self, request):
        return super().run(request._replace(detach_keys=b""))


class AlwaysDetaches(SoundAttach):
    """No keys are the usual ones."""

    def run(self, request):
        return super().run(request._replace(detach_keys=request.detach_keys or attach.KEYS))


class LeavesItRaw(SoundAttach):
    """The terminal stays as the container had it."""

    def run(self, request):
        try:
            return super().run(request)
        finally:
            if os.isatty(request.stdin):
                tty.setraw(request.stdin)


class NeverLost(SoundAttach):
    """An end is an end."""

    def run(self, request):
        super().run(request)
        return End(Outcome.EXITED)


class DeafToTokens(SoundAttach):
    """It has a deadline of its own."""

    def run(self, request):
        with Cancel(0.5) as cancel:
            return super().run(request._replace(cancel=cancel))


class WritesOn(SoundAttach):
    """That nobody reads is no reason to say anything."""

    def run(self, request):
        try:
            return super().run(request)
        except BrokenPipeError:
            return End(Outcome.EXITED)


class KeepsSignals(SoundAttach):
    """None is passed on."""

    def run(self, request):
        return super().run(request._replace(forward_signals=False))


class TakesSignals(SoundAttach):
    """All are passed on."""

    def run(self, request):
        return super().run(request._replace(forward_signals=True))


class KeepsHandlers(SoundAttach):
    """What it heard signals with stays."""

    def run(self, request):
        try:
            return super().run(request)
        finally:
            signal.signal(signal.SIGUSR1, lambda number, frame: None)


class Leaks(SoundAttach):
    """A descriptor stays open for each run."""

    def run(self, request):
        os.open("/dev/null", os.O_RDONLY)
        return super().run(request)


class NeverBlocks(SoundAttach):
    """The caller's input does not block any more."""

    def run(self, request):
        if request.stdin >= 0:
            os.set_blocking(request.stdin, False)
        return super().run(request)


class Prints(SoundAttach):
    """It tells what it does."""

    def run(self, request):
        os.write(1, b"attached\n")
        return super().run(request)


TABLE: dict[type[SoundAttach], tuple[str, ...]] = {
    SoundAttach: (),
    Undecided: ("test_direct_is_said",),
    MixesStreams: ("test_output_is_carried_in_order",),
    CutsPieces: ("test_much_output_is_whole",),
    WritesToNobody: ("test_what_nobody_wants_is_discarded",),
    DropsInput: ("test_input_is_carried_and_half_closed",),
    EndlessInput: ("test_input_is_carried_and_half_closed",),
    OffersOnce: ("test_a_process_that_reads_slowly_gets_everything",),
    NeverDetaches: ("test_detach_keys_detach",),
    AlwaysDetaches: ("test_without_detach_keys_nothing_detaches",),
    LeavesItRaw: ("test_the_terminal_is_restored[exited]", "test_the_terminal_is_restored[detached]",
                  "test_the_terminal_is_restored[lost]", "test_the_terminal_is_restored[cancelled]"),
    NeverLost: ("test_a_lost_connection_is_said",),
    DeafToTokens: ("test_a_token_that_fires_ends_it[cancelled]", "test_a_token_that_fires_ends_it[before]"),
    WritesOn: ("test_output_that_nobody_reads_ends_it",),
    KeepsSignals: ("test_signals_are_passed_on[True]",),
    TakesSignals: ("test_signals_are_passed_on[False]",),
    KeepsHandlers: ("test_signals_are_passed_on[True]", "test_signals_are_passed_on[False]"),
    Leaks: ("test_descriptors_are_the_callers",),
    NeverBlocks: ("test_descriptors_are_the_callers",),
    Prints: ("test_it_prints_nothing",),
}
"""A broken plugin, and the tests that must fail on it; none: the whole kit passes."""

NOT_SHOWN = ()
"""Tests of the kit for which no broken plugin is here yet."""


def _contract(broken):
    class Broken(AttachContract):
        @pytest.fixture(autouse=True)
        def impatient(self, monkeypatch):
            monkeypatch.setattr(attach, "PATIENCE", 1.5)  # what a broken plugin never does is waited for
            monkeypatch.setattr(memory_session, "_PATIENCE", 1.0)

        @pytest.fixture
        def provider(self):
            return provider(api=API, summary="broken", options=NoOptions, open=lambda context: broken())

    return Broken


for one in TABLE:
    globals()[f"Test{one.__name__}"] = _contract(one)
