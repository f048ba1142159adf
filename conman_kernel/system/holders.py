"""Which storage drivers hold what, as ``conman storage ls`` shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..cancel import Cancel
from ..errors import ConmanError
from ..record import Record
from ..slots.storage import KeyRequest
from .facts import drivers_of

if TYPE_CHECKING:
    from ..kernel import Conman


class Holder(Record):
    """One storage driver.

    :param default: new containers and pulls go there.
    :param images: whose layers it holds all; ``layers`` of images, each once; ``containers`` with their file system there.
    :param size: bytes on disk of layers and containers; what they share counts once where the driver can tell.
    :param problem: why the driver cannot be asked on this host; then ``size`` is 0.
    """

    name: str
    default: bool
    images: int
    layers: int
    containers: int
    size: int
    problem: str = ""


def holders(conman: Conman, cancel: Cancel) -> tuple[Holder, ...]:
    """See :meth:`.service.System.storage`."""
    parts = conman.images.parts
    with parts.database.read() as db:
        layers = db.execute("SELECT driver, chain_id FROM layers").fetchall()
        of = db.execute("SELECT image_id, chain_id FROM image_layers").fetchall()
        containers = [row[0] for row in db.execute("SELECT storage FROM containers WHERE state <> 'creating'")]
    chains: dict[str, set[str]] = {}
    for image_id, chain_id in of:
        chains.setdefault(image_id, set()).add(chain_id)
    found = []
    for name in sorted({*drivers_of(conman), parts.default_storage}):
        held = {chain_id for driver, chain_id in layers if driver == name}
        size, problem = _size(conman, name, cancel)
        found.append(Holder(name, name == parts.default_storage, sum(chain <= held for chain in chains.values()), len(held),
                            containers.count(name), size, problem))
    return tuple(one for one in found if one.default or one.layers or one.containers or one.size)


def _size(conman: Conman, name: str, cancel: Cancel) -> tuple[int, str]:
    size = 0
    try:
        driver = conman.images.parts.storage(name)
        for info in driver.walk(cancel):
            size += driver.usage(KeyRequest(info.name, cancel)).size
    except ConmanError as error:
        cancel.check()
        return 0, error.message
    return size, ""
