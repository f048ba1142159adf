"""The options of a transport that reads archives from pipes, or packed ones."""

from __future__ import annotations

from typing import ClassVar, Mapping

from ...record import Record


class _Keys(Record):
    spool_limit: int = 64 << 30


class SpoolOptions(_Keys):
    """What a table ``[plugin.NAME]`` of such a transport knows."""

    __slots__ = ()
    DOCS: ClassVar[Mapping[str, str]] = {
        "spool_limit": "bytes that an archive from a pipe, or a compressed one, may have once it is unpacked",
    }
