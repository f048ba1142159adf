"""What the store takes, as ``conman system df`` shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..cancel import Cancel
from ..errors import ConmanError, NotFound
from ..record import Record
from ..slots.storage import KeyRequest

if TYPE_CHECKING:
    from ..containers.rows import ContainerRow
    from ..kernel import Conman


class ImageUsage(Record):
    """One image. Sizes are bytes of its layers' uncompressed archives.

    :param created: seconds since the epoch, 0 where the image does not say.
    :param size: of all its layers: ``shared`` of those that other images have, too, ``unique`` of the others.
    :param containers: how many were made from it.
    """

    id: str
    names: tuple[str, ...]
    created: float
    size: int
    shared: int
    unique: int
    containers: int


class ContainerUsage(Record):
    """One container.

    :param image: the name it was made from. ``command``: its command line. ``created``: seconds since the epoch.
    :param size: what its writable layer takes on disk, bytes; of one whose driver cannot say, 0.
    :param volumes: how many volumes it has.
    """

    id: str
    name: str
    image: str
    command: tuple[str, ...]
    created: float
    state: str
    size: int
    volumes: int = 0


class VolumeUsage(Record):
    """One volume. :param links: how many containers have it. :param size: what it takes on disk, bytes."""

    name: str
    links: int
    size: int


class Total(Record):
    """One kind of thing.

    :param kind: see :class:`Usage`. ``total``: how many; ``active``: how many of them are in use.
    :param size: bytes; ``reclaimable``: bytes that a prune of all unused ones would give back.
    """

    kind: str
    total: int
    active: int
    size: int
    reclaimable: int


class Usage(Record):
    """What the store takes.

    :param totals: ``Images`` (each layer once), ``Containers`` (writable layers), ``Local Volumes``, ``Blobs``
        (compressed layers that are kept), ``Partial Content`` (downloads that did not end).
    :param images: each by itself; ``containers`` and ``volumes`` likewise.
    """

    totals: tuple[Total, ...]
    images: tuple[ImageUsage, ...]
    containers: tuple[ContainerUsage, ...]
    volumes: tuple[VolumeUsage, ...] = ()


def usage(conman: Conman, cancel: Cancel) -> Usage:
    """Measure the store. Layers count as large as their uncompressed archives, once for each driver that holds them."""
    from .tidy import partial_bytes

    images = _images(conman)
    containers = _containers(conman, cancel)
    stopped = [container for container in containers if container.state not in ("initialized", "running", "paused")]
    partial, unfinished = partial_bytes(conman.images.parts, remove=False)
    active = {image.id for image in images if image.containers}
    size, needed = _layers(conman, active)
    blobs, count, wanted, used = _blobs(conman, active)
    volumes = _volumes(conman)
    return Usage((
        Total("Images", len(images), len(active), size, size - needed),
        Total("Containers", len(containers), len(containers) - len(stopped), sum(one.size for one in containers),
              sum(one.size for one in stopped)),
        Total("Local Volumes", len(volumes), sum(bool(one.links) for one in volumes), sum(one.size for one in volumes),
              sum(one.size for one in volumes if not one.links)),
        Total("Blobs", count, used, blobs, blobs - wanted),
        Total("Partial Content", unfinished, 0, partial, partial)), images, containers, volumes)


class ContainerSize(Record):
    """What one container takes, bytes.

    :param writable: on disk, by its own layer; 0 where its driver cannot say. ``virtual``: with its image's archives.
    """

    writable: int
    virtual: int


def container_size(conman: Conman, row: ContainerRow, cancel: Cancel) -> ContainerSize:
    """Measure one container; an image that is gone counts nothing."""
    writable = _writable(conman, row, cancel)
    try:
        image = conman.images.get(row.image_id).size if row.image_id else 0
    except NotFound:
        image = 0
    return ContainerSize(writable, writable + image)


def _writable(conman: Conman, row: ContainerRow, cancel: Cancel) -> int:
    try:
        return conman.images.parts.storage(row.storage).usage(KeyRequest(row.id, cancel)).size
    except ConmanError as error:
        cancel.check()
        conman.log.warning("container %s cannot be measured: %s", row.id[:12], error)
        return 0


def _images(conman: Conman) -> tuple[ImageUsage, ...]:
    listed, used = conman.images.list(), conman.images.used()
    created = {image.id: image.created for image in listed}
    return tuple(ImageUsage(image.id, image.names, created[image.id], image.size, image.shared, image.unique,
                            used.get(image.id, 0)) for image in conman.images.tree(listed).images)


def _containers(conman: Conman, cancel: Cancel) -> tuple[ContainerUsage, ...]:
    found = []
    for container in conman.containers.list(all=True):
        row = container.row
        size = _writable(conman, row, cancel)
        command = row.parsed_options().command or row.image_parts().cmd
        found.append(ContainerUsage(row.id, row.name, row.image_name, tuple(command), row.created, row.state, size,
                                    sum(mount.type == "volume" for mount in row.parsed_options().mounts)))
    return tuple(found)


def _volumes(conman: Conman) -> tuple[VolumeUsage, ...]:
    from ..volumes import rows

    with conman.volumes.parts.database.read() as db:
        users = rows.users(db)
    return tuple(VolumeUsage(volume.name, len(users.get(volume.name, ())), conman.volumes.size(volume.record))
                 for volume in conman.volumes.list())


def _layers(conman: Conman, active: set[str]) -> tuple[int, int]:
    """Bytes of all layers, and of those that images with containers, or containers by themselves, stand on."""
    with conman.images.parts.database.read() as db:
        layers = db.execute("SELECT driver, chain_id, parent, size FROM layers").fetchall()
        of = db.execute("SELECT image_id, chain_id FROM image_layers").fetchall()
        tops = {(row[0], row[1]) for row in db.execute("SELECT storage, image_chain_id FROM containers")}
    needed = {chain_id for image_id, chain_id in of if image_id in active}
    parents = {(row[0], row[1]): row[2] for row in layers}
    standing = list(tops)
    while standing:
        driver, chain_id = standing.pop()
        parent = parents.get((driver, chain_id))
        if parent and (driver, parent) not in tops:
            tops.add((driver, parent))
            standing.append((driver, parent))
    return (sum(row[3] for row in layers),
            sum(row[3] for row in layers if row[1] in needed or (row[0], row[1]) in tops))


def _blobs(conman: Conman, active: set[str]) -> tuple[int, int, int, int]:
    """Bytes and number of kept blobs, and bytes and number of those that images with containers have."""
    with conman.images.parts.database.read() as db:
        sizes = dict(db.execute("SELECT digest, size FROM blobs").fetchall())
        of = db.execute("SELECT image_id, blob_digest FROM image_layers").fetchall()
    needed = {digest for image_id, digest in of if image_id in active and digest in sizes}
    return sum(sizes.values()), len(sizes), sum(sizes[digest] for digest in needed), len(needed)
