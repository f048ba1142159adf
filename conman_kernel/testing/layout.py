"""Reading an OCI layout folder for the loopback registry (OCI image-spec v1.1, ``image-layout.md``)."""

from __future__ import annotations

import json
import os

_REF_NAME = "org.opencontainers.image.ref.name"
_INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")


def read_layout(path: str, ref: str, tag: str) -> tuple[str, dict[str, tuple[str, str]], dict[str, str]]:
    """Find one image of a layout folder and the files it is made of. The folder is trusted: it is the test's own.

    :param ref: the annotated name wanted; empty: the one named ``tag``, else the only one.
    :returns: the top digest, manifests (digest -> media type and file), blobs (digest -> file).
    :raises ValueError: no such image.
    """
    with open(os.path.join(path, "index.json"), encoding="utf-8") as stream:
        rows = json.load(stream)["manifests"]
    named = [row for row in rows if row.get("annotations", {}).get(_REF_NAME) == (ref or tag)]
    if not named and not ref and len(rows) == 1:
        named = rows
    if len(named) != 1:
        raise ValueError(f"{path} has {len(named)} images that {ref or tag or 'no name'} could mean")
    manifests: dict[str, tuple[str, str]] = {}
    blobs: dict[str, str] = {}
    waiting = list(named)
    while waiting:
        row = waiting.pop()
        file = _file(path, row["digest"])
        if row["digest"] in manifests or not os.path.exists(file):
            continue
        manifests[row["digest"]] = (row["mediaType"], file)
        with open(file, encoding="utf-8") as stream:
            document = json.load(stream)
        if row["mediaType"] in _INDEXES:
            waiting += document["manifests"]
            continue
        for part in (document["config"], *document["layers"]):
            blobs[part["digest"]] = _file(path, part["digest"])
    return named[0]["digest"], manifests, blobs


def _file(path: str, digest: str) -> str:
    return os.path.join(path, "blobs", *digest.split(":", 1))
