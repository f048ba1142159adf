"""Every image of an archive, layout or folder into the store. See :meth:`~.service.Images.load`."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Callable, Sequence

from ..cancel import Cancel
from ..errors import ConmanError, InvalidInput, NotFound, Unavailable
from ..oci.reference import Reference, parse
from ..record import Record
from ..slots.provider import AS_CONFIGURED
from ..slots.transport import ResolveRequest
from .destinations import listing
from .fetch import Source
from .naming import local_names
from .parts import Parts
from .pull import Pull
from .records import Progress
from .resolve import Target

if TYPE_CHECKING:
    from .image import Image
    from .service import Images

class Loaded(Record):
    """One image that came.

    :param names: what it was called where it came from; ``image`` may have others.
    """

    image: Image
    names: tuple[str, ...]


FOLDERS = ("oci", "dir")
"""What a folder may be, in the order in which it is tried."""

FILES = ("oci-archive", "docker-archive")
"""What a file may be. A ``docker save`` of today is both; the layout in it keeps the layers as they were pushed."""

MAX_STREAM = 64 << 30
"""Bytes that are taken from a pipe."""

_CHUNK = 1 << 20


def load(images: Images, parts: Parts, source: str, *, progress: Callable[[Progress], None] | None,
         cancel: Cancel) -> tuple[Loaded, ...]:
    """See :meth:`~.service.Images.load`."""
    scheme, colon, rest = source.partition(":")
    if colon and (scheme in (*FOLDERS, *FILES) or _of_a_plugin(source)):
        return _all(images, parts, parse(source), progress, cancel)
    if colon and rest.startswith("//"):
        raise InvalidInput(f"{source} is not on this machine", hint="conman pull brings images from registries")
    fd = opened(source, parts, cancel)
    place = source if stat.S_ISDIR(os.fstat(fd).st_mode) else f"/proc/self/fd/{fd}"
    try:
        found = _kind(place, fd, parts, cancel)
        return _all(images, parts, found, progress, cancel, shown=source)
    except ConmanError as error:
        error.message = error.message.replace(place, source)
        error.hint = error.hint.replace(place, source)
        raise
    finally:
        os.close(fd)


def _of_a_plugin(source: str) -> bool:
    """True for ``scheme:/path`` of a transport that is not ours; a file that is really called so comes first."""
    try:
        return parse(source).local and not os.path.lexists(source)
    except InvalidInput:
        return False


def _all(images: Images, parts: Parts, place: Reference, progress: Callable[[Progress], None] | None, cancel: Cancel,
         shown: str = "") -> tuple[Loaded, ...]:
    transport = listing(place.scheme, parts, AS_CONFIGURED)
    whole = place._replace(path=os.path.abspath(place.path))
    contained = transport.images(ResolveRequest(whole.location, cancel))
    if not contained:
        raise NotFound(f"{shown or place.path} holds no image")
    if shown and place.scheme == "oci" and len(contained) == 1 and not contained[0].names:
        contained = (contained[0]._replace(names=_called_by(shown)),)
    done: list[tuple[str, tuple[str, ...]]] = []
    for one in contained:
        resolved = transport.resolve(ResolveRequest(one.location, cancel))
        called = Reference(place.scheme, "", shown or place.path, one.names[0] if one.names else "")
        target = Target(Source(transport, one.location), called, resolved.descriptor, resolved.content)
        names = _names(one.names, parts)
        job = Pull(parts, str(called), platform=None, progress=progress, access=AS_CONFIGURED, cancel=cancel, names=names)
        done.append((job.run(target), names))
    return tuple(Loaded(images.get(id), names) for id, names in done)


def _called_by(path: str) -> tuple[str, ...]:
    """The name for the only image of a layout folder, which has none in it: its path below ``localhost/``, as podman has it."""
    try:
        return local_names((f"localhost/{path.strip('/')}",))
    except InvalidInput:
        return ()


def _names(given: Sequence[str], parts: Parts) -> tuple[str, ...]:
    """The names that can be names here; an archive may call an image anything."""
    found: list[str] = []
    for name in given:
        try:
            found += local_names((name,))
        except InvalidInput as error:
            parts.log.warning("the name %r in the archive is left out: %s", name, error)
    return tuple(dict.fromkeys(found))


def _kind(place: str, fd: int, parts: Parts, cancel: Cancel) -> Reference:
    refused: dict[str, ConmanError] = {}
    folder = stat.S_ISDIR(os.fstat(fd).st_mode)
    for scheme in FOLDERS if folder else FILES:
        try:
            listing(scheme, parts, AS_CONFIGURED).images(ResolveRequest(os.path.abspath(place), cancel))
        except (InvalidInput, NotFound) as error:
            refused.setdefault(error.message, error)
        else:
            return Reference(scheme, "", place)
    if len(refused) == 1:  # it is no whole tar at all
        (only,) = refused.values()
        raise InvalidInput(only.message, hint=only.hint)
    raise InvalidInput(f"{place} holds no images: {'; '.join(message.replace(place, 'it') for message in refused)}",
                       hint="conman import makes an image of a root file system")


def opened(source: str, parts: Parts, cancel: Cancel) -> int:
    """A descriptor of what is to be read, at its beginning; what cannot seek is copied into an unnamed file first."""
    try:
        if source.startswith(("/dev/fd/", "/proc/self/fd/")):
            fd = os.dup(int(source.rpartition("/")[2]))
        else:
            # A FIFO that nobody writes to yet is waited for below, where the caller's token is watched.
            fd = os.dup(0) if source == "/dev/stdin" else os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        kind = NotFound if isinstance(error, FileNotFoundError) else Unavailable
        raise kind(f"cannot open {source}: {getattr(error, 'strerror', None) or error}") from None
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        os.lseek(fd, 0, os.SEEK_SET)
        return fd
    if stat.S_ISDIR(mode):
        return fd
    try:
        if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
            raise InvalidInput(f"{source} is neither a file, a folder nor a pipe")
        return _spooled(fd, source, parts, cancel)
    finally:
        os.close(fd)


def _spooled(fd: int, source: str, parts: Parts, cancel: Cancel) -> int:
    spool, size = parts.blobs.unnamed(), 0
    try:
        while True:
            cancel.wait_readable(fd)
            data = os.read(fd, _CHUNK)
            if not data:
                break
            size += len(data)
            if size > MAX_STREAM:
                raise InvalidInput(f"{source} has more than the {MAX_STREAM} bytes that are accepted from a pipe",
                                   hint="write it to a file, and load that")
            view = memoryview(data)
            while view:
                view = view[os.write(spool, view):]
        os.lseek(spool, 0, os.SEEK_SET)
    except (OSError, ConmanError) as error:
        os.close(spool)
        if isinstance(error, OSError):
            raise Unavailable(f"cannot read {source} into {parts.layout.ingest}: {error.strerror}") from None
        raise
    return spool
