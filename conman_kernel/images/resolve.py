"""From what a person wrote to one image for one platform: reference, manifest, configuration; all verified."""

from __future__ import annotations

import os
from typing import Callable

from ..cancel import Cancel
from ..errors import ConmanError, DigestMismatch, InvalidInput, NotFound, Unauthorized
from ..oci.descriptor import Descriptor
from ..oci.manifest import Index, Manifest, parse_manifest, select
from ..oci.media_types import layer_compression
from ..oci.platform import Platform
from ..oci.reference import Reference, parse
from ..record import Record
from ..slots.provider import Access
from ..slots.transport import ResolveRequest
from .fetch import Source
from .naming import naming
from .parts import Parts

MAX_NESTING = 4
"""How many indexes may lie within each other."""


class Found(Record):
    """An image at its source.

    :param reference: what was asked for, expanded; ``names`` are what it will be called (``repository:tag``, none for
        a digest) and ``repository`` under which its digests are known (empty for an unnamed local source).
    :param target: what the reference resolved to: an index or a manifest.
    :param descriptor: of ``manifest``, whose bytes are ``document``.
    """

    source: Source
    reference: Reference
    repository: str
    names: tuple[str, ...]
    target: Descriptor
    descriptor: Descriptor
    manifest: Manifest
    document: bytes


class Target(Record):
    """What a reference resolved to, nothing fetched yet but what the transport gave unasked."""

    source: Source
    reference: Reference
    descriptor: Descriptor
    content: bytes | None


def expand(text: str, parts: Parts) -> tuple[Reference, ...]:
    """The references that a person's words may mean, in order. A relative path of a local source becomes absolute.

    :raises InvalidInput: they are no reference.
    """
    reference = parse(text)
    if reference.local:
        return (reference._replace(path=os.path.abspath(reference.path)),)
    return reference.expand(parts.short_names)


def resolve(text: str, parts: Parts, access: Access, cancel: Cancel, known: Callable[[Reference], str] | None = None) -> Target:
    """Ask the transport what a reference points at; a short name is looked for in each place, in order.

    :param known: the digest that a reference had before, where its content need not come again; empty: none.
    :raises ConmanError: as :mod:`conman_kernel.slots.transport` says; for a short name, of the first place that refused
        for another reason than not having it, else of the last.
    """
    candidates = expand(text, parts)
    failed: ConmanError | None = None
    for reference in candidates:
        cancel.check()
        transport = parts.transport(reference.scheme, access)
        try:
            found = transport.resolve(ResolveRequest(reference.location, cancel, known(reference) if known else ""))
        except (NotFound, Unauthorized) as error:
            if failed is None or isinstance(failed, NotFound):
                failed = error
            continue
        if reference.digest and found.descriptor.digest != reference.digest:
            raise DigestMismatch(f"{reference} was answered with {found.descriptor.digest}")
        return Target(Source(transport, reference.location), reference, found.descriptor, found.content)
    assert failed is not None
    raise failed


def fetch_manifest(target: Target, platform: Platform, cancel: Cancel) -> Found:
    """Fetch and verify documents down to the manifest for one platform.

    :raises NotFound: the index has nothing for the platform.
    :raises InvalidInput: a document is no image's.
    :raises DigestMismatch: a document is not what its descriptor says.
    """
    reference, source = target.reference, target.source
    descriptor, content = target.descriptor, target.content
    for _ in range(MAX_NESTING):
        what = f"the manifest of {reference}"
        data = source.document(descriptor, what, cancel, content)
        parsed = parse_manifest(data, descriptor.media_type, what)
        if isinstance(parsed, Manifest):
            for layer in parsed.layers:
                layer_compression(layer.media_type)
            repository, names = naming(reference)
            return Found(source, reference, repository, names, target.descriptor, descriptor._replace(size=len(data)),
                         parsed, data)
        descriptor, content = _step(parsed, platform, reference), None
    raise InvalidInput(f"{reference} is an index within an index, more than {MAX_NESTING} deep")


def _step(index: Index, platform: Platform, reference: Reference) -> Descriptor:
    chosen = select(index, platform, str(reference))
    return chosen._replace(platform=None)
