"""What ``conman doctor`` asks of plugins: checks, what they are given, and what they find.

Any plugin module may implement the hook ``conman_doctor`` beside its slot's own::

    @hookimpl
    def conman_doctor() -> Sequence[Check]:
        return (check("certificates", _certificates, options=Options),)

    def _certificates(context: PluginContext[Options], request: CheckRequest) -> Iterator[Finding]:
        if not request.host.exists("/etc/ssl/certs"):
            yield Finding("warning", "certificates", "no authority is known: no registry can be trusted",
                          "apt-get install ca-certificates")

A check only reads. What it raises, and that it does not end in time, is a finding itself and keeps no other from its work.
"""

from __future__ import annotations

import os
from typing import Callable, Generic, Iterable, Literal, Mapping, TypeVar

from ..cancel import Cancel
from ..record import Record
from .provider import PluginContext

Severity = Literal["error", "warning", "note"]
"""``error``: something that is selected or needed does not work. ``warning``: it works, but less well or less safely than it
could.
``note``: worth knowing; nothing to be done."""

O = TypeVar("O")


class Finding(Record):
    """One thing that a check found.

    :param subject: what it is about, in a word or two: ``cgroups``, a path, a plugin.
    :param meaning: one line: what is so, and what that means for the person.
    :param advice: one line: what to do; empty where there is nothing to be done.
    """

    severity: Severity
    subject: str
    meaning: str
    advice: str = ""


class Space(Record):
    """What a file system has: bytes and inodes that are free (to root), and in all; inodes are 0 where it counts none."""

    free: int
    size: int
    free_inodes: int
    inodes: int


class Host:
    """Facts of the host, read where they are asked for.

    :param root: the folder that stands for ``/``: tests give a recorded tree of another host.
    :param uid: the user; None: the process's own.
    :param environ: the environment; None: the process's own.
    :param spaces: recorded answers of :meth:`space`, by path; None: the host is asked.
    """

    def __init__(self, root: str = "/", *, uid: int | None = None, environ: Mapping[str, str] | None = None,
                 spaces: Mapping[str, Space] | None = None) -> None:
        self.root = root
        self.uid = os.geteuid() if uid is None else uid
        self.environ: Mapping[str, str] = os.environ if environ is None else environ
        self._spaces = spaces

    def path(self, path: str) -> str:
        """Where an absolute path of the host lies for this process."""
        return self.root.rstrip("/") + path

    def read(self, path: str, limit: int = 1 << 20) -> str:
        """The beginning of a file; empty where it does not exist or may not be read."""
        try:
            with open(self.path(path), "rb") as file:
                return file.read(limit).decode("utf-8", "surrogateescape")
        except OSError:
            return ""

    def exists(self, path: str) -> bool:
        """True where something is there."""
        return os.path.exists(self.path(path))

    def names(self, path: str) -> tuple[str, ...]:
        """What a folder holds, sorted; nothing where it is none."""
        try:
            return tuple(sorted(os.listdir(self.path(path))))
        except OSError:
            return ()

    def stat(self, path: str) -> os.stat_result | None:
        """Of what a path leads to; None where there is nothing."""
        try:
            return os.stat(self.path(path))
        except OSError:
            return None

    def nearest(self, path: str) -> str:
        """The folder, or the nearest one above it that is there."""
        while path != "/" and not os.path.isdir(self.path(path)):
            path = os.path.dirname(path)
        return path

    def space(self, path: str) -> Space | None:
        """What the file system that holds ``path`` (or would hold it) has; None where that is not known."""
        if self._spaces is not None:
            return self._spaces.get(path)
        try:
            found = os.statvfs(self.path(self.nearest(path)))
        except OSError:
            return None
        return Space(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize, found.f_favail, found.f_files)

    def file_system(self, path: str) -> str:
        """The type of the file system that holds ``path`` (or would hold it), as in mountinfo; empty where that does not tell."""
        best, kind = "", ""
        place = self.nearest(path)
        for line in self.read("/proc/self/mountinfo", 8 << 20).splitlines():
            left, _, right = line.partition(" - ")
            fields = left.split(" ")
            point = fields[4].replace("\\040", " ") if len(fields) > 4 else ""
            inside = place == point or place.startswith(point.rstrip("/") + "/")
            if point and inside and len(point) >= len(best):  # the later of two on one point covers the other
                best, kind = point, right.split(" ", 1)[0]
        return kind


class CheckRequest(Record):
    """What a check is given beside its plugin's context.

    :param host: facts of the host. ``root``, ``run_root``: the store.
    :param cancel: fires at the check's deadline; what blocks must take it.
    """

    host: Host
    root: str
    run_root: str
    cancel: Cancel


_Raw = PluginContext[Mapping[str, object]]


class Check:
    """One check of a plugin. Make it with :func:`check`."""

    __slots__ = ("_run", "name")

    def __init__(self, name: str, run: Callable[[_Raw, CheckRequest], Iterable[Finding]]) -> None:
        self.name = name
        self._run = run

    def run(self, context: _Raw, request: CheckRequest) -> Iterable[Finding]:
        """Look. Changes nothing; may be called twice."""
        return self._run(context, request)


class _Typed(Generic[O]):
    """A check of one plugin, whose options have a type that the kernel does not know."""

    def __init__(self, run: Callable[[PluginContext[O], CheckRequest], Iterable[Finding]], options: type[O]) -> None:
        self._function = run
        self._options = options

    def __call__(self, context: _Raw, request: CheckRequest) -> Iterable[Finding]:
        typed = PluginContext(name=context.name, options=self._options(**context.options), state_dir=context.state_dir,
                              run_dir=context.run_dir, log=context.log, registries=context.registries, access=context.access)
        return self._function(typed, request)


def check(name: str, run: Callable[[PluginContext[O], CheckRequest], Iterable[Finding]], *, options: type[O]) -> Check:
    """Declare a check.

    :param name: what it looks at, in a word or two; for messages.
    :param run: yields (or returns) what it finds; nothing where all is well.
    :param options: the plugin's options, the same class as in :func:`~conman_kernel.slots.provider.provider`.
    """
    return Check(name, _Typed(run, options))
