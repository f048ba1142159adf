"""The manifests that an archive of today's ``docker save`` has beside Docker's list: it is an OCI layout at the same time.

Where there is one with the same configuration and all of its layers, it is what the image is found by, and digests are
preserved. Whatever is odd about them is passed over: ``manifest.json`` alone describes the image, too.
"""

from __future__ import annotations

from typing import Callable, Mapping

from conman_kernel.errors import InvalidInput, NotFound
from conman_kernel.oci import digest as digests
from conman_kernel.oci.descriptor import Descriptor, parse_descriptor
from conman_kernel.oci.documents import get_list, parse_object
from conman_kernel.oci.manifest import Index, parse_manifest
from conman_kernel.oci.media_types import is_manifest_or_index
from conman_kernel.record import Record

MAX_DOCUMENTS = 4096
MAX_BYTES = 64 << 20
MAX_NESTING = 4


class Original(Record):
    """A manifest as it was pulled or built.

    :param members: the digest of each of its parts, and the member that holds it.
    """

    descriptor: Descriptor
    content: bytes
    members: Mapping[str, str]


def originals(read: Callable[[str], bytes], has: Callable[[str], bool]) -> Mapping[str, Original]:
    """By the digest of their configuration.

    :param read: a member's bytes; raises NotFound.
    :param has: whether there is such a member.
    """
    found: dict[str, Original] = {}
    try:
        listed = get_list(parse_object(read("index.json"), "index.json"), "manifests", "index.json")
        waiting = [(parse_descriptor(item, "index.json"), 0) for item in listed[:MAX_DOCUMENTS]]
    except (InvalidInput, NotFound):
        return found
    documents = size = 0
    while waiting and documents < MAX_DOCUMENTS and size < MAX_BYTES:
        descriptor, depth = waiting.pop()
        documents += 1
        try:
            data = _document(read, descriptor)
            size += len(data)
            parsed = parse_manifest(data, descriptor.media_type, "a manifest")
        except (InvalidInput, NotFound):
            continue
        if isinstance(parsed, Index):
            if depth < MAX_NESTING:
                waiting += [(entry, depth + 1) for entry in parsed.manifests[:MAX_DOCUMENTS]]
            continue
        members = {part.digest: member(part.digest) for part in (parsed.config, *parsed.layers)}
        if all(has(name) for name in members.values()):
            found[parsed.config.digest] = Original(
                Descriptor(parsed.media_type, descriptor.digest, len(data)), data, members)
    return found


def member(digest: str) -> str:
    """The member that holds a blob."""
    return "blobs/" + "/".join(digests.split(digest))


def _document(read: Callable[[str], bytes], descriptor: Descriptor) -> bytes:
    if not is_manifest_or_index(descriptor.media_type):
        raise InvalidInput("no manifest")
    data = read(member(descriptor.digest))
    if digests.digest_of(data, digests.split(descriptor.digest)[0]) != descriptor.digest:
        raise InvalidInput("another document")
    return data
