"""Names given to images that are here, and taken away again."""

from __future__ import annotations

import time
from typing import Sequence

from ..errors import InvalidInput, NotFound
from ..oci.reference import parse
from ..store import image_rows
from ..store.sqlite import sqlite3
from .lookup import LOCALHOST, names_of
from .parts import Parts
from .records import ImageRecord


def full_name(text: str) -> str:
    """The whole name that a person's words give an image: below ``localhost`` where they name no registry, ``:latest``
    where they have no tag.

    :raises InvalidInput: they are no name, or hold a digest: that is the image's own and cannot be chosen.
    """
    reference = parse(text)
    if reference.local:
        raise InvalidInput(f"{text}: an image cannot be called that", hint="a name is [domain/]path[:tag]")
    if reference.digest:
        raise InvalidInput(f"{text}: a name cannot hold a digest", hint="leave out what begins with @")
    named = reference._replace(domain=LOCALHOST) if reference.short else reference
    return str(named.with_default_tag())


def tag(parts: Parts, image: ImageRecord, names: Sequence[str]) -> None:
    """Give an image names, all or none of them. One that points elsewhere moves. Errors as :meth:`.service.Images.tag`."""
    wanted = [full_name(name) for name in names]
    now = time.time()
    with parts.database.write() as db:
        if image_rows.config_of(db, image.id) is None:
            raise NotFound(f"{image.id}: image not known", hint="it was removed just now")
        for name in wanted:
            image_rows.put_name(db, name, image.id, image.digest, now)
            if image.digest:
                image_rows.put_digest(db, parse(name).repository, image.digest, image.id)
    for name in wanted:
        parts.tell("image", "tag", image.id, name)


def untag(parts: Parts, image: ImageRecord, names: Sequence[str]) -> None:
    """Take names away, all where none is given. Errors as :meth:`.service.Images.untag`; nothing was done then."""
    with parts.database.write() as db:
        known = _names(db, image.id)
        if not names:
            # Also by digest alone nobody finds it any more: it is dangling, as with podman.
            db.execute("DELETE FROM image_digests WHERE image_id = ?", (image.id,))
        meant = [_meant(parts, name, known) for name in names] or known
        for name in meant:
            image_rows.remove_name(db, name)
    for name in meant:
        parts.tell("image", "untag", image.id, name)


def told_gone(parts: Parts, image: ImageRecord) -> None:
    """Tell that an image was removed: each of its names, then itself (podman's order)."""
    for name in image.names:
        parts.tell("image", "untag", image.id, name)
    parts.tell("image", "remove", image.id, image.names[0] if image.names else "")


def _names(db: sqlite3.Connection, image_id: str) -> list[str]:
    return [row[0] for row in db.execute("SELECT name FROM image_names WHERE image_id = ? ORDER BY name", (image_id,))]


def _meant(parts: Parts, text: str, known: Sequence[str]) -> str:
    """Which of an image's names a person means; looked for as in :mod:`.lookup`."""
    reference = parse(text)
    if not reference.digest:
        for name in names_of(reference, parts):
            if name in known:
                return name
        ending = f"/{reference.with_default_tag()}"
        for name in known:
            if reference.short and name.endswith(ending):
                return name
    raise NotFound(f"{text}: tag not known", hint=f"it is called {', '.join(known)}" if known else "the image has no name")
