"""The file ``manifest.json`` of a Docker archive (Docker image specification v1.2, "Combined Image JSON + Filesystem
Changeset Format"). Pure: bytes in, entries out."""

from __future__ import annotations

from typing import Sequence

from conman_kernel.errors import InvalidInput, NotFound
from conman_kernel.oci.documents import as_object, get_str, get_strings, parse_list
from conman_kernel.oci.manifest import MAX_LAYERS
from conman_kernel.oci.reference import parse
from conman_kernel.record import Record

MAX_IMAGES = 4096
MAX_NAMES_SHOWN = 20
_HUB = ("docker.io/library",)


class Entry(Record):
    """One image of the archive.

    :param config: the member that is its configuration.
    :param names: ``RepoTags`` as whole names; what is no name stays as it is.
    :param layers: the members that are its layers, lowest first.
    """

    config: str
    names: tuple[str, ...]
    layers: tuple[str, ...]


def entries(data: bytes, what: str) -> tuple[Entry, ...]:
    """The images that ``manifest.json`` lists. :raises InvalidInput: it is malformed."""
    listed = parse_list(data, what)
    if len(listed) > MAX_IMAGES:
        raise InvalidInput(f"{what} lists {len(listed)} images, more than the {MAX_IMAGES} that are accepted")
    return tuple(_entry(item, f"{what}: image {number}") for number, item in enumerate(listed))


def choose(images: Sequence[Entry], name: str, where: str) -> int:
    """The place of the one image that is meant.

    :param name: its name, or ``@`` and its place, from 0; empty: the only image there is.
    :raises NotFound: no image, or none of that name.
    :raises InvalidInput: without a name there are several to choose from.
    """
    if not images:
        raise NotFound(f"{where} holds no image")
    number = name.removeprefix("@")
    if name.startswith("@") and number.isascii() and number.isdecimal():
        if len(number) > 9 or int(number) >= len(images):
            raise NotFound(f"{where} has no image {name[:20]}", hint=f"it has {len(images)}, counted from @0")
        return int(number)
    known = list(dict.fromkeys(each for image in images for each in image.names))
    offered = ", ".join(known[:MAX_NAMES_SHOWN]) + (", ..." if len(known) > MAX_NAMES_SHOWN else "")
    if not name:
        if len(images) > 1:
            raise InvalidInput(f"{where} holds {len(images)} images",
                               hint=f"name one: {offered}" if known else "@0 names the first, @1 the second")
        return 0
    wanted = whole(name)
    # Of several with one name the last counts, as docker load moves a tag.
    for place in range(len(images) - 1, -1, -1):
        if wanted in images[place].names:
            return place
    raise NotFound(f"{where} holds no image named {wanted!r}",
                   hint=f"it holds {offered}" if known else "its images have no names; @0 is the first")


def whole(name: str) -> str:
    """A name as Docker means it: below ``docker.io/library`` where it names no registry, tagged ``latest`` where it has no tag.

    :raises InvalidInput: it is no name of an image, or has a digest.
    """
    reference = parse(name)
    if reference.local or reference.digest:
        raise InvalidInput(f"{name!r} cannot be the name of an image in a Docker archive", hint="write NAME[:TAG]")
    return str(reference.expand(_HUB)[0])


def _entry(item: object, what: str) -> Entry:
    obj = as_object(item, what)
    config, layers = get_str(obj, "Config", what), get_strings(obj, "Layers", what)
    if not config:
        raise InvalidInput(f"{what} names no configuration")
    if len(layers) > MAX_LAYERS:
        raise InvalidInput(f"{what} has {len(layers)} layers, more than the {MAX_LAYERS} that can be stacked")
    return Entry(config, tuple(dict.fromkeys(_name(tag) for tag in get_strings(obj, "RepoTags", what))), layers)


def _name(tag: str) -> str:
    try:
        return whole(tag)
    except InvalidInput:
        return tag
