"""Network plugins on paper, the second half: those that break a promise of leaving, of crashes, or of several at once."""

from __future__ import annotations

import os
import threading

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import Cancelled, Unavailable
from conman_kernel.slots.network import API
from conman_kernel.slots.provider import NoOptions, provider
from conman_kernel.testing.kits import NetworkContract
from conman_kernel.testing.kits.network import together
from conman_kernel.testing.paper_network import PaperNetwork

KIT = NetworkContract


class SoundPaper(PaperNetwork):
    """Breaks nothing."""

    def mark(self, name):
        """A file of its own."""
        os.makedirs(self._folder, exist_ok=True)
        return f"{self._folder}/{name}"


class NeverLeaves(SoundPaper):
    """What it has it keeps."""

    def leave(self, request):
        return


class OnlyMembersLeave(SoundPaper):
    """Who is not there cannot leave."""

    def leave(self, request):
        joining = request.joining
        if f"{joining.network.id[:12]} {joining.container} {joining.interface}" not in self.members(joining.network):
            raise Unavailable("it is not there")
        super().leave(request)


class NeedsState(SoundPaper):
    """Without it, nothing is done."""

    def leave(self, request):
        if request.state:
            super().leave(request)


class NeedsNamespace(SoundPaper):
    """Without it, nothing can be done."""

    def leave(self, request):
        if not request.joining.namespace:
            raise Unavailable("there is no namespace")
        super().leave(request)


class Remembers(SoundPaper):
    """Only what this object has joined leaves."""

    def leave(self, request):
        if any(one.container == request.joining.container for one in self.joins):
            super().leave(request)


class NeedsItsFolder(SoundPaper):
    """It was there when the container was joined."""

    def leave(self, request):
        if not os.path.isdir(self._folder):
            raise Unavailable("where is the paper?")
        super().leave(request)


class RemovesOnce(SoundPaper):
    """A network that is gone cannot be removed."""

    def remove(self, request):
        if os.path.exists(self.mark(request.network.id)):
            raise Unavailable("it is gone")
        with open(self.mark(request.network.id), "w", encoding="utf-8"):
            super().remove(request)


class HalfLeft(SoundPaper):
    """A leave that was begun cannot be begun again."""

    def leave(self, request):
        path = self.mark("leaving")
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        super().leave(request)
        os.unlink(path)


class HalfRemoved(SoundPaper):
    """Nor a removal."""

    def remove(self, request):
        path = self.mark("removing")
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        super().remove(request)
        os.unlink(path)


class OneAtATime(SoundPaper):
    """Whoever finds somebody at work gives up."""

    def join(self, request):
        path = self.mark("busy")
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            raise Unavailable("somebody else is at work") from None
        try:
            threading.Event().wait(0.1)
            return super().join(request)
        finally:
            os.unlink(path)


class Deaf(SoundPaper):
    """It goes on."""

    def define(self, request):
        threading.Event().wait(0.8)
        return super().define(request._replace(cancel=Cancel()))

    def join(self, request):
        threading.Event().wait(0.8)
        return super().join(request._replace(cancel=Cancel()))

    def leave(self, request):
        threading.Event().wait(0.8)
        super().leave(request._replace(cancel=Cancel()))

    def remove(self, request):
        threading.Event().wait(0.8)
        super().remove(request._replace(cancel=Cancel()))


class KeepsHalf(SoundPaper):
    """What was cancelled stays as it is."""

    def join(self, request):
        try:
            request.cancel.wait_readable(timeout=0.2)
        except Cancelled:
            super().join(request._replace(cancel=Cancel()))
            raise
        return super().join(request)


class LeavesOnce(SoundPaper):
    """A leave that was stopped is the last one."""

    def leave(self, request):
        if os.path.exists(self.mark("stopped")):
            raise Unavailable("it was stopped")
        try:
            request.cancel.wait_readable(timeout=0.1)
        except Cancelled:
            with open(self.mark("stopped"), "w", encoding="utf-8"):
                raise
        super().leave(request)


TABLE: dict[type[SoundPaper], tuple[str, ...]] = {
    NeverLeaves: ("test_leaving_gives_everything_back",),
    OnlyMembersLeave: ("test_leaving_twice_is_leaving", "test_leaving_what_was_never_joined"),
    NeedsState: ("test_leaving_without_the_state", "test_a_killed_join_is_undone"),
    NeedsNamespace: ("test_leaving_without_the_namespace",),
    Remembers: ("test_another_command_may_do_it",),
    NeedsItsFolder: ("test_after_a_reboot",),
    RemovesOnce: ("test_removing_leaves_nothing",),
    HalfLeft: ("test_a_killed_leave_is_repeated",),
    HalfRemoved: ("test_a_killed_remove_is_repeated",),
    OneAtATime: ("test_threads_do_not_meet", "test_processes_do_not_meet", "test_coming_beside_going"),
    Deaf: ("test_a_token_that_has_fired_ends_the_call",),
    KeepsHalf: ("test_a_token_that_fires_in_the_middle",),
    LeavesOnce: ("test_a_leave_that_is_stopped_can_be_repeated",),
}
"""A broken plugin, and the tests that must fail on it; none: the whole kit passes."""

NOT_SHOWN = ()


def _contract(broken):
    class Broken(NetworkContract):
        @pytest.fixture(autouse=True)
        def impatient(self, monkeypatch):
            if broken is Deaf:
                monkeypatch.setattr(together, "MOST_SECONDS", 0.5)

        @pytest.fixture
        def provider(self):
            return provider(api=API, summary="broken", options=NoOptions, open=lambda context: broken(context.run_dir))

        @pytest.fixture
        def packets(self):
            return False

    return Broken


for one in TABLE:
    globals()[f"Test{one.__name__}"] = _contract(one)
