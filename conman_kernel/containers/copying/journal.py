"""What a copy has under way is written down first: where everything is staged, so that the next command clears what was left when
it and its worker were killed both.

``<root>/copies/TOKEN`` holds the container (empty: the host) and the path, and is locked by the process that copies. The worker
tidies up by itself when it fails, is cancelled, or its caller is gone.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from typing import Iterator

from ...cancel import Cancel
from ...errors import ConmanError, DeadlineExceeded, NotFound
from ...store.layout import unusable
from ...worker.client import Worker
from ...worker.copying.staging import clear
from ..context import Context
from ..state import refreshed
from .views import view

_PATIENCE_SECONDS = 2.0


def folder(context: Context) -> str:
    """Where the notes lie; the folder is there while there are any."""
    return context.layout.root + "/copies"


@contextmanager
def noted(context: Context, container: str, path: str) -> Iterator[str]:
    """Note a copy for the time of a block.

    :param container: id of the one that gets the copy; empty: the host.
    :param path: where to, from its root.
    :returns: a token that names the staging folder. Where the block fails the note stays, for :func:`clear_left`.
    :raises Unavailable: the note cannot be written.
    """
    token = os.urandom(12).hex()
    where = f"{folder(context)}/{token}"
    fd = _new(context, where)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        os.write(fd, json.dumps({"container": container, "path": path}).encode())
        yield token
        _forget(context, where)
    finally:
        os.close(fd)


def clear_left(context: Context) -> None:
    """Clear what killed copies have left. What cannot be cleared is told to the log, and tried again by the next command."""
    try:
        tokens = os.listdir(folder(context))
    except FileNotFoundError:
        return
    for token in tokens:
        where = f"{folder(context)}/{token}"
        try:
            fd = os.open(where, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _clear(context, token, os.read(fd, 1 << 16))
            _forget(context, where)
        except BlockingIOError:
            continue  # somebody copies
        except DeadlineExceeded:
            continue  # somebody is at work on the container
        except (ConmanError, OSError) as error:
            context.log.warning("what a killed cp has left (.conman-cp-%s) cannot be cleared: %s", token, error)
        finally:
            os.close(fd)


def _clear(context: Context, token: str, note: bytes) -> None:
    try:
        told = json.loads(note)
        container, path = str(told["container"]), os.fsencode(str(told["path"]))
    except (ValueError, KeyError):
        return  # killed before it was written, and so before anything was staged
    if not container:
        root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            clear(root, path, token)
        finally:
            os.close(root)
        return
    try:
        row = refreshed(context, container)
    except NotFound:
        return
    with Worker().kept() as worker, view(context, row, "", worker, Cancel(_PATIENCE_SECONDS)) as seen:
        clear(seen.root, path, token)


def _new(context: Context, where: str) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    for attempt in (1, 2):
        context.layout.ensure(folder(context))
        try:
            return os.open(where, flags, 0o600)
        except FileNotFoundError:
            if attempt == 2:
                raise
            # another cp has just taken the empty folder away
        except OSError as error:
            raise unusable(where, error) from None
    raise AssertionError("unreachable")


def _forget(context: Context, where: str) -> None:
    try:
        os.unlink(where)
        os.rmdir(folder(context))
    except OSError:
        return  # others copy; or a command has cleared it
