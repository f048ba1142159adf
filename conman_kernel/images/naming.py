"""What an image is called in the store."""

from __future__ import annotations

from typing import Iterable

from ..errors import InvalidInput
from ..oci.reference import DEFAULT_SCHEME, DEFAULT_TAG, LOCAL_SCHEMES, Reference, parse


def local_names(texts: Iterable[str]) -> tuple[str, ...]:
    """Whole names, ``domain/path:tag``, for what a person (or an archive) calls an image here.

    A short name is put below ``localhost``, as podman does; ``latest`` where there is no tag.

    :raises InvalidInput: one is no name, is of a local source, or has a digest.
    """
    found: list[str] = []
    for text in texts:
        reference = parse(text)
        if reference.local or reference.digest or reference.scheme != DEFAULT_SCHEME:
            raise InvalidInput(f"{text!r} cannot be the name of an image here", hint="write [REGISTRY/]NAME[:TAG]")
        if reference.short:
            reference = reference._replace(domain="localhost")
        found.append(str(reference.with_default_tag()))
    return tuple(dict.fromkeys(found))


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
