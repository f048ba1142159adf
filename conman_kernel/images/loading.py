"""Every image of an archive, layout or folder into the store. See :meth:`~.service.Images.load`."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Callable, Sequence

from ..cancel import Cancel
from ..errors import ConmanError, InvalidInput, NotFound, Unavailable
from ..oci.reference import Reference, parse
from ..slots.provider import AS_CONFIGURED
from ..slots.transport import Contained, ResolveRequest
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

FOLDERS = ("oci", "dir")
"""What a folder may be, in the order in which it is tried."""

FILES = ("oci-archive", "docker-archive")
"""What a file may be. A ``docker save`` of today is both; the layout in it keeps the layers as they were pushed."""

_CHUNK = 1 << 20


def load(images: Images, parts: Parts, source: str, *, progress: Callable[[Progress], None] | None,
         cancel: Cancel) -> tuple[Image, ...]:
    """See :meth:`~.service.Images.load`."""
    scheme, colon, rest = source.partition(":")
    if colon and scheme in (*FOLDERS, *FILES):
        return _all(images, parts, parse(source), progress, cancel)
    if colon and rest.startswith("//"):
        raise InvalidInput(f"{source} is not on this machine", hint="conman pull brings images from registries")
    fd = _opened(source, parts, cancel)
    try:
        place = source if stat.S_ISDIR(os.fstat(fd).st_mode) else f"/proc/self/fd/{fd}"
        found = _kind(place, source, fd, parts, cancel)
        return _all(images, parts, found, progress, cancel, shown=source)
    finally:
        os.close(fd)


def _all(images: Images, parts: Parts, place: Reference, progress: Callable[[Progress], None] | None, cancel: Cancel,
         shown: str = "") -> tuple[Image, ...]:
    transport = listing(place.scheme, parts, AS_CONFIGURED)
    whole = place._replace(path=os.path.abspath(place.path))
    if place.tag:
        contained: Sequence[Contained] = (Contained(whole.location, (place.tag,)),)
    else:
        contained = transport.images(ResolveRequest(whole.location, cancel))
    if not contained:
        raise NotFound(f"{shown or place.path} holds no image")
    ids: list[str] = []
    for one in contained:
        resolved = transport.resolve(ResolveRequest(one.location, cancel))
        called = Reference(place.scheme, "", shown or place.path, one.names[0] if one.names else "")
        target = Target(Source(transport, one.location), called, resolved.descriptor, resolved.content)
        job = Pull(parts, str(called), platform=None, progress=progress, access=AS_CONFIGURED, cancel=cancel,
                   names=_names(one.names, parts))
        ids.append(job.run(target))
    return tuple(images.get(id) for id in ids)


def _names(given: Sequence[str], parts: Parts) -> tuple[str, ...]:
    """The names that can be names here; an archive may call an image anything."""
    found: list[str] = []
    for name in given:
        try:
            found += local_names((name,))
        except InvalidInput as error:
            parts.log.warning("the name %r in the archive is left out: %s", name, error)
    return tuple(dict.fromkeys(found))


def _kind(place: str, shown: str, fd: int, parts: Parts, cancel: Cancel) -> Reference:
    refused: list[str] = []
    folder = stat.S_ISDIR(os.fstat(fd).st_mode)
    for scheme in FOLDERS if folder else FILES:
        try:
            listing(scheme, parts, AS_CONFIGURED).images(ResolveRequest(os.path.abspath(place), cancel))
        except (InvalidInput, NotFound) as error:
            refused.append(f"no {scheme}: {error.message.replace(place, shown)}")
        else:
            return Reference(scheme, "", place)
    raise InvalidInput(f"{shown} holds no images: {'; '.join(refused)}",
                       hint="conman import makes an image of a root file system")


def _opened(source: str, parts: Parts, cancel: Cancel) -> int:
    """A descriptor of what is to be read; what cannot seek is written into an unnamed file of the store first."""
    try:
        if source.startswith(("/dev/fd/", "/proc/self/fd/")):
            fd = os.dup(int(source.rpartition("/")[2]))
        else:
            fd = os.dup(0) if source == "/dev/stdin" else os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        kind = NotFound if isinstance(error, FileNotFoundError) else Unavailable
        raise kind(f"cannot open {source}: {getattr(error, 'strerror', None) or error}") from None
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return fd
    try:
        if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
            raise InvalidInput(f"{source} is neither a file, a folder nor a pipe")
        return _spooled(fd, source, parts, cancel)
    finally:
        os.close(fd)


def _spooled(fd: int, source: str, parts: Parts, cancel: Cancel) -> int:
    folder = parts.layout.ensure(parts.layout.ingest)
    spool = -1
    try:
        spool = os.open(folder, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
        while True:
            cancel.wait_readable(fd)
            data = os.read(fd, _CHUNK)
            if not data:
                break
            view = memoryview(data)
            while view:
                view = view[os.write(spool, view):]
        os.lseek(spool, 0, os.SEEK_SET)
    except (OSError, ConmanError) as error:
        if spool >= 0:
            os.close(spool)
        if isinstance(error, OSError):
            raise Unavailable(f"cannot read {source} into {folder}: {error.strerror}") from None
        raise
    return spool
