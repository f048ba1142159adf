"""What a check of the store finds."""

from __future__ import annotations

from typing import Literal

from ..record import Record

Kind = Literal[
    "blob-altered", "blob-missing", "blob-unknown", "container-folder", "container-layer", "container-snapshot",
    "container-stale", "image-incomplete", "image-mount", "index-damaged", "layer-altered", "layer-missing", "layer-unused",
    "layer-unverified", "lease-dead", "mount-orphaned", "network-left", "partial-stale", "row-dangling", "snapshot-left",
    "snapshot-unknown", "storage-unusable", "volume-left", "volume-missing"]
"""docs/command-line.md says of each what it means and how it is repaired."""


class Finding(Record):
    """One thing that is not as it should be.

    :param kind: which sort of thing.
    :param subject: what: a digest, ``DRIVER CHAINID``, an id, a path.
    :param detail: what is wrong with it, for a person.
    :param repair: what a repair does about it; empty where nothing can be done.
    """

    kind: Kind
    subject: str
    detail: str
    repair: str


class Repaired(Record):
    """One thing that a repair did, for a person; ``failed`` says why it could not be done."""

    finding: Finding
    done: str
    failed: str = ""


class CheckReport(Record):
    """What a check found and a repair did.

    :param findings: all that was found at first.
    :param repaired: what was done about it, in order; empty without a repair.
    :param remaining: what is still there: without a repair all of ``findings``.
    :param verified: how many layers were compared with their blobs, entry by entry.
    :param unchecked: what was not looked at, for a person.
    """

    findings: tuple[Finding, ...]
    repaired: tuple[Repaired, ...]
    remaining: tuple[Finding, ...]
    verified: int = 0
    unchecked: tuple[str, ...] = ()
