"""Copy into a container, out of one, from one to another: both sides found, then one job of the worker."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import IO, Iterator

from ...cancel import Cancel
from ...errors import InvalidInput
from ...worker.client import Worker
from ...worker.jobs import Copied, CpRequest, CpSide
from ..context import Context
from ..rows import ContainerRow
from ..users import resolve_user
from .journal import clear_left, noted
from .views import View, hidden_devices, view

Local = str | os.PathLike[str]
"""A path on the host."""


class Wishes:
    """How to copy; see :meth:`.Holding.copy_in`."""

    __slots__ = ("archive", "cancel", "follow_link", "overwrite")

    def __init__(self, *, archive: bool, follow_link: bool, overwrite: bool, cancel: Cancel) -> None:
        self.archive = archive
        self.follow_link = follow_link
        self.overwrite = overwrite
        self.cancel = cancel


def copy_in(context: Context, row: ContainerRow, source: Local | int | IO[bytes], path: str, wishes: Wishes) -> Copied:
    """See :meth:`.Holding.copy_in`."""
    with _cleared(context), ExitStack() as stack:
        stream = -1 if isinstance(source, (str, os.PathLike)) else _descriptor(source)
        host = None if stream >= 0 else _host(stack, os.fspath(source))  # type: ignore[arg-type]
        worker = stack.enter_context(Worker().kept())
        seen = stack.enter_context(view(context, row, path, worker, wishes.cancel, writing=True))
        token = stack.enter_context(noted(context, row.id, path))
        owner = _owner(seen) if wishes.archive else None
        copied = worker.cp(CpRequest(
            source=host, target=_inside(seen, path), token=token, cancel=wishes.cancel, stream_fd=stream, owner=owner,
            follow=wishes.follow_link, overwrite=wishes.overwrite))
    _tell_skipped(context, copied)
    return copied


def copy_out(context: Context, row: ContainerRow, path: str, to: Local | int | IO[bytes], wishes: Wishes) -> Copied:
    """See :meth:`.Holding.copy_out`."""
    with _cleared(context), ExitStack() as stack:
        stream = -1 if isinstance(to, (str, os.PathLike)) else _descriptor(to)
        host = None if stream >= 0 else _host(stack, os.fspath(to))  # type: ignore[arg-type]
        worker = stack.enter_context(Worker().kept())
        seen = stack.enter_context(view(context, row, path, worker, wishes.cancel))
        token = stack.enter_context(noted(context, "", host.path)) if host is not None else ""
        copied = worker.cp(CpRequest(
            source=_inside(seen, path), target=host, token=token, cancel=wishes.cancel, stream_fd=stream,
            owner=(os.geteuid(), os.getegid()), follow=wishes.follow_link, overwrite=wishes.overwrite, devices=stream >= 0))
    _tell_skipped(context, copied)
    return copied


def copy_across(context: Context, row: ContainerRow, path: str, other: ContainerRow, to: str, wishes: Wishes) -> Copied:
    """See :meth:`.Holding.copy_to`."""
    with _cleared(context), ExitStack() as stack:
        seen: dict[str, View] = {}
        # Two locks are taken in the order of their numbers, or two copies could wait for each other.
        for one, where in sorted({row.id: (row, path), other.id: (other, to)}.values(), key=lambda pair: pair[0].num):
            worker = stack.enter_context(Worker().kept())
            seen[one.id] = stack.enter_context(view(context, one, where, worker, wishes.cancel, writing=one.id == other.id))
        token = stack.enter_context(noted(context, other.id, to))
        owner = _owner(seen[other.id]) if wishes.archive else None
        copied = seen[other.id].worker.cp(CpRequest(
            source=_inside(seen[row.id], path), target=_inside(seen[other.id], to), token=token, cancel=wishes.cancel,
            owner=owner, follow=wishes.follow_link, overwrite=wishes.overwrite))
    _tell_skipped(context, copied)
    return copied


@contextmanager
def _cleared(context: Context) -> Iterator[None]:
    """After a failure nothing is left, even where the worker was killed."""
    try:
        yield
    except BaseException:
        clear_left(context)
        raise


def _host(stack: ExitStack, path: str) -> CpSide:
    if not path:
        raise InvalidInput("the path on the host is empty")
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    stack.callback(os.close, root)
    # Not os.path.abspath: what a ".." leads to is for the links on the way to say.
    return CpSide(root, path if path.startswith("/") else f"{os.getcwd()}/{path}", path, "the host",
                  hidden_devices("/proc/self/mountinfo"))


def _inside(seen: View, path: str) -> CpSide:
    return CpSide(seen.root, path, path, f"container {seen.row.name}", seen.hidden)


def _owner(seen: View) -> tuple[int, int]:
    """The container's main user."""
    options, parts = seen.row.parsed_options(), seen.row.image_parts()
    user = resolve_user(seen.root, options.user or parts.user)
    return user.uid, user.gid


def _descriptor(stream: object) -> int:
    number = _number(stream)
    try:
        os.fstat(number)
    except (OSError, OverflowError):
        raise InvalidInput(f"the descriptor {number} is not open") from None
    return number


def _number(stream: object) -> int:
    if isinstance(stream, int):
        return stream
    if not hasattr(stream, "fileno"):
        raise InvalidInput(f"a path, a descriptor or a file that has one, not {type(stream).__name__}")
    if hasattr(stream, "flush"):
        stream.flush()
    number = stream.fileno()
    assert isinstance(number, int)
    return number


def _tell_skipped(context: Context, copied: Copied) -> None:
    if copied.skipped:
        context.log.warning("not copied: sockets or devices, %d of them", copied.skipped)
