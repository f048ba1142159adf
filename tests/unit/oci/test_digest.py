"""Digests and chain ids, against values computed by hand with the specification's formula."""

from __future__ import annotations

import hashlib

import pytest

from conman_kernel.errors import InvalidInput
from conman_kernel.oci import digest

A = "sha256:" + "a" * 64
B = "sha256:" + "b" * 64
C = "sha256:" + "c" * 64


@pytest.mark.parametrize("good", [A, "sha512:" + "0" * 128])
def test_parse_returns_what_is_well_formed(good: str) -> None:
    assert digest.parse(good) == good


@pytest.mark.parametrize("bad", [
    "", "sha256:", "sha256", "a" * 64, "sha256:../../x", "sha256:" + "a" * 63, "sha256:" + "a" * 65,
    "sha256:" + "A" * 64,
    "sha256:" + "g" * 64, "sha512:" + "a" * 64, "sha1:" + "a" * 40, "md5:" + "a" * 32, "sha256:" + "/" * 64,
    "sha256:" + "a" * 63 + "\n", "sha256:" + "٣" * 64, " " + A, "SHA256:" + "a" * 64,
])
def test_parse_refuses_all_else(bad: str) -> None:
    with pytest.raises(InvalidInput, match="invalid digest"):
        digest.parse(bad)


def test_a_huge_digest_is_not_repeated_whole() -> None:
    with pytest.raises(InvalidInput) as caught:
        digest.parse("x" * 100_000)
    assert len(str(caught.value)) < 300


def test_split_and_digest_of() -> None:
    assert digest.split(A) == ("sha256", "a" * 64)
    assert digest.digest_of(b"conman") == "sha256:" + hashlib.sha256(b"conman").hexdigest()
    assert digest.digest_of(b"", "sha512") == "sha512:" + hashlib.sha512(b"").hexdigest()
    with pytest.raises(InvalidInput):
        digest.new_hash("md5")


def test_chain_ids_follow_the_formula() -> None:
    second = "sha256:" + hashlib.sha256(f"{A} {B}".encode()).hexdigest()
    third = "sha256:" + hashlib.sha256(f"{second} {C}".encode()).hexdigest()
    assert digest.chain_ids(()) == ()
    assert digest.chain_ids((A,)) == (A,)
    assert digest.chain_ids((A, B, C)) == (A, second, third)


def test_chain_ids_depend_on_order() -> None:
    assert digest.chain_ids((A, B))[1] != digest.chain_ids((B, A))[1]


def test_chain_ids_refuse_a_bad_diff_id() -> None:
    with pytest.raises(InvalidInput):
        digest.chain_ids((A, "sha256:../../etc"))
