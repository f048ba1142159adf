"""What a pulled image is called."""

from __future__ import annotations

from ..errors import InvalidInput
from ..oci.reference import DEFAULT_TAG, LOCAL_SCHEMES, Reference, parse


def naming(reference: Reference) -> tuple[str, tuple[str, ...]]:
    """What an image is called after it was pulled: its repository, and its name with a tag.

    A registry's reference with a digest gives no name. A local source's image is called as in the source, below
    ``localhost/`` where that names no registry; without any name there it stays unnamed. Podman does the same.
    """
    if not reference.local:
        if reference.digest:
            return reference.repository, ()
        return reference.repository, (str(reference._replace(scheme="docker")),)
    if not reference.tag:
        return "", ()
    try:
        named = parse(reference.tag)
    except InvalidInput:
        return "", ()
    if named.local or named.scheme in LOCAL_SCHEMES:
        return "", ()
    if named.short:
        named = named._replace(domain="localhost")
    tagged = named._replace(digest="", tag=named.tag or DEFAULT_TAG)
    return tagged.repository, (str(tagged),)
