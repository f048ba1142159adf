"""Digests, ``sha256:<64 hex>`` and ``sha512:<128 hex>`` (OCI image-spec v1.1, ``descriptor.md``), and chain ids.

Whatever passes :func:`parse` is safe as a file name after its colon; no other foreign text becomes one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Sequence

from ..errors import InvalidInput

if TYPE_CHECKING:
    from hashlib import _Hash

_HEX_LENGTHS = {"sha256": 64, "sha512": 128}
_HEX_DIGITS = "0123456789abcdef"


def is_hex(text: str) -> bool:
    """True where ``text`` is one or more lower-case hexadecimal digits."""
    return bool(text) and not text.strip(_HEX_DIGITS)


def split(digest: str) -> tuple[str, str]:
    """Take a digest apart.

    :returns: algorithm (``sha256`` or ``sha512``) and its lower-case hexadecimal digits.
    :raises InvalidInput: another algorithm, other characters, another length.
    """
    algorithm, colon, digits = digest.partition(":")
    length = _HEX_LENGTHS.get(algorithm)
    if not colon or length is None or len(digits) != length or not is_hex(digits):
        shown = digest if len(digest) <= 140 else digest[:140] + "..."
        raise InvalidInput(f"invalid digest {shown!r}",
                           hint="a digest is sha256:<64 hex digits> or sha512:<128 hex digits>")
    return algorithm, digits


def parse(digest: str) -> str:
    """Check a digest and return it unchanged. Errors as in :func:`split`."""
    split(digest)
    return digest


def digest_of(data: bytes, algorithm: str = "sha256") -> str:
    """The digest of some bytes."""
    hasher = new_hash(algorithm)
    hasher.update(data)
    return f"{algorithm}:{hasher.hexdigest()}"


def new_hash(algorithm: str) -> _Hash:
    """A fresh hash object for one of the algorithms of :func:`split`.

    :raises InvalidInput: another algorithm.
    """
    import hashlib

    if algorithm == "sha256":
        return hashlib.sha256()
    if algorithm == "sha512":
        return hashlib.sha512()
    raise InvalidInput(f"invalid digest algorithm {algorithm[:40]!r}", hint="sha256 and sha512 are known")


def chain_ids(diff_ids: Sequence[str]) -> tuple[str, ...]:
    """The chainID of each layer together with all below it (OCI image-spec v1.1, ``config.md#layer-chainid``).

    :param diff_ids: the layers' diffIDs, lowest first.
    :returns: as many chain ids, lowest first; the first equals the first diffID.
    :raises InvalidInput: one is no digest.
    """
    chain: list[str] = []
    for diff_id in diff_ids:
        parse(diff_id)
        chain.append(digest_of(f"{chain[-1]} {diff_id}".encode()) if chain else diff_id)
    return tuple(chain)
