"""Hostile archives of images, each by name and with its verdict: what is wrong with the archive itself, not with a layer in it."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from typing import Callable, NamedTuple

from conman_kernel.errors import ConmanError, DigestMismatch, InvalidInput, NotFound
from conman_kernel.support.archives import headers
from conman_kernel.testing import images
from conman_kernel.testing.images import Entry, device, fifo, file, hardlink, symlink

SPOOL_LIMIT = 32 << 20
"""What the plugins are told to take of a packed archive here."""

TAR = images.layer([file("x", b"x" * 3000)], compress=False)
IMAGE = images.image([TAR])
CONFIG = IMAGE.blobs[IMAGE.image_id]


class Moved(NamedTuple):
    """One archive.

    :param error: None: it is accepted, and holds :data:`IMAGE`.
    """

    name: str
    make: Callable[[], bytes]
    error: type[ConmanError] | None = None
    words: tuple[str, ...] = ()


def tar(*entries: Entry) -> bytes:
    """An archive of members as they are."""
    return images.layer(entries, compress=False)


def docker(*more: Entry, layers: object = ("l.tar",), config: str = "c.json", document: bytes | None = None,
           first: tuple[Entry, ...] = ()) -> bytes:
    """A Docker archive of :data:`IMAGE`, with other members before and after its own."""
    rows = json.dumps([{"Config": config, "RepoTags": ["moved:1"], "Layers": layers}]).encode()
    return tar(*first, file("c.json", CONFIG), file("l.tar", TAR), file("manifest.json", rows if document is None else document), *more)


def oci(*more: Entry, index: bytes | None = None, version: bytes = b'{"imageLayoutVersion":"1.0.0"}') -> bytes:
    """An OCI archive of it; what comes later under a name counts."""
    row = {"mediaType": IMAGE.descriptor.media_type, "digest": IMAGE.descriptor.digest, "size": IMAGE.descriptor.size}
    blobs = [file(blob(digest), data) for digest, data in IMAGE.blobs.items()]
    top = json.dumps({"schemaVersion": 2, "manifests": [row]}).encode() if index is None else index
    return tar(*blobs, file("oci-layout", version), file("index.json", top), *more)


def blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def listed(**changed: object) -> bytes:
    """An index whose only entry says something else."""
    row: dict[str, object] = {"mediaType": IMAGE.descriptor.media_type, "digest": IMAGE.descriptor.digest,
                              "size": IMAGE.descriptor.size, **changed}
    return json.dumps({"schemaVersion": 2, "manifests": [row]}).encode()


def many(count: int) -> bytes:
    """An archive with so many members, the image's last."""
    return b"".join(headers.make(f"member-{number}", 0) for number in range(count - 3)) + docker()


def _pax(key: str, value: str) -> bytes:
    body = f" {key}={value}\n"
    length = len(body) + len(str(len(body) + 4))
    data = f"{length}{body}".encode()
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, len(data)
    return info.tobuf(tarfile.USTAR_FORMAT) + headers.padded(data)


def _header(size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def _sparse() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("l.tar")
        info.size = len(TAR)
        info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 40)}
        archive.addfile(info, io.BytesIO(TAR))
    return docker()[:-10240] + made.getvalue() if docker().endswith(bytes(10240)) else _joined(docker(), made.getvalue())


def _joined(first: bytes, second: bytes) -> bytes:
    return first.rstrip(b"\0") + bytes(-len(first.rstrip(b"\0")) % 512) + second


def _spoiled() -> bytes:
    data = bytearray(docker())
    data[5] ^= 1
    return bytes(data)


def _bomb(packer: str) -> bytes:
    if packer == "gzip":
        return gzip.compress(bytes(SPOOL_LIMIT + 512), 9)
    import subprocess

    return subprocess.run(["zstd", "-q", "-9"], input=bytes(SPOOL_LIMIT + 512), capture_output=True, check=True).stdout


