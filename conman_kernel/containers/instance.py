"""A container as a writable instance of its image: what it changed, an image of it, its tree as a tar. No process need run."""

from __future__ import annotations

import os
import signal
import time
from typing import IO, TYPE_CHECKING, Sequence

from ..cancel import Cancel
from ..errors import InvalidInput, Unavailable
from ..oci.recipe import Format, Recipe
from ..oci.runtime.own import without_own
from ..slots.storage import Whiteouts
from ..times import rfc3339
from ..worker.jobs import Change, PackRequest, PackResult
from .context import Context
from .rows import ContainerRow
from .still import still
from .telling import tell

if TYPE_CHECKING:
    from .writable import NewImage

def diff(context: Context, row: ContainerRow, cancel: Cancel) -> tuple[Change, ...]:
    """See :meth:`.Container.diff`."""
    context.driver_of(row)
    with still(context, row, pause=False, whole=False, cancel=cancel):
        changes = context.writable().changes(storage=row.storage, key=row.id, below=row.image_chain_id, cancel=cancel)
    return without_own(changes)


def commit(context: Context, row: ContainerRow, name: str, *, author: str, message: str, changes: Sequence[str], pause: bool,
           format: Format, include_volumes: bool, squash: bool, cancel: Cancel) -> NewImage:
    """See :meth:`.Container.commit`."""
    if format not in ("oci", "docker"):
        raise InvalidInput(f"unrecognized image format {format!r}", hint="oci or docker")
    context.driver_of(row)  # one that is gone is told with the container's name
    options, parts = row.parsed_options(), row.image_parts()
    command = [*(options.entrypoint if options.entrypoint is not None else parts.entrypoint),
               *(options.command or (parts.cmd if options.entrypoint is None else ()))]
    recipe = Recipe(created=rfc3339(time.time()), author=author, message=message or f"FROM {row.image_name}",
                    created_by=" ".join(command) or "/bin/sh", run=run_config(row, include_volumes=include_volumes),
                    changes=tuple(changes), format=format)
    made = context.writable().commit(
        storage=row.storage, key=row.id, below=row.image_chain_id, image_id=row.image_id,
        still=lambda whole: still(context, row, pause=pause, whole=whole, cancel=cancel),
        recipe=recipe, name=name, squash=squash, cancel=cancel)
    tell(context, row, "commit")
    return made


def run_config(row: ContainerRow, *, include_volumes: bool) -> dict[str, object]:
    """What the container was made with, as keys of an image's ``config`` that take the place of its image's."""
    options, parts = row.parsed_options(), row.image_parts()
    run: dict[str, object] = {}
    if options.entrypoint is not None:
        run["Entrypoint"] = list(options.entrypoint)
    if options.entrypoint is not None or options.command:
        run["Cmd"] = list(options.command)
    if options.env:
        known = dict(item.partition("=")[::2] for item in parts.env)
        run["Env"] = [f"{key}={value}" for key, value in {**known, **dict(options.env)}.items()]
    if options.user:
        run["User"] = options.user
    if options.workdir:
        run["WorkingDir"] = options.workdir
    if options.labels:
        run["Labels"] = dict(options.labels)
    if options.stop_signal:
        run["StopSignal"] = _signal_name(options.stop_signal)
    volumes = [mount.target for mount in options.mounts if mount.type != "tmpfs"]
    if include_volumes and volumes:
        run["Volumes"] = {target: {} for target in volumes}
    return run


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # between SIGRTMIN and SIGRTMAX
        return str(number)


def export(context: Context, row: ContainerRow, to: str | int | IO[bytes], cancel: Cancel) -> PackResult:
    """See :meth:`.Container.export`."""
    if isinstance(to, str):
        packed = _to_file(context, row, to, cancel)
    elif isinstance(to, int):
        packed = _packed(context, row, to, cancel)
    else:
        to.flush()
        packed = _packed(context, row, to.fileno(), cancel)
    tell(context, row, "export")
    return packed


def _to_file(context: Context, row: ContainerRow, path: str, cancel: Cancel) -> PackResult:
    """A new file appears whole or not at all; what is there and is no file (a pipe, a device) is written to."""
    import stat

    from ..support.archives.placing import NewFile

    try:
        special = not stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError:
        special = False
    except OSError as error:
        raise Unavailable(f"cannot write {path}: {error.strerror}") from None
    where = path if special else os.path.dirname(path) or "."
    flags = os.O_WRONLY if special else os.O_RDONLY | os.O_DIRECTORY
    try:
        fd = os.open(where, flags | os.O_CLOEXEC)
    except OSError as error:
        raise Unavailable(f"cannot write {path}: {error.strerror}") from None
    try:
        if special:
            return _packed(context, row, fd, cancel)
        file = NewFile(fd, os.path.basename(path), path)
        try:
            packed = _packed(context, row, file.fd, cancel)
            file.place()
            return packed
        finally:
            file.close()
    finally:
        os.close(fd)


def _packed(context: Context, row: ContainerRow, out: int, cancel: Cancel) -> PackResult:
    from ..worker.client import Worker
    from . import rootfs
    from .state import refreshed

    # The lock is given back at once: a long export must not hold up a stop.
    with context.locks.acquire(row.num, cancel):
        path = rootfs.hold(context, refreshed(context, row.id), cancel)
    try:
        root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return Worker().pack(PackRequest(root, None, Whiteouts.APPLIED, out, cancel, compression="none", plain=True))
        finally:
            os.close(root)
    finally:
        with context.locks.acquire(row.num, Cancel()):
            rootfs.let_go(context, refreshed(context, row.id), force=False)


class MountPoint(str):
    """The path where a container is mounted; as a context manager, until the end of the block."""

    _context: Context
    _row: ContainerRow

    def __enter__(self) -> str:
        return str(self)

    def __exit__(self, *details: object) -> None:
        from . import rootfs
        from .state import refreshed

        with self._context.locks.acquire(self._row.num, Cancel()):
            held = rootfs.let_go(self._context, refreshed(self._context, self._row.id), force=False)
        if held:
            tell(self._context, self._row, "unmount")


def mount_point(path: str, context: Context, row: ContainerRow) -> MountPoint:
    """Let a path be one, of a container that was mounted just now."""
    point = MountPoint(path)
    point._context, point._row = context, row
    tell(context, row, "mount")
    return point
