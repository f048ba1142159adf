"""Calls into plugins that are under way: one place that types what escapes from them, and says who is waited for.

The kernel only keeps the list. Whoever has a person to talk to (the command line) watches it: says after a while which plugin
is waited for, and may raise :class:`Left` in a thread whose plugin does not come back after a cancel.
"""

from __future__ import annotations

from typing import Callable, Protocol, TypeVar

from .errors import Cancelled, ConmanError, PluginFailed

T = TypeVar("T")


class Left(BaseException):
    """Raised in a thread that is in a plugin's code, to get out of it. Not an ``Exception``: a plugin that tries everything
    again would catch it. The call ends as :class:`~conman_kernel.errors.Cancelled`."""


class Call:
    """One call under way.

    :ivar owner: whose it is. ``what``: the method, or ``import``, ``probe``, ``open``.
    :ivar lasting: it takes as long as a person stays (an attach plugin's ``run``); that is no reason to speak.
    :ivar loading: it belongs to bringing the plugin in.
    """

    __slots__ = ("lasting", "loading", "owner", "what")

    def __init__(self, owner: Owner, what: str, *, loading: bool) -> None:
        self.owner = owner
        self.what = what
        self.loading = loading
        self.lasting = what == "run" and owner.slot == "conman.attach"


class Watcher(Protocol):
    """Who wants to know of calls. Both methods are called in the thread that makes the call."""

    def began(self, call: Call) -> None:
        """A call begins."""

    def ended(self, call: Call) -> None:
        """It has ended, in whatever way."""


class Calls:
    """The calls of one :class:`~conman_kernel.Conman`.

    :ivar watcher: is told of each; None: nobody is.
    """

    __slots__ = ("watcher",)

    def __init__(self) -> None:
        self.watcher: Watcher | None = None


class Owner:
    """One plugin, as somebody to hold responsible.

    :ivar slot: its entry-point group. ``plugin``: its name. ``distribution``: what ships it, with its version.
    """

    __slots__ = ("_calls", "distribution", "plugin", "slot")

    def __init__(self, slot: str, plugin: str, distribution: str, calls: Calls) -> None:
        self.slot = slot
        self.plugin = plugin
        self.distribution = distribution
        self._calls = calls

    def failure(self, what: str) -> PluginFailed:
        """The error of this plugin.

        :param what: how the sentence goes on after its name.
        """
        return PluginFailed(f"{self.plugin} ({self.distribution}) {' '.join(what.split())}", slot=self.slot,
                            plugin=self.plugin, distribution=self.distribution,
                            hint="this is a defect of the plugin; conman's own state is untouched")

    def call(self, what: str, function: Callable[[], T], *, words: str = "failed in {}: {}",
             typed: tuple[type[ConmanError], ...] = (ConmanError,), loading: bool = False) -> T:
        """Call into the plugin.

        :param what: see :class:`Call`.
        :param words: what is said of an exception: of the call, and of the exception.
        :param typed: errors that the plugin may raise. ``loading``: see :class:`Call`.
        :raises ConmanError: the plugin's own, as they are.
        :raises PluginFailed: anything else that the plugin raises, ``SystemExit`` and the like included.
        :raises Cancelled: the watcher took the thread out of the call.
        """
        watcher = self._calls.watcher
        passed: tuple[type[BaseException], ...] = (*typed, KeyboardInterrupt)
        call = None
        try:
            if watcher is not None:
                call = Call(self, what, loading=loading)
                watcher.began(call)
            return function()
        except passed:
            raise
        except Left:
            raise Cancelled(f"stopped while {self.plugin} ({self.distribution}) did not come back from {what}") from None
        except BaseException as error:
            raise self.failure(words.format(what, said(error))) from error
        finally:
            if watcher is not None and call is not None:
                watcher.ended(call)


def said(error: BaseException) -> str:
    """An exception in one line; also one that cannot say what it is."""
    try:
        text = " ".join(f"{type(error).__name__}: {error}".split())
    except Exception as second:  # noqa: BLE001 (the exception's own code, which may do anything)
        return f"{type(error).__name__}, which cannot be shown ({type(second).__name__})"
    return text if len(text) <= 1000 else text[:1000] + "..."
