"""Descriptors: type, digest and size of some content (OCI image-spec v1.1, ``descriptor.md``)."""

from __future__ import annotations

from ..errors import InvalidInput
from ..record import Record
from . import digest as digests
from .documents import as_object, get_int, get_map, get_str
from .platform import Platform, normalise


class Descriptor(Record):
    """What some content is, without the content.

    :param media_type: such as ``application/vnd.oci.image.manifest.v1+json``.
    :param digest: ``sha256:<64 hex>``; validated by whoever parsed it, so it is safe as a file name after the colon.
    :param size: bytes; -1 where it is not known.
    :param platform: which platform a manifest inside an index is for.
    """

    media_type: str
    digest: str
    size: int
    platform: Platform | None = None


def parse_descriptor(value: object, what: str) -> Descriptor:
    """Read a descriptor out of a document.

    :param value: the JSON value.
    :param what: names it in error messages, such as ``layer 3 of the manifest``.
    :raises InvalidInput: no object, no digest, a size that is missing or negative.
    """
    obj = as_object(value, what)
    try:
        digest = digests.parse(get_str(obj, "digest", what))
    except InvalidInput as error:
        raise InvalidInput(f"{what}: {error.message}", hint=error.hint) from None
    size = get_int(obj, "size", what, default=-1)
    if size < 0:
        raise InvalidInput(f"{what}: 'size' is missing or negative")
    platform = _platform(obj.get("platform"), f"{what}: platform")
    return Descriptor(get_str(obj, "mediaType", what), digest, size, platform)


def descriptor_json(descriptor: Descriptor) -> dict[str, object]:
    """The descriptor as the JSON object that the specification describes."""
    obj: dict[str, object] = {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size}
    if descriptor.platform is not None:
        fields = {"os": descriptor.platform.os, "architecture": descriptor.platform.architecture}
        if descriptor.platform.variant:
            fields["variant"] = descriptor.platform.variant
        obj["platform"] = fields
    return obj


def _platform(value: object, what: str) -> Platform | None:
    if value is None:
        return None
    obj = get_map({"platform": value}, "platform", what)
    system, machine, variant = (get_str(obj, key, what) for key in ("os", "architecture", "variant"))
    return normalise(Platform(system, machine, variant))
