"""The grammar of references; cases of `distribution/reference` behave as there."""

from __future__ import annotations

import pytest

from conman_kernel.errors import InvalidInput
from conman_kernel.oci.reference import Reference, parse

F = "sha256:" + "f" * 64
HUB = ("docker.io/library",)


@pytest.mark.parametrize(("text", "domain", "path", "tag", "digest"), [
    ("test_com", "", "test_com", "", ""),
    ("test.com:tag", "", "test.com", "tag", ""),
    ("test.com:5000", "", "test.com", "5000", ""),
    ("test.com/repo:tag", "test.com", "repo", "tag", ""),
    ("test:5000/repo", "test:5000", "repo", "", ""),
    ("test:5000/repo:tag", "test:5000", "repo", "tag", ""),
    (f"test:5000/repo@{F}", "test:5000", "repo", "", F),
    (f"test:5000/repo:tag@{F}", "test:5000", "repo", "tag", F),
    ("lowercase:Uppercase", "", "lowercase", "Uppercase", ""),
    ("sub-dom1.foo.com/bar/baz/quux:some-long-tag", "sub-dom1.foo.com", "bar/baz/quux", "some-long-tag", ""),
    ("b.gcr.io/test.example.com/my-app:test.example.com", "b.gcr.io", "test.example.com/my-app", "test.example.com",
    ""),
    ("xn--n3h.com/myimage:xn--n3h.com", "xn--n3h.com", "myimage", "xn--n3h.com", ""),
    ("foo_bar.com:8080", "", "foo_bar.com", "8080", ""),
    ("foo/foo_bar.com:8080", "", "foo/foo_bar.com", "8080", ""),
    ("192.168.1.1:5000/repo:5050", "192.168.1.1:5000", "repo", "5050", ""),
    ("[2001:db8::1]/repo", "[2001:db8::1]", "repo", "", ""),
    ("[2001:db8::1]:5000/repo:tag", "[2001:db8::1]:5000", "repo", "tag", ""),
    (f"[::1]:5000/repo@{F}", "[::1]:5000", "repo", "", F),
    ("localhost/x", "localhost", "x", "", ""),
    ("Host/x", "Host", "x", "", ""),
    ("docker.io/alpine", "docker.io", "library/alpine", "", ""),
    ("index.docker.io/alpine:3", "docker.io", "library/alpine", "3", ""),
    ("docker.io/user/x", "docker.io", "user/x", "", ""),
    ("a__b/c--d.e_f", "", "a__b/c--d.e_f", "", ""),
    ("x:" + "t" * 128, "", "x", "t" * 128, ""),
    ("cafe" * 16 + ":tag", "", "cafe" * 16, "tag", ""),
])
def test_parse(text: str, domain: str, path: str, tag: str, digest: str) -> None:
    assert parse(text) == Reference("docker", domain, path, tag, digest)


