"""From what a person wrote to an image in the store: a name, a short name, an id or part of one, a digest."""

from __future__ import annotations

from ..errors import InvalidInput
from ..oci import digest as digests
from ..oci.reference import Reference, parse
from ..store import image_rows
from ..store.sqlite import sqlite3
from .naming import naming
from .parts import Parts

LOCALHOST = "localhost"
"""The domain of images that were made here; a short name is looked for there first, as with podman."""


def find(db: sqlite3.Connection, text: str, parts: Parts) -> sqlite3.Row | None:
    """The row of the image that is meant, or None.

    Tried in order: a full id, the name itself, a short name below ``localhost`` and each of ``short_names``, the digits
    an id begins with, and the end of a name (``alpine`` for ``quay.io/x/alpine:latest``).

    :raises InvalidInput: no reference and no id, or several images fit.
    """
    digits = text.removeprefix("sha256:")
    if len(digits) == 64 and digests.is_hex(digits):
        whole = image_rows.by_id_prefix(db, digits, 1)
        return whole[0] if whole else image_rows.by_any_digest(db, f"sha256:{digits}")
    if digits != text and digests.is_hex(digits):
        return _by_prefix(db, digits)
    reference = parse(text)
    found = _by_name(db, reference, parts)
    if found is None and digests.is_hex(text):
        found = _by_prefix(db, text)
    if found is None and reference.short:
        found = _by_tail(db, reference)
    return found


def by_id(text: str) -> bool:
    """True where ``text`` can only be an id (or part of one), or is at least not written as a name."""
    return digests.is_hex(text.removeprefix("sha256:"))


def names_of(reference: Reference, parts: Parts) -> list[str]:
    """The full names that a reference may mean here, in order."""
    if reference.local:
        return list(naming(reference)[1])
    if not reference.short:
        return [str(reference.with_default_tag())]
    here = reference._replace(domain=LOCALHOST).with_default_tag()
    return [str(candidate) for candidate in (here, *(reference.expand(parts.short_names) if parts.short_names else ()))]


def _by_name(db: sqlite3.Connection, reference: Reference, parts: Parts) -> sqlite3.Row | None:
    if reference.digest:
        places = [parse(name).repository for name in names_of(reference, parts)]
        return image_rows.by_digest(db, places, reference.digest) if places else None
    names = names_of(reference, parts)
    return image_rows.by_names(db, names) if names else None


def _by_prefix(db: sqlite3.Connection, prefix: str) -> sqlite3.Row | None:
    found = image_rows.by_id_prefix(db, prefix)
    if len(found) > 1:
        raise InvalidInput(f"{prefix} begins the ids of several images", hint="write more of the id")
    return found[0] if found else None


def _by_tail(db: sqlite3.Connection, reference: Reference) -> sqlite3.Row | None:
    if reference.digest:
        return None
    found = image_rows.by_name_tail(db, str(reference.with_default_tag()))
    if len({row["id"] for row in found}) > 1:
        names = sorted({name for row in found for name in row["names"].split("\n")})
        raise InvalidInput(f"{reference} may be several images: {', '.join(names[:5])}", hint="write the whole name")
    return found[0] if found else None
