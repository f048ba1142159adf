"""Images for tests, made in memory from Python: the same bytes every time, and able to lie where a test wants it.

::

    layer_1 = layer([directory("etc"), file("etc/motd", b"hello"), symlink("motd", "etc/motd")])
    made = image([layer_1], config={"Cmd": ["cat", "/motd"]})
    write_layout(made, "/dev/shm/layout", tag="latest")

Formats: OCI image-spec v1.1 (``manifest.md``, ``config.md``, ``image-index.md``, ``image-layout.md``) and Docker
image manifest version 2, schema 2.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import platform
import tarfile
import zlib
from typing import Iterable, Mapping, NamedTuple, Sequence

from ..oci.descriptor import Descriptor
from ..oci.platform import Platform

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
REF_NAME = "org.opencontainers.image.ref.name"


class Entry(NamedTuple):
    """One entry of a layer. ``name`` is written as it is: ``../x`` and ``/x`` are possible, on purpose.

    :param type: a ``tarfile`` type byte, such as ``tarfile.REGTYPE``.
    :param mtime: seconds since the epoch.
    :param xattrs: pairs of full name (``user.x``) and value.
    """

    name: str
    type: bytes = tarfile.REGTYPE
    mode: int = 0o644
    data: bytes = b""
    target: str = ""
    uid: int = 0
    gid: int = 0
    mtime: int | float = 1_600_000_000
    device: tuple[int, int] = (0, 0)
    xattrs: tuple[tuple[str, bytes], ...] = ()


def file(name: str, data: bytes = b"", *, mode: int = 0o644, uid: int = 0, gid: int = 0) -> Entry:
    """A regular file. Everything rarer: ``file(...)._replace(mtime=..., xattrs=...)``."""
    return Entry(name, mode=mode, data=data, uid=uid, gid=gid)


def directory(name: str, *, mode: int = 0o755, uid: int = 0, gid: int = 0) -> Entry:
    """A folder."""
    return Entry(name, tarfile.DIRTYPE, mode, uid=uid, gid=gid)


def symlink(name: str, target: str) -> Entry:
    """A symbolic link."""
    return Entry(name, tarfile.SYMTYPE, 0o777, target=target)


def hardlink(name: str, target: str) -> Entry:
    """A hard link to another entry's name."""
    return Entry(name, tarfile.LNKTYPE, target=target)


def device(name: str, major: int, minor: int, *, block: bool = False, mode: int = 0o666) -> Entry:
    """A character (or block) device."""
    return Entry(name, tarfile.BLKTYPE if block else tarfile.CHRTYPE, mode, device=(major, minor))


def fifo(name: str, *, mode: int = 0o644) -> Entry:
    """A named pipe."""
    return Entry(name, tarfile.FIFOTYPE, mode)


def whiteout(name: str) -> Entry:
    """The deletion of ``name`` of a layer below (OCI image-spec, ``layer.md``, whiteouts)."""
    folder, base = os.path.split(name)
    return Entry(os.path.join(folder, ".wh." + base), mode=0)


def opaque(folder: str) -> Entry:
    """The deletion of all that layers below have in ``folder``."""
    return Entry(os.path.join(folder, ".wh..wh..opq"), mode=0)


def layer(entries: Iterable[Entry], *, compress: bool = True) -> bytes:
    """A layer's tar stream (PAX), gzip-compressed unless told otherwise; equal entries give equal bytes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for entry in entries:
            info = tarfile.TarInfo(entry.name)
            info.type, info.mode, info.linkname = entry.type, entry.mode, entry.target
            info.uid, info.gid, info.mtime = entry.uid, entry.gid, entry.mtime
            info.devmajor, info.devminor = entry.device
            info.pax_headers = {f"SCHILY.xattr.{k}": v.decode("utf-8", "surrogateescape") for k, v in entry.xattrs}
            if entry.type == tarfile.REGTYPE:
                info.size = len(entry.data)
            archive.addfile(info, io.BytesIO(entry.data) if info.size else None)
    return gzip.compress(out.getvalue(), 6, mtime=0) if compress else out.getvalue()


class Image(NamedTuple):
    """A finished image or index: its top descriptor and every document and blob below, by digest.

    :param descriptor: of the manifest or index, true unless a lie was asked for.
    :param blobs: digest -> bytes of everything, manifests included.
    :param media_types: digest -> media type of what a registry serves as a manifest.
    :param image_id: digest of the configuration; ``""`` for an index.
    """

    descriptor: Descriptor
    blobs: Mapping[str, bytes]
    media_types: Mapping[str, str]
    image_id: str = ""


class Lies(NamedTuple):
    """What the documents are to say instead of the truth; None says the truth.

    :param diff_ids: the configuration's ``rootfs.diff_ids``.
    :param layer_digests: the manifest's layer digests (blobs stay stored under the true ones).
    :param layer_sizes: the manifest's layer sizes in bytes.
    :param layer_types: the manifest's layer media types.
    :param config_size: the manifest's size of the configuration in bytes.
    :param config_bytes: what is stored and described in place of a configuration.
    :param manifest: keys that replace those of the manifest.
    """

    diff_ids: Sequence[str] | None = None
    layer_digests: Sequence[str] | None = None
    layer_sizes: Sequence[int] | None = None
    layer_types: Sequence[str] | None = None
    config_size: int | None = None
    config_bytes: bytes | None = None
    manifest: Mapping[str, object] | None = None


def digest_of(data: bytes) -> str:
    """``sha256:<hex>`` of some bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def host_platform() -> Platform:
    """The platform of this machine in Go's names."""
    machine = platform.machine()
    return Platform("linux", {"x86_64": "amd64", "aarch64": "arm64", "i686": "386"}.get(machine, machine))


