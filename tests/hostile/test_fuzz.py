"""The readers of references, digests, documents and archives on whatever hypothesis thinks of: only typed errors, every time the same.

``CONMAN_STRESS=1`` looks twenty times as long. A finding becomes a named case of the corpus.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
from pathlib import Path
from typing import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conman_kernel.errors import ConmanError, InvalidInput
from conman_kernel.oci import digest as digests
from conman_kernel.oci import reference
from conman_kernel.oci.descriptor import descriptor_json, parse_descriptor
from conman_kernel.oci.image_config import parse_config
from conman_kernel.oci.manifest import Index, parse_manifest, select
from conman_kernel.oci.media_types import CONFIGS, INDEXES, MANIFESTS
from conman_kernel.testing.hostile import tars
from conman_kernel.testing.trees import read_tree
from conman_kernel.worker.archive import Archive
from conman_kernel.worker.failure import Failed, NeedsParent, Refused
from conman_kernel.worker.source import Source
from conman_kernel.worker.unpack import Unpacker

from .archives import packed

LONG = bool(os.environ.get("CONMAN_STRESS"))


def bounded(examples: int) -> settings:
    """So many examples, each within two seconds; the same ones every time, but for the long version."""
    return settings(max_examples=examples * (20 if LONG else 1), deadline=2000, derandomize=not LONG, database=None,
                    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much])


# references and digests

WORDS = st.sampled_from(["docker.io", "localhost", "host:5000", "[::1]:5", "library", "alpine", "a", "A", "..", ".", "-", "_", "__", "/", ":", "@",
                         "sha256:", "0" * 64, "f" * 64, "latest", "docker://", "oci:", "oci-archive:", "\u00e9", "\0", "\n", " ", "x" * 130, "%2e", "\\"])
NAMES = st.one_of(st.lists(WORDS, max_size=9).map("".join), st.text(max_size=60),
                  st.from_regex(r"([a-z0-9.-]{1,9}(:[0-9]{1,6})?/)?[a-z0-9._/-]{1,30}(:[\w.-]{1,20})?", fullmatch=True))


@bounded(1500)
@given(NAMES)
def test_references(text: str) -> None:
    try:
        found = reference.parse(text)
    except InvalidInput as error:
        assert len(str(error).splitlines()) == 1 and str(error).isprintable()
        with pytest.raises(InvalidInput):
            reference.parse(text)
        return
    assert reference.parse(str(found)) == found
    if not found.local:
        assert ".." not in found.path.split("/") and not found.path.startswith("/")
        full = found.expand(("docker.io/library",))
        assert all(one.domain and (one.tag or one.digest) and reference.parse(str(one)) == one for one in full)
        assert all(reference.parse(one.familiar()).expand(("docker.io/library",)) == (one,) for one in full)


@bounded(500)
@given(st.one_of(st.text(max_size=140), st.builds("{}:{}".format, st.sampled_from(["sha256", "sha512", "md5", "SHA256", ""]),
                                                  st.one_of(st.text("0123456789abcdefABCDEF/.\n\uff11", max_size=130), st.just("a" * 64), st.just("a" * 128)))))
def test_digests(text: str) -> None:
    try:
        algorithm, digits = digests.split(text)
    except InvalidInput as error:
        assert len(str(error).splitlines()) == 1
        return
    assert f"{algorithm}:{digits}" == text and text.isascii() and "/" not in text and len(digits) in (64, 128)


# documents

DIGESTS = st.sampled_from(["sha256:" + "0" * 64, "sha256:../../x", "", "sha512:" + "a" * 128])
JSON = st.recursive(st.one_of(st.none(), st.booleans(), st.integers(-(1 << 70), 1 << 70), st.floats(), st.text(max_size=8), DIGESTS),
                    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=6), inner, max_size=4)), max_leaves=8)
TYPES = st.sampled_from([*sorted(MANIFESTS), *sorted(INDEXES), *sorted(CONFIGS), "application/vnd.oci.image.layer.v1.tar+gzip", "x"])


def mostly(usual: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """What is expected, or now and then anything."""
    return st.integers(0, 9).flatmap(lambda number: JSON if number == 0 else usual)


PLATFORMS = st.fixed_dictionaries({}, optional={"os": mostly(st.sampled_from(["linux", "windows"])), "architecture": mostly(st.sampled_from(["amd64", "arm"])),
                                                "variant": mostly(st.sampled_from(["v7", "v8"]))})
DESCRIPTORS = st.fixed_dictionaries({}, optional={"mediaType": mostly(TYPES), "digest": mostly(DIGESTS), "size": mostly(st.integers(0, 1 << 40)),
                                                  "platform": mostly(PLATFORMS), "urls": JSON})
TOPS = st.fixed_dictionaries({"schemaVersion": mostly(st.just(2))}, optional={
    "mediaType": mostly(TYPES), "config": mostly(DESCRIPTORS), "layers": mostly(st.lists(DESCRIPTORS, max_size=3)),
    "manifests": mostly(st.lists(DESCRIPTORS, max_size=3)), "annotations": mostly(st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=2))})
TEXTS = st.lists(st.text(max_size=6), max_size=3)
SETTINGS = st.fixed_dictionaries({}, optional={
    "Env": mostly(TEXTS), "Cmd": mostly(TEXTS), "Entrypoint": mostly(TEXTS), "Labels": mostly(st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2)),
    "Volumes": mostly(st.dictionaries(st.text(max_size=3), JSON, max_size=2)), "Healthcheck": JSON, "User": mostly(st.text(max_size=5)), "StopSignal": JSON})
CONFIG = st.fixed_dictionaries({"rootfs": mostly(st.fixed_dictionaries({"type": mostly(st.just("layers")), "diff_ids": mostly(st.lists(DIGESTS, max_size=3))}))},
                               optional={"config": mostly(SETTINGS), "history": JSON, "created": mostly(st.text(max_size=30)), "os": JSON, "architecture": JSON})


def cut(data: bytes, where: int, byte: int) -> bytes:
    """A document with one byte changed, or as it is."""
    return data if where >= len(data) else data[:where] + bytes([byte]) + data[where + 1:]


def as_bytes(documents: st.SearchStrategy[object]) -> st.SearchStrategy[bytes]:
    return st.one_of(documents.map(lambda found: json.dumps(found).encode()), st.binary(max_size=50),
                     st.builds(lambda found, where, byte: cut(json.dumps(found).encode(), where, byte), documents, st.integers(0, 500), st.integers(0, 255)))


def twice(parse: Callable[[], object]) -> object:
    """What comes of it, which must be the same a second time."""
    found: list[object] = []
    for _ in range(2):
        try:
            found.append(parse())
        except ConmanError as error:
            assert len(str(error).splitlines()) == 1, str(error)
            found.append((type(error), str(error)))
    assert found[0] == found[1]
    return found[0]


@bounded(700)
@given(as_bytes(TOPS), TYPES)
def test_manifests_and_indexes(data: bytes, media_type: str) -> None:
    from conman_kernel.oci.platform import Platform

    found = twice(lambda: parse_manifest(data, media_type, "it"))
    if isinstance(found, Index):
        twice(lambda: select(found, Platform("linux", "amd64"), "it"))
        for entry in found.manifests:
            assert parse_descriptor(json.loads(json.dumps(descriptor_json(entry))), "it") == entry


@bounded(500)
@given(as_bytes(CONFIG))
def test_configurations(data: bytes) -> None:
    twice(lambda: parse_config(data, "it"))


# archives

PARTS = st.sampled_from([b"a", b"b", b"c", b"..", b".", b"", b"/", b".wh.a", b".wh.b", b".wh..wh..opq", b".wh.", b".wh..wh.plnk", b"\xff", b"n" * 260, b"d" * 90])
PATHS = st.one_of(st.lists(PARTS, min_size=1, max_size=4).map(b"/".join), st.just(b"../outside/x"), st.just(b"/etc/passwd"), st.binary(max_size=100))
NUMBERS = st.one_of(st.integers(0, 0o7777), st.sampled_from([b"\xff" * 12, b"\x80" + b"\0" * 6 + b"\1", b"", b"z", b"77777777777", b"  12 ", b"\x80\xff" + b"\xff" * 10]))
KINDS = st.sampled_from([b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"\0", b"S", b"g", b"x", b"L", b"K", b"V", b"Z"])
KEYS = st.sampled_from([b"path", b"linkpath", b"size", b"uid", b"gid", b"mtime", b"GNU.sparse.major", b"GNU.sparse.minor", b"GNU.sparse.map", b"GNU.sparse.size",
                        b"GNU.sparse.realsize", b"GNU.sparse.name", b"GNU.sparse.offset", b"GNU.sparse.numbytes", b"SCHILY.xattr.user.a",
                        b"SCHILY.xattr.trusted.overlay.opaque", b"SCHILY.xattr.system.posix_acl_default", b"comment"])
VALUES = st.one_of(PATHS, st.sampled_from([b"0", b"1", b"5", b"-1", b"99999999999999999999", b"0,1", b"0,1,1,1", b"1.5", b"y"]))
ENTRIES = st.one_of(
    st.builds(tars.file, PATHS, st.binary(max_size=600)), st.builds(tars.folder, PATHS), st.builds(tars.symlink, PATHS, PATHS), st.builds(tars.link, PATHS, PATHS),
    st.builds(tars.node, PATHS, st.sampled_from([b"3", b"4", b"6"]), st.integers(0, 3), st.integers(0, 3)),
    st.builds(lambda name, kind, size, mode, uid, link, mtime: tars.header(name, kind, size=size, mode=mode, uid=uid, link=link, mtime=mtime),
              PATHS, KINDS, NUMBERS, NUMBERS, NUMBERS, PATHS, NUMBERS),
    st.builds(tars.pax, st.lists(st.tuples(KEYS, VALUES), max_size=4)), st.builds(tars.pax_raw, st.binary(max_size=40)),
    st.builds(tars.gnu_name, PATHS), st.builds(tars.gnu_link, PATHS),
    st.builds(tars.gnu_sparse, PATHS, st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 20)), max_size=30), st.integers(0, 4000), st.binary(max_size=30)),
    st.builds(tars.pax_sparse_10, PATHS, st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 20)), max_size=5), st.integers(0, 4000), st.binary(max_size=30)))


@st.composite
def archives(draw: st.DrawFn) -> bytes:
    """An archive: valid entries, doubtful ones, maybe with some bytes changed, maybe compressed and then changed."""
    data = bytearray(tars.tar(*draw(st.lists(ENTRIES, max_size=8)), end=draw(st.sampled_from([tars.END, b"", bytes(512), b"junk"]))))
    for where, byte in draw(st.lists(st.tuples(st.integers(0, 1 << 13), st.integers(0, 255)), max_size=2)) if draw(st.booleans()) else []:
        if data:
            data[where % len(data)] = byte
    how = draw(st.sampled_from(["", "", "", "gzip", "zstd"]))
    if not how:
        return bytes(data)
    blob = bytearray(packed.gz(bytes(data)) if how == "gzip" else packed.zst(bytes(data)))
    for where, byte in draw(st.lists(st.tuples(st.integers(0, 1 << 10), st.integers(0, 255)), max_size=1)):
        blob[where % len(blob)] = byte
    return bytes(blob)


class Ground:
    """Two roots, and what lies around them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "outside").mkdir()
        (folder / "outside/x").write_text("untouched")
        self.before = self.around()

    def around(self) -> tuple[object, ...]:
        """Inode, times and content of everything beside the roots, the folder they lie in included."""
        found: list[object] = [sorted(os.listdir(self.folder))]
        for path in (self.folder, self.folder / "outside", self.folder / "outside/x", Path("/etc/passwd")):
            state = path.lstat()
            found.append((state.st_ino, state.st_mode, state.st_uid, state.st_nlink, state.st_size, state.st_mtime_ns))
        return tuple(found)

    def unpack(self, blobs: list[bytes], *, overlay: bool) -> list[str]:
        """Unpack layers on each other; returns verdicts up to the first refusal, or the tree. Nobody sees a refused layer's."""
        root = self.folder / "outside/../root"
        root.mkdir()
        os.utime(root, (0, 0))
        before = self.around()
        said: list[str] = []
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for number, blob in enumerate(blobs):
                said.append(self._one(fd, blob, overlay=overlay, base=number == 0))
                if not said[-1].startswith("sha256:"):
                    break
            assert self.around() == before
            if said[-1].startswith("sha256:"):
                tree = read_tree(str(root)).items()
                # a whiteout of overlayfs has a time of its own, which nobody sees either
                said += sorted(str((name, entry._replace(mtime=0) if entry.device == (0, 0) else entry)) for name, entry in tree)
        finally:
            os.close(fd)
            shutil.rmtree(root)
        return said

    def _one(self, fd: int, blob: bytes, *, overlay: bool, base: bool) -> str:
        with tempfile.TemporaryFile() as stream:
            stream.write(blob)
            stream.seek(0)
            others = set(threading.enumerate())
            source = Source(os.dup(stream.fileno()), 1 << 24, None)
            unpacker = Unpacker(fd, overlay=overlay, alone=overlay and not base, base=base, depth=256, path=4095)
            try:
                unpacker.run(Archive(source, 1 << 20, 1000, 1 << 24))
                return source.finish()
            except (Refused, NeedsParent) as error:
                assert len(str(error).splitlines()) == 1 and str(error).isprintable(), str(error)
                return f"{type(error).__name__}: {error}"
            except Failed as error:
                # what the file system does not take, such as an ACL that is none: one line as well
                assert len(str(error).splitlines()) == 1
                return f"Failed: {error}"
            finally:
                unpacker._tree.forget()
                # A worker ends at once after a refusal. Here its threads must be done before the descriptor is another file's.
                for thread in set(threading.enumerate()) - others:
                    thread.join(10)
                    assert not thread.is_alive()
                os.close(source._fd)


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    folder = Path(tempfile.mkdtemp(prefix="hf-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    yield Ground(folder)
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: devices and owners")
@pytest.mark.parametrize("overlay", [False, True])
def test_archives(ground: Ground, overlay: bool) -> None:
    @bounded(1000)
    @given(st.lists(archives(), min_size=1, max_size=2))
    def run(blobs: list[bytes]) -> None:
        mask = os.umask(0)
        try:
            assert ground.unpack(blobs, overlay=overlay) == ground.unpack(blobs, overlay=overlay)
        finally:
            os.umask(mask)

    run()