@pytest.mark.parametrize(("text", "words"), [
    ("", "empty"), (":justtag", "no repository name"), (f"@{F}", "no repository name"), ("repo@sha256:ffff",
    "invalid digest"),
    (f"validname@invaliddigest:{'f' * 64}", "invalid digest"), ("Uppercase:tag", "lower case"),
    ("test:5000/Uppercase/lowercase:tag", "lower case"), ("a/" * 128 + "a:tag", "longer than 255"),
    ("aa/asdf$$^/aa", "no repository name"), ("[2001:db8::1]", "invalid image reference"),
    ("[fe80::1%eth0]:5000/repo", "no registry host"), ("alpine:", "tag is empty"), ("x/alpine:", "tag is empty"),
    ("alpine:-x", "no tag"), ("alpine:" + "t" * 129, "no tag"), ("alpine:a/b", "invalid image reference"), ("alpine@",
    "invalid digest"),
    ("a//b", "no repository name"), ("/alpine", "no repository name"), ("alpine/", "no repository name"), ("a___b",
    "no repository name"),
    ("-a", "no repository name"), ("al pine", "no repository name"), ("alpine\n", "unprintable"), ("../x",
    "no registry host"),
    ("host.x/../../etc", "no repository name"), ("f" * 64, "image id"), ("x" * 5000, "too long"), ("docker://",
    "no repository name"),
    ("alpine:tag:tag", "no tag"), ("exa mple.com/x", "no registry host"), ("example..com/x", "no registry host"),
    ("é/x", "no repository"),
    ("oci:", "no path"), ("oci:/path:", "cannot be the name"), ("oci:/path:a b", "cannot be the name"),
    ("oci-archive:/p:../x", "cannot"),
])
def test_parse_refuses_with_one_line(text: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        parse(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 800


def test_a_long_hostile_name_is_judged_at_once() -> None:
    with pytest.raises(InvalidInput):
        parse("a-" * 2000 + "!")
    with pytest.raises(InvalidInput):
        parse("x.y/" + "a" * 4000 + "$")


@pytest.mark.parametrize(("text", "reference", "shown"), [
    ("docker://alpine", Reference("docker", "docker.io", "library/alpine"), "docker.io/library/alpine"),
    ("docker://127.0.0.1:5000/x:1", Reference("docker", "127.0.0.1:5000", "x", "1"), "127.0.0.1:5000/x:1"),
    ("oci:/path/to/layout", Reference("oci", "", "/path/to/layout"), "oci:/path/to/layout"),
    ("oci:/path/to/layout:v1", Reference("oci", "", "/path/to/layout", "v1"), "oci:/path/to/layout:v1"),
    ("oci:relative:docker.io/x/y:v1", Reference("oci", "", "relative", "docker.io/x/y:v1"),
    "oci:relative:docker.io/x/y:v1"),
    ("oci-archive:/a.tar:v1", Reference("oci-archive", "", "/a.tar", "v1"), "oci-archive:/a.tar:v1"),
    ("mine:/x", Reference("mine", "", "/x"), "mine:/x"), ("mine:../x", Reference("mine", "", "../x"), "mine:../x"),
    ("mine://host:1/x:2", Reference("mine", "host:1", "x", "2"), "mine://host:1/x:2"),
])
def test_schemes(text: str, reference: Reference, shown: str) -> None:
    assert parse(text) == reference
    assert str(reference) == shown


def test_location_is_what_a_transport_is_given() -> None:
    assert parse("docker://alpine:3").location == "docker.io/library/alpine:3"
    assert parse("oci:/path:v1").location == "/path:v1"
    assert parse(f"h.x/y:1@{F}").location == f"h.x/y:1@{F}"


@pytest.mark.parametrize(("text", "expanded"), [
    ("alpine", ["docker.io/library/alpine:latest"]), ("alpine:3", ["docker.io/library/alpine:3"]),
    (f"alpine@{F}", [f"docker.io/library/alpine@{F}"]), ("user/x", ["docker.io/user/x:latest"]),
    ("h.x/alpine", ["h.x/alpine:latest"]), ("localhost/a", ["localhost/a:latest"]), ("oci:/p", ["oci:/p"]),
])
def test_expand_to_docker_hub(text: str, expanded: list[str]) -> None:
    assert [str(r) for r in parse(text).expand(HUB)] == expanded


def test_expand_over_several_prefixes_keeps_their_order() -> None:
    prefixes = ("registry.example:5000", "mirror.example/hub", "docker.io", "docker.io/library", "docker.io/team")
    assert [str(r) for r in parse("alpine:3").expand(prefixes)] == [
        "registry.example:5000/alpine:3", "mirror.example/hub/alpine:3", "docker.io/library/alpine:3",
        "docker.io/team/alpine:3"]
    assert [str(r) for r in parse("u/x").expand(prefixes)] == [
        "registry.example:5000/u/x:latest", "mirror.example/hub/u/x:latest", "docker.io/u/x:latest",
        "docker.io/team/u/x:latest"]


def test_expand_needs_a_registry() -> None:
    with pytest.raises(InvalidInput, match="short_names is empty"):
        parse("alpine").expand(())
    with pytest.raises(InvalidInput, match="names no registry"):
        parse("alpine").expand(("library",))


@pytest.mark.parametrize(("text", "familiar"), [
    ("docker.io/library/alpine:3", "alpine:3"), ("docker.io/user/x", "user/x"), ("h.x/library/alpine",
    "h.x/library/alpine"),
    ("docker.io/library/a/b:1", "library/a/b:1"), (f"docker.io/library/alpine@{F}", f"alpine@{F}"), ("oci:/p:x",
    "oci:/p:x"),
])
def test_familiar(text: str, familiar: str) -> None:
    assert parse(text).familiar() == familiar


@pytest.mark.parametrize("text", ["docker.io/library/alpine:3", f"h.x:5/y/z:1@{F}", "oci:/p:x",
    "docker.io/user/x:latest", "mine://h.x/y:1"])
def test_str_and_parse_are_inverse(text: str) -> None:
    assert str(parse(text)) == text