def _json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def _plain(blob: bytes) -> bytes:
    return zlib.decompress(blob, wbits=31) if blob[:2] == b"\x1f\x8b" else blob


def image(layers: Sequence[bytes], *, config: Mapping[str, object] | None = None, docker: bool = False,
          platform: Platform | None = None, lies: Lies | None = None,
          annotations: Mapping[str, str] | None = None) -> Image:
    """An image of finished layers.

    :param layers: layer blobs as :func:`layer` makes them, lowest first.
    :param config: the configuration's ``config`` object (``Cmd``, ``Env``, ``User``, ...).
    :param docker: write Docker schema 2 media types instead of OCI's.
    :param platform: what the configuration claims; the machine's own where None.
    :param lies: where the documents are not to say the truth.
    """
    lies = lies or Lies()
    where = platform or host_platform()
    ids = [digest_of(_plain(blob)) for blob in layers] if lies.diff_ids is None else list(lies.diff_ids)
    document: dict[str, object] = {
        "created": "2020-09-13T12:26:40Z", "architecture": where.architecture, "os": where.os,
        "config": dict(config or {}), "rootfs": {"type": "layers", "diff_ids": ids},
        "history": [{"created": "2020-09-13T12:26:40Z", "created_by": f"layer {n}"} for n in range(len(layers))],
    }
    if where.variant:
        document["variant"] = where.variant
    config_blob = _json(document) if lies.config_bytes is None else lies.config_bytes
    kind = DOCKER_LAYER if docker else OCI_LAYER
    suffix = ".gzip" if docker else "+gzip"
    rows: list[dict[str, object]] = []
    for number, blob in enumerate(layers):
        rows.append({
            "mediaType": (kind + (suffix if blob[:2] == b"\x1f\x8b" else "") if lies.layer_types is None
                          else lies.layer_types[number]),
            "digest": digest_of(blob) if lies.layer_digests is None else lies.layer_digests[number],
            "size": len(blob) if lies.layer_sizes is None else lies.layer_sizes[number],
        })
    manifest: dict[str, object] = {
        "schemaVersion": 2, "mediaType": DOCKER_MANIFEST if docker else OCI_MANIFEST,
        "config": {"mediaType": DOCKER_CONFIG if docker else OCI_CONFIG, "digest": digest_of(config_blob),
                   "size": len(config_blob) if lies.config_size is None else lies.config_size},
        "layers": rows,
    }
    if annotations:
        manifest["annotations"] = dict(annotations)
    manifest.update(lies.manifest or {})
    body = _json(manifest)
    media_type = DOCKER_MANIFEST if docker else OCI_MANIFEST
    digest = digest_of(body)
    blobs = {digest_of(blob): blob for blob in (*layers, config_blob, body)}
    return Image(Descriptor(media_type, digest, len(body), where), blobs, {digest: media_type},
                 digest_of(config_blob))


def index(images: Sequence[Image], *, docker: bool = False) -> Image:
    """An index (Docker: manifest list) over images; each is listed with the platform of its descriptor."""
    rows = []
    blobs: dict[str, bytes] = {}
    media_types: dict[str, str] = {}
    for member in images:
        row: dict[str, object] = {"mediaType": member.descriptor.media_type, "digest": member.descriptor.digest,
                                  "size": member.descriptor.size}
        if member.descriptor.platform is not None:
            where = member.descriptor.platform
            row["platform"] = {key: value for key, value in where._asdict().items() if value}
        rows.append(row)
        blobs.update(member.blobs)
        media_types.update(member.media_types)
    kind = DOCKER_LIST if docker else OCI_INDEX
    body = _json({"schemaVersion": 2, "mediaType": kind, "manifests": rows})
    blobs[digest_of(body)] = body
    media_types[digest_of(body)] = kind
    return Image(Descriptor(kind, digest_of(body), len(body)), blobs, media_types)


