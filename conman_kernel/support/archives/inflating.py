"""Compressed archives: gzip, bzip2, xz, zstd, each also in several members one after the other. Memory is bounded."""

from __future__ import annotations

from typing import Callable, Iterator, NamedTuple, Protocol

from ...errors import InvalidInput, Unavailable

CHUNK = 1 << 20
MAX_MEMORY = 256 << 20
"""Bytes that an xz archive may ask for; ``xz -9`` asks for 65 MiB."""

_MAGICS = ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\x00", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"))
HEAD = 6
"""Bytes that :func:`packing` wants to see."""


class _Unpacker(Protocol):
    """One member; the form of ``bz2.BZ2Decompressor``, which the other modules share."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Packing(NamedTuple):
    make: Callable[[], _Unpacker]
    errors: tuple[type[Exception], ...]


def packing(head: bytes) -> str:
    """What packed a file that begins so: ``gzip``, ``bzip2``, ``xz``, ``zstd``; empty for none of them."""
    for magic, name in _MAGICS:
        if head.startswith(magic):
            return name
    if head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F:
        return "zstd"  # a skippable frame comes first
    return ""


def inflated(name: str, chunks: Iterator[bytes], shown: str) -> Iterator[bytes]:
    """The bytes that were packed, in chunks of up to 1 MiB.

    :param name: as :func:`packing` says.
    :raises InvalidInput: they are damaged, truncated, or something else follows them. Zeros may follow.
    :raises Unavailable: no module for zstd is installed.
    """
    known = _packing(name)
    unpacker: _Unpacker | None = known.make()
    for chunk in chunks:
        data = chunk
        while data or (unpacker is not None and not unpacker.needs_input):
            if unpacker is None:
                data = data.lstrip(b"\0")
                if not data:
                    break
                unpacker = known.make()
            try:
                out = unpacker.decompress(data, CHUNK)
            except known.errors as error:
                raise InvalidInput(f"{shown} is not sound {name}: {error}") from None
            data = b""
            if out:
                yield out
            if unpacker.eof:
                data, unpacker = unpacker.unused_data, None
    if unpacker is not None:
        raise InvalidInput(f"{shown} ends within its {name} data", hint="it is truncated")


def _packing(name: str) -> _Packing:
    if name == "gzip":
        import zlib

        return _Packing(_Gzip, (zlib.error,))
    if name == "bzip2":
        import bz2

        return _Packing(bz2.BZ2Decompressor, (OSError, ValueError))
    if name == "xz":
        import lzma

        return _Packing(lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, MAX_MEMORY), (lzma.LZMAError, ValueError))
    return _zstd()


def _zstd() -> _Packing:
    from importlib import import_module

    for place in ("compression.zstd", "backports.zstd"):
        try:
            module = vars(import_module(place))
        except ImportError:
            continue
        return _Packing(module["ZstdDecompressor"], (module["ZstdError"], ValueError))
    raise Unavailable("zstd cannot be unpacked: neither compression.zstd (Python 3.14) nor backports.zstd is there",
                      hint="pip install backports.zstd")


class _Gzip:
    def __init__(self) -> None:
        import zlib

        self._member = zlib.decompressobj(31)
        self._left = b""

    @property
    def eof(self) -> bool:
        return self._member.eof

    @property
    def needs_input(self) -> bool:
        return not self._left

    @property
    def unused_data(self) -> bytes:
        return self._member.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        out = self._member.decompress(self._left + data if self._left else data, max_length)
        self._left = self._member.unconsumed_tail
        return out
