"""What callers get from the image service."""

from __future__ import annotations

from typing import Literal

from ..oci.digest import chain_ids
from ..oci.image_config import ImageConfig, parse_config
from ..record import Record
from ..store.image_rows import document
from ..store.sqlite import sqlite3


class ImageRecord(Record):
    """What the index says of one image.

    :param id: hexadecimal digest of its configuration, 64 digits.
    :param names: ``docker.io/library/alpine:latest`` and the like, sorted; without a name and without digests
        an image is dangling.
    :param digests: ``repository@digest``, sorted; only of repositories where it has a name, or was pulled by digest.
    :param digest: its manifest's digest.
    :param created: seconds since the epoch, 0 where the image does not say.
    :param size: bytes of its layers' uncompressed archives.
    :param platform: ``os/architecture[/variant]``.
    :param top_chain_id: the name of the snapshot that containers start from; empty for an image without layers.
    :param storage: the storage driver that holds its layers.
    :param config_json: the configuration as it was pulled.
    """

    id: str
    names: tuple[str, ...]
    digests: tuple[str, ...]
    digest: str
    created: float
    pulled: float
    size: int
    platform: str
    top_chain_id: str
    storage: str
    config_json: bytes

    @property
    def config(self) -> ImageConfig:
        """The parsed configuration. Parsed on every access: keep it."""
        return parse_config(self.config_json, f"the configuration of image {self.id[:12]}")

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers' chain ids, lowest first."""
        return chain_ids(self.config.diff_ids)


class Progress(Record):
    """One step of a pull or of a copy.

    :param kind: ``resolving`` once; then per layer ``exists``, or ``downloading`` (many), ``downloaded``, ``unpacking``
        (many), ``unpacked``; at last ``done``. Of a copy per blob ``exists``, ``mounted`` (linked from another repository), or
        ``sending`` (many), ``sent``; ``done`` per image.
    :param digest: the layer's blob; of ``done`` the image's id; of ``resolving`` empty.
    :param current: bytes of the blob so far.
    :param total: bytes of the blob.
    """

    kind: Literal["resolving", "downloading", "downloaded", "exists", "unpacking", "unpacked", "sending", "sent", "mounted",
                  "done"]
    digest: str
    current: int = 0
    total: int = 0


class RemoveReport(Record):
    """What :meth:`~.service.Images.remove` did.

    :param untagged: names that were taken away; of an image that has none, its ``repository@digest``.
    :param deleted: ids of images that are gone.
    """

    untagged: tuple[str, ...]
    deleted: tuple[str, ...]


def image_of(row: sqlite3.Row, default_storage: str) -> ImageRecord:
    """The record of one row of :mod:`conman_kernel.store.image_rows`.

    :param default_storage: the driver to name where it holds the layers, or where there are none.
    """
    drivers = _lines(row["drivers"])
    storage = default_storage if default_storage in drivers or not drivers else drivers[0]
    return ImageRecord(
        id=row["id"], names=_lines(row["names"]), digests=_lines(row["digests"]), digest=row["manifest_digest"],
        created=row["created"], pulled=row["pulled"], size=row["size"], platform=row["platform"],
        top_chain_id=row["top_chain_id"], storage=storage, config_json=document(row["config"]))


def _lines(text: str | None) -> tuple[str, ...]:
    return tuple(sorted(text.split("\n"))) if text else ()