def write_layout(made: Image, path: str, *, tag: str = "latest") -> None:
    """Write an image (or add it) to an OCI layout folder; a tag that is there already moves.

    :param path: the folder; made where it does not exist.
    :param tag: its ``org.opencontainers.image.ref.name``; ``""`` writes none.
    """
    folder = os.path.join(path, "blobs", "sha256")
    os.makedirs(folder, exist_ok=True)
    for digest, data in made.blobs.items():
        with open(os.path.join(folder, digest.partition(":")[2]), "wb") as stream:
            stream.write(data)
    with open(os.path.join(path, "oci-layout"), "w", encoding="utf-8") as text:
        text.write('{"imageLayoutVersion":"1.0.0"}')
    top = os.path.join(path, "index.json")
    rows: list[dict[str, object]] = []
    if os.path.exists(top):
        with open(top, encoding="utf-8") as text:
            rows = [row for row in json.load(text)["manifests"]
                    if row.get("annotations", {}).get(REF_NAME, "") != tag]
    row: dict[str, object] = {"mediaType": made.descriptor.media_type, "digest": made.descriptor.digest,
                              "size": made.descriptor.size}
    if tag:
        row["annotations"] = {REF_NAME: tag}
    with open(top, "wb") as stream:
        stream.write(_json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [*rows, row]}))


def write_archive(made: Image, path: str, *, tag: str = "latest") -> None:
    """Write an image as an OCI archive: an uncompressed tar of its layout folder."""
    row: dict[str, object] = {"mediaType": made.descriptor.media_type, "digest": made.descriptor.digest,
                              "size": made.descriptor.size}
    if tag:
        row["annotations"] = {REF_NAME: tag}
    members = [directory("blobs"), directory("blobs/sha256")]
    members += [file("blobs/sha256/" + digest.partition(":")[2], data) for digest, data in made.blobs.items()]
    members += [file("index.json", _json({"schemaVersion": 2, "manifests": [row]})),
                file("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')]
    with open(path, "wb") as stream:
        stream.write(layer(members, compress=False))


PASSWD = b"""root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/:/bin/false
user:x:1000:1000:user:/home/user:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/false
"""
GROUP = b"""root:x:0:
daemon:x:1:
staff:x:50:user
extra:x:2000:user
user:x:1000:
nogroup:x:65534:
"""


def busybox_entries(busybox_path: str = "/bin/busybox") -> list[Entry]:
    """A small root file system around a static busybox: its applets as links, users, /tmp.

    :raises FileNotFoundError: there is no such binary (Debian: the package ``busybox-static``).
    """
    import subprocess

    with open(busybox_path, "rb") as stream:
        binary = stream.read()
    applets = subprocess.run([busybox_path, "--list"], check=True, stdout=subprocess.PIPE).stdout.decode().split()
    made = [directory(name) for name in ("bin", "dev", "etc", "home", "lib", "mnt", "opt", "proc", "run", "sbin", "sys",
                                         "usr", "usr/bin", "usr/sbin", "var", "var/log")]
    made += [directory("root", mode=0o700), directory("tmp", mode=0o1777), directory("var/tmp", mode=0o1777),
             directory("home/user", uid=1000, gid=1000),
             file("bin/busybox", binary, mode=0o755)]
    made += [symlink("bin/" + name, "busybox") for name in sorted(applets) if name != "busybox"]
    made += [symlink("usr/bin/env", "../../bin/busybox"), file("etc/passwd", PASSWD), file("etc/group", GROUP),
             file("etc/os-release", b'ID=busybox\nNAME="BusyBox"\n'), file("etc/profile", b"PS1='\\w # '\n")]
    return made


def busybox_image(busybox_path: str = "/bin/busybox", *, config: Mapping[str, object] | None = None,
                  extra: Sequence[bytes] = (), docker: bool = False) -> Image:
    """A runnable image made of the machine's static busybox.

    :param config: replaces keys of the configuration's ``config`` (default: ``sh``, a ``PATH``).
    :param extra: further layers on top.
    """
    settings: dict[str, object] = {
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": ["sh"]}
    settings.update(config or {})
    return image([layer(busybox_entries(busybox_path)), *extra], config=settings, docker=docker)
