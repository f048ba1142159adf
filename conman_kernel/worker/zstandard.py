"""zstd, by ``compression.zstd`` (Python 3.14) or ``backports.zstd``, whichever there is.

Bounds follow the format's own advice and what other readers of layers do: RFC 8878 (section 3.1.1.1.2) recommends that
a decoder supports windows of at least 8 MiB and lets it refuse more; the reference decoder refuses more than 128 MiB, and so
does this one, because a window is memory.
"""

from __future__ import annotations

from importlib import import_module
from typing import Mapping, Protocol

from .failure import Failed

WINDOW_LOG = 27
MAGIC = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = b"\x2a\x4d\x18"
_NAMES = ("compression.zstd", "backports.zstd")


class Decompressor(Protocol):
    """One frame's."""

    @property
    def unused_data(self) -> bytes: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def eof(self) -> bool: ...
    def decompress(self, data: memoryview, max_length: int) -> bytes: ...


class Compressor(Protocol):
    """One frame's."""

    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


class _Parameters(Protocol):
    @property
    def compression_level(self) -> int: ...
    @property
    def checksum_flag(self) -> int: ...
    @property
    def window_log(self) -> int: ...
    @property
    def window_log_max(self) -> int: ...


class Module(Protocol):
    """What is used of the module."""

    @property
    def ZstdError(self) -> type[Exception]: ...
    @property
    def CompressionParameter(self) -> _Parameters: ...
    @property
    def DecompressionParameter(self) -> _Parameters: ...
    def ZstdDecompressor(self, *, options: Mapping[int, int]) -> Decompressor: ...
    def ZstdCompressor(self, *, options: Mapping[int, int]) -> Compressor: ...


def is_zstd(data: bytes) -> bool:
    """True where ``data`` begins a zstd stream: a frame, or a skippable one."""
    return data.startswith(MAGIC) or skippable(data) > 0


def skippable(head: bytes) -> int:
    """The bytes of the skippable frame that begins with ``head``; 0 where none does."""
    if head[1:4] != _SKIPPABLE or not 0x50 <= head[0] <= 0x5F:
        return 0
    return 8 + int.from_bytes(head[4:8], "little")


def module() -> Module:
    """The module there is.

    :raises Failed: there is none; the hint says what to install.
    """
    for name in _NAMES:
        try:
            found: Module = import_module(name)
        except ImportError:
            continue
        return found
    raise Failed("zstd needs a package that is not installed", "pip install 'conman[standard]'")


def decompressor(zstd: Module) -> Decompressor:
    """For one frame; its window is bounded."""
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: WINDOW_LOG})


def compressor(level: int) -> Compressor:
    """One frame, with its checksum. The same data gives the same bytes.

    :raises Failed: see :func:`module`.
    """
    zstd = module()
    return zstd.ZstdCompressor(options={zstd.CompressionParameter.compression_level: level,
                                        zstd.CompressionParameter.checksum_flag: 1})
