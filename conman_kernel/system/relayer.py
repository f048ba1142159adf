"""Blobs fetched again, layers unpacked again; with force, images that cannot be had again go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

from ..cancel import Cancel
from ..errors import ConmanError, InvalidState, NotFound
from ..images import leases
from ..images.collection import release
from ..images.fetch import Source
from ..images.leases import Items
from ..images.placing import Origin, place
from ..oci.descriptor import Descriptor
from ..store import image_rows
from .verify import forget_layers

if TYPE_CHECKING:
    from ..images.parts import Parts
    from ..kernel import Conman


def refetch(conman: Conman, digest: str, *, force: bool, cancel: Cancel) -> str:
    """Have a blob again from any registry that one of its images came from; one that no image needs is forgotten.

    :param force: a blob that nobody has any more is forgotten: its layers stay, and so do the images.
    :raises ConmanError: of the last registry that was asked.
    """
    parts = conman.images.parts
    with parts.database.read() as db:
        needed = db.execute("SELECT DISTINCT image_id, blob_size, media_type FROM image_layers WHERE blob_digest = ?",
                            (digest,)).fetchall()
    failed: ConmanError = NotFound("no image needs it")
    for image_id, size, media_type in needed:
        try:
            _fetch(parts, conman, image_id, Descriptor(media_type, digest, size), cancel)
        except ConmanError as error:
            cancel.check()
            failed = error
            continue
        with parts.database.write() as db:
            image_rows.put_blobs(db, [(digest, size, media_type)])
        return "fetched again"
    if needed and not force:
        raise failed
    with parts.database.write() as db:
        image_rows.remove_blobs(db, [digest])
    parts.blobs.remove(digest)
    return "forgotten: it cannot be had again" if needed else "forgotten"


def _fetch(parts: Parts, conman: Conman, image_id: str, descriptor: Descriptor, cancel: Cancel) -> None:
    with parts.database.write() as db:
        lease = leases.take(db, "repair", Items(blobs=(descriptor.digest,)))
    try:
        if not parts.blobs.verify(descriptor, cancel):
            source = Source(Origin(parts, conman.images.get(image_id).record), "")
            source.blob(parts.blobs, descriptor, cancel, lambda done: None)
    finally:
        release(parts, [lease], Cancel(), interrupted=True)


def restore(conman: Conman, driver: str, chain_id: str, *, force: bool, cancel: Cancel) -> str:
    """Unpack a layer again that a driver has lost. A row that no image needs is forgotten."""
    parts = conman.images.parts
    with parts.database.read() as db:
        users = [row[0] for row in db.execute("SELECT DISTINCT image_id FROM image_layers WHERE chain_id = ?", (chain_id,))]
    if not users:
        with parts.database.write() as db:
            image_rows.remove_layers(db, [(driver, chain_id)])
        return "forgotten: no image needs it"
    return _first(users, lambda image_id: complete(conman, image_id, driver, force=force, cancel=cancel), cancel)


def complete(conman: Conman, image_id: str, driver: str, *, force: bool, cancel: Cancel) -> str:
    """Have all layers of an image in a driver, from kept blobs or its registry.

    :param driver: empty: where most of it is, else the default one.
    :param force: an image that cannot be had again goes, with its containers.
    """
    parts = conman.images.parts
    try:
        record = conman.images.get(image_id).record
    except NotFound:
        return ""  # somebody removed it meanwhile
    if not driver:
        with parts.database.read() as db:
            found = db.execute("SELECT l.driver, count(*) AS layers FROM image_layers i JOIN layers l ON l.chain_id = i.chain_id "
                               "WHERE i.image_id = ? GROUP BY l.driver ORDER BY layers DESC LIMIT 1", (image_id,)).fetchone()
        driver = found[0] if found else parts.default_storage
    try:
        place(parts._replace(default_storage=driver), record, cancel)
    except ConmanError:
        cancel.check()
        if not force:
            raise
        return _remove(conman, image_id, cancel)
    _mend_top(parts, image_id)
    return "unpacked again"


def renew(conman: Conman, driver: str, chain_id: str, *, force: bool, cancel: Cancel) -> str:
    """Replace an altered layer and all above it.

    :param force: the containers on it are removed first.
    :raises InvalidState: containers stand on it.
    """
    parts = conman.images.parts
    with parts.database.read() as db:
        users = [row[0] for row in db.execute("SELECT DISTINCT image_id FROM image_layers WHERE chain_id = ?", (chain_id,))]
        on_it = {id: name for image_id in users for id, name in image_rows.users(db, image_id)}
    if on_it and not force:
        raise InvalidState(f"containers stand on it: {', '.join(on_it.values())}", hint="remove them, or all with --force")
    for id in on_it:
        conman.containers.get(id).remove(force=True, cancel=cancel)
    forget_layers(parts, driver, [chain_id], cancel)
    for image_id in users:
        complete(conman, image_id, driver, force=force, cancel=cancel)
    return "made again"


def _remove(conman: Conman, image_id: str, cancel: Cancel) -> str:
    holders = conman.images.users(image_id)
    for id, _ in holders:
        conman.containers.get(id).remove(force=True, cancel=cancel)
    conman.images.remove(image_id, force=True, cancel=cancel)
    return "the image was removed" + (f", with {len(holders)} containers" if holders else "")


def _mend_top(parts: Parts, image_id: str) -> None:
    with parts.database.write() as db:
        layers = image_rows.layers_of(db, image_id)
        db.execute("UPDATE images SET top_chain_id = ? WHERE id = ?", (layers[-1].chain_id if layers else "", image_id))


def _first(users: list[str], work: Callable[[str], str], cancel: Cancel) -> str:
    """What the first that succeeds says; otherwise the first one's error."""
    failed: ConmanError | None = None
    for user in users:
        try:
            return work(user)
        except ConmanError as error:
            cancel.check()
            failed = failed or error
    raise failed or NotFound("nothing needs it")
