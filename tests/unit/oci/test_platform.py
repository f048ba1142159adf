"""Platform names, and which image serves which machine."""

from __future__ import annotations

import os

import pytest

from conman_kernel.errors import InvalidInput
from conman_kernel.oci.platform import Platform, host_platform, matches, normalise, parse_platform, rank


@pytest.mark.parametrize(("text", "platform"), [
    ("linux/amd64", Platform("linux", "amd64")), ("linux/x86_64", Platform("linux", "amd64")),
    ("Linux/AMD64", Platform("linux", "amd64")), ("linux/arm64/v8", Platform("linux", "arm64")),
    ("linux/aarch64", Platform("linux", "arm64")), ("linux/arm64/8", Platform("linux", "arm64")),
    ("linux/arm64/v9", Platform("linux", "arm64", "v9")), ("linux/arm", Platform("linux", "arm", "v7")),
    ("linux/armhf", Platform("linux", "arm", "v7")), ("linux/armel", Platform("linux", "arm", "v6")),
    ("linux/arm/5", Platform("linux", "arm", "v5")), ("linux/i386", Platform("linux", "386")),
    ("linux/amd64/v1", Platform("linux", "amd64")), ("linux/amd64/v3", Platform("linux", "amd64", "v3")),
    ("linux/s390x", Platform("linux", "s390x")), ("s390x", Platform("linux", "s390x")),
])
def test_parse(text: str, platform: Platform) -> None:
    assert parse_platform(text) == platform


@pytest.mark.parametrize("text", ["", "/", "linux/", "/amd64", "linux//v8", "a/b/c/d", "linux/am d64", "linux/../x",
    "linux/ä"])
def test_parse_refuses(text: str) -> None:
    with pytest.raises(InvalidInput, match="invalid platform"):
        parse_platform(text)


def test_the_host_is_what_uname_says() -> None:
    host = host_platform()
    assert host.os == "linux"
    assert host == normalise(Platform("linux", os.uname().machine))
    assert parse_platform("linux").architecture == host.architecture


def test_str() -> None:
    assert str(Platform("linux", "arm", "v7")) == "linux/arm/v7"
    assert str(Platform("linux", "amd64")) == "linux/amd64"


@pytest.mark.parametrize(("wanted", "offers"), [
    ("linux/arm/v7", ["linux/arm/v7", "linux/arm/v6", "linux/arm/v5"]),
    ("linux/arm64", ["linux/arm64/v8"]), ("linux/amd64/v3", ["linux/amd64/v3", "linux/amd64/v2", "linux/amd64"]),
    ("linux/arm64/v9", ["linux/arm64/v9", "linux/arm64"]),
])
def test_rank_prefers_the_newest_that_runs(wanted: str, offers: list[str]) -> None:
    ranks = [rank(parse_platform(wanted), parse_platform(offer)) for offer in offers]
    assert None not in ranks
    assert ranks == sorted(ranks, key=lambda r: -1 if r is None else r)
    assert len(set(ranks)) == len(ranks)


@pytest.mark.parametrize(("wanted", "offered"), [
    ("linux/amd64", "linux/arm64"), ("linux/amd64", "windows/amd64"), ("linux/arm/v6", "linux/arm/v7"), ("linux/amd64",
    "linux/386"),
    ("linux/amd64", "linux/amd64/v3"), ("linux/arm64", "linux/arm/v7"), ("linux/amd64", "unknown/unknown"),
])
def test_what_cannot_run_does_not_match(wanted: str, offered: str) -> None:
    assert not matches(parse_platform(wanted), parse_platform(offered))
