"""What an OCI layout says about itself (OCI image-spec v1.1, ``image-layout.md``). Pure: bytes in, descriptors out."""

from __future__ import annotations

from typing import NamedTuple

from conman_kernel.errors import InvalidInput, NotFound
from conman_kernel.oci.descriptor import Descriptor, parse_descriptor
from conman_kernel.oci.documents import as_object, get_list, get_str, get_string_map, parse_object
from conman_kernel.slots.transport import Contained

REF_NAME = "org.opencontainers.image.ref.name"
FULL_NAME = "io.containerd.image.name"
"""Docker and containerd put the short tag into ``ref.name`` and the whole name here."""

MAX_IMAGES = 4096
MAX_NAMES_SHOWN = 20


class Named(NamedTuple):
    """One entry of ``index.json`` and the names it has.

    :param called: what the image is called: the whole name where there is one, else ``ref.name``.
    """

    descriptor: Descriptor
    names: tuple[str, ...]
    called: str


def check_version(data: bytes, what: str) -> None:
    """Check the file ``oci-layout``. :raises InvalidInput: another version than 1.x."""
    version = get_str(parse_object(data, what, 4096), "imageLayoutVersion", what)
    if version.partition(".")[0] != "1":
        raise InvalidInput(f"{what} is of the layout version {version[:40]!r}, and 1.0.0 is known")


def entries(data: bytes, what: str) -> tuple[Named, ...]:
    """The images that ``index.json`` lists. :raises InvalidInput: it is malformed."""
    listed = get_list(parse_object(data, what), "manifests", what)
    if len(listed) > MAX_IMAGES:
        raise InvalidInput(f"{what} lists {len(listed)} images, more than the {MAX_IMAGES} that are accepted")
    found = []
    for number, item in enumerate(listed, 1):
        entry = f"{what}: entry {number}"
        annotations = get_string_map(as_object(item, entry), "annotations", entry)
        names = tuple(annotations[key] for key in (REF_NAME, FULL_NAME) if annotations.get(key))
        found.append(Named(parse_descriptor(item, entry), names, names[-1] if names else ""))
    return tuple(found)


def choose(images: tuple[Named, ...], tag: str, where: str) -> Descriptor:
    """The one image that is meant.

    :param tag: its name in the layout, or ``@`` and its place among the entries, from 0; empty: the only image there is.
    :raises NotFound: no image, or none of that name.
    :raises InvalidInput: without a name there are several to choose from.
    """
    names = sorted({name for image in images for name in image.names})
    offered = ", ".join(names[:MAX_NAMES_SHOWN]) + (", ..." if len(names) > MAX_NAMES_SHOWN else "")
    if not images:
        raise NotFound(f"{where} holds no image")
    number = tag.removeprefix("@")
    if tag.startswith("@") and number.isascii() and number.isdecimal():
        if len(number) > 9 or int(number) >= len(images):
            raise NotFound(f"{where} has no entry {tag[:20]}", hint=f"it has {len(images)}, counted from @0")
        return images[int(number)].descriptor
    fitting = [image.descriptor for image in images if not tag or tag in image.names]
    if not fitting:
        raise NotFound(f"{where} holds no image named {tag!r}",
                       hint=f"it holds {offered}" if names else "its images have no names; @0 is the first")
    if len({descriptor.digest for descriptor in fitting}) > 1:
        raise InvalidInput(f"{where} holds {len(fitting)} images" + (f" named {tag!r}" if tag else ""),
                           hint=f"name one: {offered}" if names and not tag else "@0 names the first, @1 the second")
    return fitting[0]


def called(images: tuple[Named, ...], tag: str) -> tuple[str, ...]:
    """What the image is called that :func:`choose` found: as it was asked for, or, by its place, as the layout says."""
    if not tag.startswith("@"):
        return (tag,)
    name = images[int(tag[1:])].called
    return (name,) if name else ()


def contained(images: tuple[Named, ...], path: str) -> tuple[Contained, ...]:
    """The images in their order, each once with all that it is called."""
    found: dict[str, Contained] = {}
    for number, image in enumerate(images):
        known = found.get(image.descriptor.digest)
        if known is None:
            known = Contained(f"{path}:@{number}", ())
        if image.called and image.called not in known.names:
            known = known._replace(names=(*known.names, image.called))
        found[image.descriptor.digest] = known
    return tuple(found.values())
