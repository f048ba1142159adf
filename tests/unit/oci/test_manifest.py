"""Manifests and indexes, OCI's and Docker's; what is ambiguous is refused."""

from __future__ import annotations

import json

import pytest

from conman_kernel.errors import InvalidInput, NotFound
from conman_kernel.oci import media_types
from conman_kernel.oci.descriptor import Descriptor, descriptor_json, parse_descriptor
from conman_kernel.oci.manifest import MAX_LAYERS, Index, Manifest, parse_manifest, select
from conman_kernel.oci.platform import Platform, parse_platform

A, B, C = ("sha256:" + letter * 64 for letter in "abc")


def _desc(media_type: str, digest: str = A, size: int = 7, **more: object) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest, "size": size, **more}


def _manifest(**more: object) -> dict[str, object]:
    return {"schemaVersion": 2, "config": _desc(media_types.OCI_CONFIG), "layers": [_desc(media_types.OCI_LAYER_GZIP, B,
        9)], **more}


def _index(*platforms: str | None, **more: object) -> dict[str, object]:
    entries = []
    for number, text in enumerate(platforms):
        entry = _desc(media_types.OCI_MANIFEST, "sha256:" + f"{number:064x}")
        if text is not None:
            os, architecture, variant = (*text.split("/"), "", "")[:3]
            entry["platform"] = {"os": os, "architecture": architecture, "variant": variant}
        entries.append(entry)
    return {"schemaVersion": 2, "manifests": entries, **more}


def _parse(document: dict[str, object], media_type: str = "") -> Manifest | Index:
    return parse_manifest(json.dumps(document).encode(), media_type, "the manifest of x")


def test_an_oci_manifest() -> None:
    found = _parse(_manifest(annotations={"k": "v"}, unknown=[1]))
    assert found == Manifest(Descriptor(media_types.OCI_CONFIG, A, 7), (Descriptor(media_types.OCI_LAYER_GZIP, B, 9),),
                             media_types.OCI_MANIFEST, {"k": "v"})


def test_a_docker_manifest() -> None:
    document = _manifest(mediaType=media_types.DOCKER_MANIFEST, config=_desc(media_types.DOCKER_CONFIG),
                         layers=[_desc(media_types.DOCKER_LAYER_GZIP, B), _desc(media_types.DOCKER_FOREIGN + ".gzip",
                             C)])
    found = _parse(document, media_types.DOCKER_MANIFEST)
    assert isinstance(found, Manifest)
    assert found.media_type == media_types.DOCKER_MANIFEST
    assert [layer.digest for layer in found.layers] == [B, C]


@pytest.mark.parametrize("media_type", [media_types.OCI_INDEX, media_types.DOCKER_LIST])
def test_an_index(media_type: str) -> None:
    found = _parse(_index("linux/amd64", "linux/arm64/v8", mediaType=media_type), media_type)
    assert isinstance(found, Index)
    assert [entry.platform for entry in found.manifests] == [Platform("linux", "amd64"), Platform("linux", "arm64")]


def test_an_image_without_layers_is_one() -> None:
    found = _parse(_manifest(layers=[]))
    assert isinstance(found, Manifest)
    assert found.layers == ()


@pytest.mark.parametrize(("document", "claimed", "words"), [
    (_manifest(manifests=[]), "", "ambiguous"),
    ({"schemaVersion": 2, "manifests": [], "layers": []}, media_types.OCI_INDEX, "ambiguous"),
    ({"schemaVersion": 2, "manifests": [], "config": None}, "", "ambiguous"),
    (_manifest(mediaType=media_types.OCI_INDEX), "", "holds a manifest"),
    (_manifest(), media_types.OCI_INDEX, "holds a manifest"),
    (_index("linux/amd64", mediaType=media_types.OCI_MANIFEST), "", "holds an index"),
    (_index("linux/amd64"), media_types.DOCKER_MANIFEST, "holds an index"),
    (_manifest(mediaType="application/vnd.example"), "", "unknown type"),
    (_index(mediaType="application/vnd.example"), "", "unknown type"),
    ({"schemaVersion": 1, "fsLayers": []}, media_types.DOCKER_SCHEMA1_SIGNED, "schema 1"),
    (_manifest(schemaVersion=1), "", "schema 1"), (_manifest(schemaVersion=3), "", "schemaVersion"),
    ({"schemaVersion": 2}, "", "neither"), ({}, "", "schemaVersion"), (_manifest(schemaVersion="2"), "",
    "schemaVersion"),
    (_manifest(config=_desc("application/vnd.cncf.helm.config.v1+json")), "", "artifact"),
    (_manifest(config=None), "", "config is not a JSON object"),
    (_manifest(layers={"a": 1}), "", "'layers' is not a list"),
    (_manifest(layers=[_desc(media_types.OCI_LAYER)] * (MAX_LAYERS + 1)), "", "501 layers"),
    (_manifest(layers=[_desc(media_types.OCI_LAYER, "sha256:../../x")]), "", "layer 1: invalid digest"),
    (_manifest(layers=[_desc(media_types.OCI_LAYER, size=-5)]), "", "layer 1: 'size'"),
    (_manifest(layers=["x"]), "", "layer 1 is not"),
    (_index(manifests=[{}] * 5000), "", "5000 manifests"),
])
def test_refusals(document: dict[str, object], claimed: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        _parse(document, claimed)
    assert "the manifest of x" in str(caught.value)


def _choose(wanted: str, *platforms: str | None) -> int:
    found = _parse(_index(*platforms))
    assert isinstance(found, Index)
    return int(select(found, parse_platform(wanted), "x").digest.removeprefix("sha256:"), 16)


def test_select_takes_the_best_then_the_first() -> None:
    assert _choose("linux/amd64", "linux/arm64", "linux/amd64", "linux/amd64") == 1
    assert _choose("linux/arm/v7", "linux/arm/v5", "linux/arm/v6", "linux/arm64") == 1
    assert _choose("linux/amd64", "unknown/unknown", "linux/amd64/v3", "linux/amd64") == 2
    assert _choose("linux/amd64", None, "linux/amd64") == 1
    assert _choose("linux/s390x", "linux/amd64", None) == 1


def test_select_names_what_there_is() -> None:
    index = _parse(_index("linux/arm64", "windows/amd64", "unknown/unknown"))
    assert isinstance(index, Index)
    with pytest.raises(NotFound, match="x has no image for linux/amd64") as caught:
        select(index, Platform("linux", "amd64"), "x")
    assert caught.value.hint == "it has linux/arm64, windows/amd64"


def test_select_skips_what_is_no_image() -> None:
    index = Index((Descriptor("application/vnd.example", A, 1, Platform("linux", "amd64")),), media_types.OCI_INDEX, {})
    with pytest.raises(NotFound, match="no image"):
        select(index, Platform("linux", "amd64"), "x")


def test_descriptors_survive_the_round_trip() -> None:
    descriptor = Descriptor(media_types.OCI_MANIFEST, A, 5, Platform("linux", "arm", "v6"))
    assert parse_descriptor(descriptor_json(descriptor), "it") == descriptor


def test_layer_compression() -> None:
    assert media_types.layer_compression(media_types.OCI_LAYER) == "none"
    assert media_types.layer_compression(media_types.DOCKER_LAYER_GZIP) == "gzip"
    assert media_types.layer_compression(media_types.OCI_LAYER_ZSTD) == "zstd"
    with pytest.raises(InvalidInput, match="not the type of an image layer"):
        media_types.layer_compression("application/json")
