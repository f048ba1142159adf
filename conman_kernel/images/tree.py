"""Who shares which layers."""

from __future__ import annotations

from typing import Sequence

from ..record import Record
from .parts import Parts
from .records import ImageRecord


class TreeLayer(Record):
    """One layer, by chain id.

    :param parent: the chain id of the layer below; empty for the lowest.
    :param diff_id: the digest of its uncompressed archive; ``size``: the bytes of that.
    :param users: ids of all images in the store that stand on it, sorted.
    :param tops: ids of those whose topmost layer it is, sorted.
    """

    chain_id: str
    parent: str
    diff_id: str
    size: int
    users: tuple[str, ...]
    tops: tuple[str, ...]


class TreeImage(Record):
    """One image and its layers, lowest first.

    :param id: as :attr:`.Image.id`; ``names`` likewise.
    :param size: bytes of all its layers; ``shared`` of those that other images stand on, too.
    """

    id: str
    names: tuple[str, ...]
    size: int
    shared: int
    layers: tuple[TreeLayer, ...]

    @property
    def unique(self) -> int:
        """Bytes of the layers that no other image has."""
        return self.size - self.shared


class ImageTree(Record):
    """The images that were asked about, and ``layers``: each of theirs once, lowest first."""

    images: tuple[TreeImage, ...]
    layers: tuple[TreeLayer, ...]


def tree(parts: Parts, images: Sequence[ImageRecord]) -> ImageTree:
    """The layers of some images, and who else in the store stands on each.

    One read of the index, whatever the number of images.
    """
    with parts.database.read() as db:
        rows = db.execute("SELECT image_id, chain_id, diff_id FROM image_layers ORDER BY image_id, position").fetchall()
        sizes: dict[str, int] = dict(db.execute("SELECT chain_id, max(size) FROM layers GROUP BY chain_id").fetchall())
    stacks: dict[str, list[tuple[str, str]]] = {}
    users: dict[str, list[str]] = {}
    tops: dict[str, list[str]] = {}
    for image_id, chain_id, diff_id in rows:
        stacks.setdefault(image_id, []).append((chain_id, diff_id))
        users.setdefault(chain_id, []).append(image_id)
    for image_id, stack in stacks.items():
        tops.setdefault(stack[-1][0], []).append(image_id)
    layers: dict[str, TreeLayer] = {}
    found: list[TreeImage] = []
    for image in images:
        stack = stacks.get(image.id, [])
        for number, (chain_id, diff_id) in enumerate(stack):
            layers.setdefault(chain_id, TreeLayer(
                chain_id, stack[number - 1][0] if number else "", diff_id, sizes.get(chain_id, 0),
                tuple(dict.fromkeys(users[chain_id])), tuple(tops.get(chain_id, ()))))
        own = tuple(layers[chain_id] for chain_id, _ in stack)
        found.append(TreeImage(image.id, image.names, sum(layer.size for layer in own),
                               sum(layer.size for layer in own if len(layer.users) > 1), own))
    return ImageTree(tuple(found), tuple(layers.values()))