def _missing(data: bytes, name: str) -> bytes:
    """Without one member."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        kept = []
        for member in archive:
            stream = archive.extractfile(member)
            if member.name != name and stream is not None:
                kept.append(file(member.name, stream.read()))
    return tar(*kept)


def _circle() -> bytes:
    """An index cannot name its own digest; one that says so is another document."""
    top = listed(mediaType="application/vnd.oci.image.index.v1+json", digest="sha256:" + "0" * 64)
    return oci(file("blobs/sha256/" + "0" * 64, top), index=listed(
        mediaType="application/vnd.oci.image.index.v1+json", digest="sha256:" + "0" * 64, size=len(top)))


BAD, GONE, OTHER = InvalidInput, NotFound, DigestMismatch
LAYER = images.digest_of(TAR)

CASES = (
    Moved("docker as it should be", docker), Moved("oci as it should be", oci),
    # names and links
    Moved("a layer that links to /etc/passwd", lambda: docker(symlink("l.tar", "/etc/passwd")), GONE, ("has no l.tar",)),
    Moved("a layer that links above the archive", lambda: docker(symlink("l.tar", "../../../../etc/passwd")), GONE, ("has no l.tar",)),
    Moved("a layer that is a hard link above the archive", lambda: docker(hardlink("l.tar", "../../etc/passwd")), GONE, ("has no l.tar",)),
    Moved("a layer that is a hard link to an absolute name", lambda: docker(hardlink("l.tar", "/etc/passwd")), GONE, ("has no",)),
    Moved("a layer that links within the archive", lambda: docker(file("a/b/l", TAR), symlink("l.tar", "./a/../a/b/l"))),
    Moved("a manifest.json that links to the host", lambda: docker(symlink("manifest.json", "/proc/self/environ")), BAD, ("holds no images",)),
    Moved("an index.json that links to the host", lambda: oci(symlink("index.json", "/etc/passwd")), BAD, ("it has no index.json",)),
    Moved("a blob that links to the host", lambda: oci(symlink(blob(LAYER), "/etc/passwd")), GONE, (LAYER.partition(":")[2],)),
    Moved("links in a circle", lambda: docker(symlink("l.tar", "m"), symlink("m", "l.tar")), BAD, ("circle",)),
    Moved("a link to itself", lambda: docker(symlink("c.json", "c.json")), BAD, ("circle",)),
    Moved("layers named above the archive", lambda: docker(layers=["../../../etc/passwd"]), GONE, ("has no ../../../etc/passwd",)),
    Moved("a layer named absolutely", lambda: docker(layers=["/etc/passwd"]), GONE, ("has no /etc/passwd",)),
    Moved("a layer named absolutely that is a member", lambda: docker(layers=["/l.tar"])),
    Moved("members above the archive are none", lambda: docker(first=(file("../manifest.json", b"{"), file("a/../../c.json", b"{")))),
    Moved("members with absolute names", lambda: docker(file("/manifest.json", b"["), first=()), BAD, ("JSON",)),
    Moved("names that are no UTF-8", lambda: docker(file("\udcff\udcfe", b"x"))),
    Moved("a member twice, the last counts", lambda: docker(first=(file("manifest.json", b"{"), file("l.tar", b"")))),
    # kinds
    Moved("a layer that is a device", lambda: docker(device("l.tar", 1, 5)), GONE, ("has no l.tar",)),
    Moved("a layer that is a FIFO", lambda: docker(fifo("l.tar")), GONE, ("has no l.tar",)),
    Moved("a manifest.json that is a FIFO", lambda: docker(fifo("manifest.json")), BAD, ("no manifest.json",)),
    Moved("a layer stored with holes", _sparse, BAD, ("with holes",)),
    # counts and sizes
    Moved("a hundred thousand members", lambda: many(100_000)),
    Moved("one member more", lambda: many(100_001), BAD, ("more than the 100000 members",)),
    Moved("an extended header of a tebibyte", lambda: _header(1 << 40, tarfile.XHDTYPE) + bytes(2048), BAD, ("header", "1099511627776")),
    Moved("a name of 5000 bytes", lambda: _pax("path", "n" * 5000) + docker(), BAD, ("names longer",)),
    Moved("a negative size", lambda: _header(-1) + docker(), BAD, ("negative",)),
    Moved("an extended size that is no number", lambda: _pax("size", "many") + docker(), BAD, ("impossible size",)),
    Moved("an extended header without an end", lambda: _pax("path", "x").replace(b"\n", b"?", 1) + docker(), BAD, ("malformed",)),
    Moved("a member bigger than the archive", lambda: _header(1 << 30) + docker(), BAD, ("ends within its member",)),
    Moved("truncated in a header", lambda: docker()[:700], BAD, ("truncated|ends within",)),
    Moved("truncated in a layer", lambda: docker()[:4000], BAD, ("ends within its member",)),
    Moved("a wrong checksum", _spoiled, BAD, ("not a tar archive",)),
    Moved("a gzip bomb", lambda: _bomb("gzip"), BAD, (f"more than the {SPOOL_LIMIT} bytes",)),
    Moved("a zstd bomb", lambda: _bomb("zstd"), BAD, (f"more than the {SPOOL_LIMIT} bytes",)),
    Moved("gzip that is cut short", lambda: gzip.compress(docker())[:-20], BAD, ("ends within its gzip data",)),
    Moved("gzip with a wrong checksum", lambda: gzip.compress(docker())[:-8] + bytes(8), BAD, ("not sound gzip",)),
    Moved("gzip with something behind it", lambda: gzip.compress(docker()) + b"tail", BAD, ("gzip",)),
    # documents
    Moved("manifest.json that is not UTF-8", lambda: docker(document=b"\xff\xfe[]"), BAD, ("not valid JSON",)),
    Moved("manifest.json nested deeply", lambda: docker(document=b"[" * 200_000), BAD, ("deeper than",)),
    Moved("manifest.json of 5 MiB", lambda: docker(document=b" " * (5 << 20) + b"[]"), BAD, ("4194304",)),
    Moved("a hundred thousand layers", lambda: docker(layers=["l.tar"] * 100_000), BAD, ("100000 layers",)),
    Moved("layers that are numbers", lambda: docker(layers=[1, 2]), BAD, ("not a string",)),
    Moved("fewer layers than the configuration says", lambda: docker(layers=[]), BAD, ("lists 1 layers",)),
    Moved("a layer that is not there", lambda: _missing(docker(), "l.tar"), GONE, ("has no l.tar",)),
    Moved("a configuration that is not there", lambda: _missing(docker(), "c.json"), GONE, ("has no c.json",)),
    Moved("a layer with other bytes", lambda: docker(file("l.tar", TAR.replace(b"xx", b"xy", 1))), OTHER, (LAYER,)),
    Moved("a configuration under another's digits", lambda: docker(file("0" * 64 + ".json", CONFIG), config="0" * 64 + ".json")),
    Moved("index.json nested deeply", lambda: oci(index=b'{"a":' * 100_000), BAD, ("deeper than",)),
    Moved("index.json that is not UTF-8", lambda: oci(index=b"\xff"), BAD, ("not valid JSON",)),
    Moved("a digest that is a path", lambda: oci(index=listed(digest="sha256:../../../../etc/passwd")), BAD, ("digest",)),
    Moved("a manifest of another size", lambda: oci(index=listed(size=7)), OTHER, ("7 bytes",)),
    Moved("a manifest of negative size", lambda: oci(index=listed(size=-5)), BAD, ("size",)),
    Moved("a configuration with other bytes", lambda: oci(file(blob(IMAGE.image_id), b"{" + CONFIG[1:-1] + b" ")), OTHER, (IMAGE.image_id,)),
    Moved("a blob with other bytes", lambda: oci(file(blob(LAYER), b"y" + TAR[1:])), OTHER, (LAYER,)),
    Moved("a blob that is not there", lambda: _missing(oci(), blob(LAYER)), GONE, (LAYER.partition(":")[2],)),
    Moved("a layout of another version", lambda: oci(version=b'{"imageLayoutVersion":"9.0.0"}'), BAD, ("9.0.0",)),
    Moved("an index that lists itself", _circle, OTHER, ()),
)
