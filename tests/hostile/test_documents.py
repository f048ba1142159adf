"""Manifests, indexes, configurations and references that lie or make no sense, pulled from a registry and from a layout folder."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Callable, NamedTuple

import pytest

from conman_kernel.errors import ConmanError, DigestMismatch, InvalidInput, NotFound
from conman_kernel.oci.descriptor import Descriptor
from conman_kernel.testing.hostile.tars import file, tar
from conman_kernel.testing.images import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Image,
    digest_of,
    host_platform,
    write_layout,
)
from conman_kernel.testing.registry import Registry

from .product import DRIVERS, Product

LAYER = tar(file(b"x", b"1"))
HERE = host_platform()
CONFIG: dict[str, object] = {"os": HERE.os, "architecture": HERE.architecture, "config": {"Cmd": ["sh"]},
                             "rootfs": {"type": "layers", "diff_ids": [digest_of(LAYER)]}}
MANIFEST: dict[str, object] = {
    "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {"mediaType": OCI_CONFIG, "digest": "", "size": 0},
    "layers": [{"mediaType": OCI_LAYER, "digest": digest_of(LAYER), "size": len(LAYER)}]}
Change = Callable[[dict], object]


def made(manifest: Change | bytes = lambda m: None, config: Change | bytes = lambda c: None, *, kind: str = OCI_MANIFEST,
         more: tuple[bytes, ...] = ()) -> Image:
    """An image whose documents were changed, and described truly; bytes are taken as they are."""
    settings = copy.deepcopy(CONFIG)
    text = config if isinstance(config, bytes) else json.dumps(config(settings) or settings).encode()
    document = copy.deepcopy(MANIFEST)
    document["config"] = {"mediaType": OCI_CONFIG, "digest": digest_of(text), "size": len(text)}
    body = manifest if isinstance(manifest, bytes) else json.dumps(manifest(document) or document).encode()
    blobs = {digest_of(part): part for part in (LAYER, text, body, *more)}
    return Image(Descriptor(kind, digest_of(body), len(body)), blobs, {digest_of(body): kind}, digest_of(text))


def sound() -> bytes:
    """The manifest that nothing is wrong with."""
    image = made()
    return image.blobs[image.descriptor.digest]


def index(change: Change = lambda i: None, kind: str = OCI_INDEX) -> Image:
    """An index of one sound image."""
    inner = made()
    row = {"mediaType": OCI_MANIFEST, "digest": inner.descriptor.digest, "size": inner.descriptor.size,
           "platform": {"os": HERE.os, "architecture": HERE.architecture}}
    document: dict[str, object] = {"schemaVersion": 2, "mediaType": kind, "manifests": [row]}
    body = json.dumps(change(document) or document).encode()
    return Image(Descriptor(kind, digest_of(body), len(body)), {**inner.blobs, digest_of(body): body},
                 {**inner.media_types, digest_of(body): kind})


def put(*path: str | int, value: object) -> Change:
    """A change that sets one key."""
    def change(document: dict) -> None:
        place: object = document
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


def without(*path: str | int) -> Change:
    """A change that removes one key."""
    def change(document: dict) -> None:
        place: dict = document
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]

    return change


class Case(NamedTuple):
    """One image; ``error`` None: it is accepted, and its tree is the file ``x``."""

    name: str
    image: Callable[[], Image]
    error: type[ConmanError] | None
    words: str = ""


def m(name: str, change: Change | bytes, error: type[ConmanError] | None = InvalidInput, words: str = "") -> Case:
    return Case(f"manifest-{name}", lambda: made(change), error, words)


def c(name: str, change: Change | bytes, error: type[ConmanError] | None = InvalidInput, words: str = "") -> Case:
    return Case(f"config-{name}", lambda: made(config=change), error, words)


def i(name: str, change: Change, error: type[ConmanError] | None = InvalidInput, words: str = "") -> Case:
    return Case(f"index-{name}", lambda: index(change), error, words)


def layers(count: int) -> Image:
    rows = [{"mediaType": OCI_LAYER, "digest": digest_of(LAYER), "size": len(LAYER)}] * count
    return made(put("layers", value=rows), put("rootfs", "diff_ids", value=[digest_of(LAYER)] * count))


def nested(depth: int) -> Image:
    """Indexes within each other."""
    inner = index()
    for _ in range(depth - 1):
        row = {"mediaType": OCI_INDEX, "digest": inner.descriptor.digest, "size": inner.descriptor.size}
        body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [row]}).encode()
        inner = Image(Descriptor(OCI_INDEX, digest_of(body), len(body)), {**inner.blobs, digest_of(body): body},
                      {**inner.media_types, digest_of(body): OCI_INDEX})
    return inner


def text(document: dict[str, object], old: bytes, new: bytes) -> bytes:
    found = json.dumps(document).encode()
    assert old in found
    return found.replace(old, new)


BOTH = {"manifests": [{"mediaType": OCI_MANIFEST, "digest": "sha256:" + "0" * 64, "size": 2}]}
MANIFESTS = [
    m("sound", lambda d: None, None),
    m("unknown-keys", lambda d: d.update({"x-unknown": {"a": [1]}, "urls": ["http://127.0.0.1:9/"]}), None),
    m("null-keys", lambda d: d.update(annotations=None, subject=None), None),
    m("without-media-type", without("mediaType"), None),
    m("docker-type-inside", put("mediaType", value=DOCKER_MANIFEST), None),
    m("manifest-and-index-keys", lambda d: d.update(BOTH), InvalidInput, "CVE-2021-41190"),
    m("manifest-and-empty-index", lambda d: d.update(manifests=[]), InvalidInput, "CVE-2021-41190"),
    m("called-an-index-inside", put("mediaType", value=OCI_INDEX), InvalidInput, "holds a manifest"),
    m("called-a-list-inside", put("mediaType", value=DOCKER_LIST), InvalidInput, "holds a manifest"),
    m("of-nonsense-type", put("mediaType", value="application/x-nonsense"), InvalidInput, "unknown type"),
    m("media-type-number", put("mediaType", value=3), InvalidInput, "'mediaType' is not a string"),
    m("schema-1", put("schemaVersion", value=1), InvalidInput, "schema 1"),
    m("schema-3", put("schemaVersion", value=3), InvalidInput, "schemaVersion"),
    m("schema-text", put("schemaVersion", value="2"), InvalidInput, "schemaVersion"),
    m("fs-layers", lambda d: d.update(fsLayers=[]), InvalidInput, "schema 1"),
    m("no-config", without("config"), InvalidInput, "neither"),
    m("no-layers-key", without("layers"), InvalidInput, "neither"),
    m("config-null", put("config", value=None), InvalidInput, "config"),
    m("layers-text", put("layers", value="none"), InvalidInput, "'layers'"),
    m("layer-text", put("layers", 0, value="none"), InvalidInput, "layer 1"),
    m("digest-leaves", put("layers", 0, "digest", value="sha256:../../x"), InvalidInput, "invalid digest"),
    m("digest-leaves-64", put("layers", 0, "digest", value="sha256:" + "../" * 21 + "x"), InvalidInput, "invalid digest"),
    m("digest-of-config-leaves", put("config", "digest", value="sha256:../../x"), InvalidInput, "invalid digest"),
    m("digest-upper-case", put("layers", 0, "digest", value=digest_of(LAYER).upper()), InvalidInput, "invalid digest"),
    m("digest-md5", put("layers", 0, "digest", value="md5:" + "0" * 32), InvalidInput, "invalid digest"),
    m("digest-newline", put("layers", 0, "digest", value=digest_of(LAYER) + "\n"), InvalidInput, "invalid digest"),
    m("digest-missing", without("layers", 0, "digest"), InvalidInput, "layer 1"),
    m("digest-wide-digits", put("layers", 0, "digest", value="sha256:" + "\uff11" * 64), InvalidInput, "invalid digest"),
    m("layer-of-wrong-digest", put("layers", 0, "digest", value=digest_of(b"another")), NotFound),
    m("layer-of-wrong-size", put("layers", 0, "size", value=len(LAYER) - 1), DigestMismatch, "announced"),
    m("layer-bigger-than-it-is", put("layers", 0, "size", value=len(LAYER) + 1), DigestMismatch, "2048 of 2049 bytes"),
    m("layer-size-negative", put("layers", 0, "size", value=-1), InvalidInput, "'size'"),
    m("layer-size-huge", put("layers", 0, "size", value=1 << 70), InvalidInput, "'size'"),
    m("layer-size-fraction", put("layers", 0, "size", value=1.5), InvalidInput, "'size'"),
    m("layer-size-true", put("layers", 0, "size", value=True), InvalidInput, "'size'"),
    m("layer-of-nonsense-type", put("layers", 0, "mediaType", value="application/x-nonsense"), InvalidInput, "nonsense"),
    m("layer-encrypted", put("layers", 0, "mediaType", value=OCI_LAYER + "+encrypted"), InvalidInput, "encrypted"),
    m("layer-type-missing", without("layers", 0, "mediaType"), InvalidInput, "layer"),
    m("config-of-wrong-size", put("config", "size", value=3), DigestMismatch, "announced"),
    m("config-of-5-MiB-announced", put("config", "size", value=5 << 20), InvalidInput, "more than"),
    m("artifact", put("config", "mediaType", value="application/vnd.cncf.helm.config.v1+json"), InvalidInput, "artifact"),
    m("foreign-urls", put("layers", 0, "urls", value=["http://127.0.0.1:9/never"]), None),
    m("annotations-list", put("annotations", value=["a"]), InvalidInput, "'annotations'"),
    m("annotation-number", put("annotations", value={"a": 1}), InvalidInput, "'annotations.a'"),
    Case("manifest-of-501-layers", lambda: layers(501), InvalidInput, "501 layers"),
    Case("manifest-of-20000-layers", lambda: layers(20_000), InvalidInput, "20000 layers"),
    m("empty", b"", InvalidInput, "JSON"), m("list", b"[]", InvalidInput, "not a JSON object"), m("half", b'{"schemaVersion": 2', InvalidInput, "JSON"),
    m("html", b"<html></html>", InvalidInput, "JSON"), m("nul", b"{\0}", InvalidInput, "JSON"),
    m("nested-100000", b'{"schemaVersion":2,"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", InvalidInput, "nested"),
    m("nested-70", lambda d: d.update(deep=json.loads("[" * 70 + "]" * 70)), InvalidInput, "nested"),
    Case("manifest-duplicate-keys", lambda: made(sound().replace(b'"schemaVersion": 2', b'"schemaVersion": 1, "layers": 3, "schemaVersion": 2')), None),
    m("of-5-MiB", lambda d: d.update(pad="x" * (5 << 20)), InvalidInput, "more than"),
    m("number-of-5000-digits", text({**MANIFEST, "layers": 17}, b"17", b"9" * 5000), InvalidInput, "JSON"),
]
INDEXES = [
    i("sound", lambda d: None, None),
    i("unknown-keys", lambda d: d.update(future=[{}]), None),
    i("and-manifest", lambda d: d.update(config={}, layers=[]), InvalidInput, "CVE-2021-41190"),
    i("called-a-manifest-inside", put("mediaType", value=OCI_MANIFEST), InvalidInput, "holds an index"),
    i("empty", put("manifests", value=[]), NotFound, "no image"),
    i("for-another-platform", put("manifests", 0, "platform", value={"os": "plan9", "architecture": "mips"}), NotFound, "no image for"),
    i("platform-text", put("manifests", 0, "platform", value="linux"), InvalidInput, "platform"),
    i("of-5000", lambda d: put("manifests", value=d["manifests"] * 5000)(d), InvalidInput, "5000 manifests"),
    i("entry-digest-leaves", put("manifests", 0, "digest", value="sha256:../../x"), InvalidInput, "invalid digest"),
    i("entry-size-wrong", put("manifests", 0, "size", value=7), DigestMismatch, "announced"),
    i("entry-digest-wrong", put("manifests", 0, "digest", value=digest_of(b"another")), NotFound),
    Case("index-in-index", lambda: nested(3), None),
    Case("index-in-index-9-deep", lambda: nested(9), InvalidInput, "index within an index"),
    Case("index-called-a-manifest", lambda: made(json.dumps({"schemaVersion": 2, "manifests": []}).encode()), InvalidInput, "holds an index"),
    Case("manifest-called-an-index", lambda: made(kind=OCI_INDEX), InvalidInput, "holds a manifest"),
]
CONFIGS = [
    c("unknown-keys", lambda d: d.update(future={"a": 1}), None),
    c("empty", b"{}", InvalidInput, "rootfs"), c("nothing", b"", InvalidInput, "JSON"), c("list", b"[]", InvalidInput, "object"),
    c("no-rootfs", without("rootfs"), InvalidInput, "rootfs"), c("rootfs-null", put("rootfs", value=None), InvalidInput, "rootfs"),
    c("rootfs-text", put("rootfs", value="layers"), InvalidInput, "'rootfs'"),
    c("rootfs-of-another-type", put("rootfs", "type", value="blobs"), InvalidInput, "rootfs.type"),
    c("diff-ids-missing", without("rootfs", "diff_ids"), InvalidInput, "lists 0 layers"),
    c("diff-ids-too-many", put("rootfs", "diff_ids", value=[digest_of(LAYER)] * 2), InvalidInput, "lists 2 layers"),
    c("diff-ids-501", put("rootfs", "diff_ids", value=[digest_of(LAYER)] * 501), InvalidInput, "501 layers"),
    c("diff-id-wrong", put("rootfs", "diff_ids", value=[digest_of(b"another")]), DigestMismatch, "unpacks to"),
    c("diff-id-leaves", put("rootfs", "diff_ids", value=["sha256:../../x"]), InvalidInput, "invalid digest"),
    c("diff-id-number", put("rootfs", "diff_ids", value=[7]), InvalidInput, "diff_ids"),
    c("env-of-1-MiB", put("config", "Env", value=["A=" + "x" * (1 << 20)]), None),
    c("env-of-100000", put("config", "Env", value=[f"A{n}=1" for n in range(100_000)]), None),
    c("of-5-MiB", put("config", "Env", value=["A=" + "x" * (5 << 20)]), InvalidInput, "more than"),
    c("env-text", put("config", "Env", value="A=1"), InvalidInput, "'Env'"), c("env-number", put("config", "Env", value=[1]), InvalidInput, "'Env'"),
    c("env-nul", put("config", "Env", value=["A=\0"]), InvalidInput, "NUL"),
    c("cmd-text", put("config", "Cmd", value="sh"), None), c("cmd-object", put("config", "Cmd", value={}), InvalidInput, "'Cmd'"),
    c("config-null", put("config", value=None), None), c("config-list", put("config", value=[]), InvalidInput, "'config'"),
    c("labels-list", put("config", "Labels", value=[]), InvalidInput, "'Labels'"), c("label-number", put("config", "Labels", value={"a": 1}), InvalidInput, "Labels.a"),
    c("volumes-text", put("config", "Volumes", value="/x"), InvalidInput, "'Volumes'"),
    c("nested-60000", b'{"config":' + b"[" * 60_000 + b"]" * 60_000 + b"}", InvalidInput, "nested"),
    c("nested-70", put("deep", value=json.loads("[" * 70 + "]" * 70)), InvalidInput, "nested"),
    c("duplicate-keys", text(CONFIG, b'"os":', b'"os": "plan9", "os":'), None),
    c("not-utf8", text(CONFIG, b'"sh"', b'"\xff\xfe"'), None), c("lone-surrogate", text(CONFIG, b'"sh"', b'"\\ud800"'), None),
    c("utf-16", json.dumps(CONFIG).encode("utf-16"), InvalidInput, "JSON"),
    c("nan", text(CONFIG, b'"sh"', b"NaN"), InvalidInput, "NaN"),
    c("created-nonsense", put("created", value="yesterday"), None), c("created-number", put("created", value=5), InvalidInput, "'created'"),
    c("history-text", put("history", value="x"), InvalidInput, "'history'"), c("history-of-texts", put("history", value=["x"]), InvalidInput, "history"),
    c("os-nonsense", put("os", value="../../etc"), None),
]
once = pytest.mark.parametrize("product", DRIVERS[:1], indirect=True)
"""Documents are read before any driver is asked."""
CASES = [*MANIFESTS, *INDEXES, *CONFIGS]


def check(case: Case, product: Product, reference: str) -> None:
    if case.error is None:
        with product.shown(product.pull(reference)) as path:
            assert Path(path, "x").read_bytes() == b"1" and len(list(Path(path).iterdir())) == 1
        product.conman.images.remove(product.conman.images.list()[0].id)
        return
    with pytest.raises(ConmanError) as caught:
        product.pull(reference)
    said = str(caught.value)
    assert type(caught.value) is case.error, f"{type(caught.value).__name__}: {said}"
    assert case.words in said and len(said.splitlines()) == 1 and len(said) < 1000, said


def test_names_are_names() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


@once
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_from_a_registry(case: Case, unharmed: Product, registry: Registry) -> None:
    name = f"{case.name.lower()}:1"
    registry.forget()
    registry.add_image(case.image(), name)
    check(case, unharmed, f"{registry.host}/{name}")
    assert all(request.path.startswith("/v2/") for request in registry.requests)


@once
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_from_a_layout(case: Case, unharmed: Product, place: Path) -> None:
    layout = place / f"layout-{case.name}-{unharmed.driver_name}"
    write_layout(case.image(), str(layout))
    check(case, unharmed, f"oci:{layout}:latest")


@once
@pytest.mark.parametrize("top", ["", "[]", "{}", '{"manifests": 3}', '{"schemaVersion": 2, "manifests": [{"digest": "sha256:../../x", "size": 1}]}',
                                 '{"schemaVersion": 2, "manifests": [7]}', "[" * 100_000, '{"manifests": null}', "\0", '{"manifests": [{}]}'])
def test_a_layout_whose_index_is_broken(top: str, unharmed: Product, place: Path) -> None:
    layout = place / f"broken-{len(os.listdir(place))}"
    write_layout(made(), str(layout))
    (layout / "index.json").write_text(top)
    with pytest.raises((InvalidInput, NotFound)) as caught:
        unharmed.pull(f"oci:{layout}:latest")
    assert len(str(caught.value).splitlines()) == 1


@once
def test_a_blob_of_a_layout_that_is_a_link_outside(unharmed: Product, place: Path) -> None:
    """A link to a file elsewhere is read, if at all, only as far as its digest is right."""
    layout = place / f"linked-{unharmed.driver_name}"
    write_layout(made(), str(layout))
    blob = layout / "blobs/sha256" / digest_of(LAYER).partition(":")[2]
    blob.unlink()
    blob.symlink_to("/etc/passwd")
    with pytest.raises(ConmanError):
        unharmed.pull(f"oci:{layout}:latest")


REFERENCES = [
    "", ":", "@", "/", "//", "a//b", "../x", "host.x/../etc", "..", ".", "x/..", "a:b:c", "x@sha256:../../x", "x@sha256:" + "0" * 63, "x@" + "md5:" + "0" * 32,
    "x:" + "t" * 129, "a/" * 200 + "b", "x" * 300, "x" * 100_000, "UPPER", "host:99999999999999999999999/x y", "host:port/x", "[::1/x", "[::g]:1/x", "ex ample/x",
    "x\n", "x\0", "\u00e9", "ex\u00e4mple.org/x", "\u200bx", "x:\u0661", "-x", "x-", "x:-t", "x:.t", "--help/x", "http://x/y", "file:///etc/passwd", "docker://",
    "oci:", "sha256:" + "0" * 64, "x@sha256:" + "A" * 64, "user:pw@host/x", "localhost:1:2/x",
]


@once
@pytest.mark.parametrize("text", REFERENCES, ids=lambda text: repr(text)[:40])
def test_references(text: str, unharmed: Product) -> None:
    with pytest.raises(ConmanError) as caught:
        unharmed.pull(text)
    said = str(caught.value)
    assert len(said.splitlines()) == 1 and said.isprintable() and len(said) < 700, said
