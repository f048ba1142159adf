"""gzip and zstd as other engines read them. Each verdict was tried with podman 4.3 and containerd 1.6: what both take is taken.

Both take several gzip members and several zstd frames, skippable ones among or behind them, reserved gzip flags, and any
compression under any media type. Neither takes anything behind the last member or frame, not even zeros, nor a wrong checksum.
containerd alone takes a skippable frame in front. Both take zstd windows up to 512 MiB; more than 128 MiB are over the limit here.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import sys

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import InvalidInput, Unavailable
from conman_kernel.worker import client, process
from conman_kernel.worker.client import Worker
from conman_kernel.worker.jobs import InflateRequest, InflateResult, Limits
from conman_kernel.worker.zstandard import module

zstd = module()
SKIPPABLE = b"\x57\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"


def pack(data: bytes, window: int = 0) -> bytes:
    """One frame; with ``window`` (a power of two) its header tells that and no size."""
    options = {zstd.CompressionParameter.checksum_flag: 1, zstd.CompressionParameter.compression_level: 1}
    if window:
        options[zstd.CompressionParameter.window_log] = window
    made = zstd.ZstdCompressor(options=options)
    return made.compress(data) + made.flush()


def flipped(data: bytes, index: int) -> bytes:
    changed = bytearray(data)
    changed[index] ^= 1
    return bytes(changed)


@pytest.fixture
def inflate(folder):
    def run(blob: bytes, limits: Limits | None = None) -> tuple[bytes, InflateResult]:
        (folder / "blob").write_bytes(blob)
        with (folder / "blob").open("rb") as source, (folder / "plain").open("w+b") as target:
            result = Worker().inflate(InflateRequest(source.fileno(), target.fileno(), Cancel(60), limits or Limits()))
            return target.read() or (folder / "plain").read_bytes(), result

    return run


@pytest.fixture
def plain(new_layer) -> bytes:
    return new_layer().add("f", data=os.urandom(3000) * 400).folder("d/").bytes()


def variants(plain: bytes) -> dict[str, bytes]:
    half = len(plain) // 2
    zipped, framed = gzip.compress(plain, 1, mtime=0), pack(plain)
    return {
        "plain": plain, "gzip": zipped, "zstd": framed,
        "gzip-two-members": gzip.compress(plain[:half]) + gzip.compress(plain[half:]),
        "gzip-empty-members": gzip.compress(b"") + zipped + gzip.compress(b""),
        "gzip-many-members": b"".join(gzip.compress(plain[at:at + 5000], 1) for at in range(0, len(plain), 5000)),
        "gzip-name-and-extra": zipped[:3] + b"\x0c" + zipped[4:10] + b"\x03\0abc" + b"name\0" + zipped[10:],
        "gzip-reserved-flags": zipped[:3] + b"\xe0" + zipped[4:],
        "zstd-two-frames": pack(plain[:half]) + pack(plain[half:]),
        "zstd-skippable-first": SKIPPABLE + framed, "zstd-skippable-last": framed + SKIPPABLE,
        "zstd-skippable-between": pack(plain[:half]) + SKIPPABLE + SKIPPABLE + pack(plain[half:]),
        "zstd-empty-frame": framed + pack(b""), "zstd-window-128M": pack(plain, 27),
    }


@pytest.mark.parametrize("name", variants(b"").keys())
def test_accepted(inflate, plain, name):
    read, result = inflate(variants(plain)[name])
    assert read == plain
    assert result == InflateResult("sha256:" + hashlib.sha256(plain).hexdigest(), len(plain))


def broken(plain: bytes) -> dict[str, tuple[bytes, str]]:
    zipped, framed = gzip.compress(plain, 1, mtime=0), pack(plain)
    return {
        "gzip-zeros-behind": (zipped + bytes(600), "gzip stream is broken"), "gzip-one-zero-behind": (zipped + b"\0", "ends early"),
        "gzip-garbage-behind": (zipped + b"garbage" * 50, "gzip stream is broken"),
        "gzip-half-a-member-behind": (zipped + zipped[:15], "ends early"),
        "gzip-wrong-crc": (flipped(zipped, -8), "gzip stream is broken"), "gzip-wrong-size": (flipped(zipped, -1), "gzip stream is broken"),
        "gzip-cut": (zipped[:-20], "ends early"), "gzip-no-trailer": (zipped[:-8], "ends early"), "gzip-magic-alone": (b"\x1f\x8b", "ends early"),
        "gzip-wrong-header-crc": (zipped[:3] + b"\x02" + zipped[4:10] + b"\0\0" + zipped[10:], "gzip stream is broken"),
        "zstd-wrong-checksum": (flipped(framed, -1), "zstd stream is broken"), "zstd-cut": (framed[:-6], "ends early"),
        "zstd-garbage-behind": (framed + b"garbage", "zstd stream is broken"), "zstd-zeros-behind": (framed + bytes(99), "zstd stream is broken"),
        "zstd-window-256M": (pack(plain, 28), "zstd stream is broken.*memory"),
        "zstd-magic-alone": (framed[:4], "ends early"), "zstd-skippable-cut": (framed + SKIPPABLE[:-1], "ends early"),
    }


@pytest.mark.parametrize("name", broken(b"").keys())
def test_refused(inflate, plain, name):
    blob, words = broken(plain)[name]
    with pytest.raises(InvalidInput, match=words):
        inflate(blob)


@pytest.mark.parametrize("part", [gzip.compress(b"", 1), pack(b""), SKIPPABLE, gzip.compress(b"x", 1), pack(b"x")],
                         ids=["empty-member", "empty-frame", "skippable", "member", "frame"])
def test_very_many_short_parts_take_time_by_their_bytes(inflate, part):
    """A whole buffer copied for each of them would be 20 gigabytes."""
    read, result = inflate(part * 160_000)
    assert read in (b"", b"x" * 160_000) and result.size == len(read)


@pytest.mark.parametrize("form", ["gzip", "zstd"])
def test_bombs_end_at_the_limit(inflate, folder, form):
    bomb = pack(bytes(1 << 28)) if form == "zstd" else gzip.compress(bytes(1 << 28), 9)
    assert len(bomb) < 1 << 20
    with pytest.raises(InvalidInput, match="bigger than 1000000 bytes"):
        inflate(bomb, Limits(size=1_000_000))
    assert (folder / "plain").stat().st_size <= 1_000_000


@pytest.fixture
def bare(folder, monkeypatch):
    """Workers start as where nothing but conman is installed: the folder on their path holds no other package."""
    (folder / "site").mkdir()
    (folder / "site" / "conman_kernel").symlink_to(os.path.dirname(os.path.dirname(process.__file__)))
    monkeypatch.setattr(process, "_ROOT", str(folder / "site"))
    monkeypatch.setattr(client, "_packages", lambda: "")


def test_both_libraries_read_gzip_alike(inflate, plain, bare):
    """Without isal a worker takes zlib."""
    for name, blob in variants(plain).items():
        if not name.startswith("zstd"):
            assert inflate(blob)[0] == plain, name
    for name, (blob, _) in broken(plain).items():
        if name.startswith("gzip"):
            with pytest.raises(InvalidInput, match="gzip stream (is broken|ends early)"):
                inflate(blob)


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="Python 3.14 brings compression.zstd")
def test_without_a_package_for_zstd(inflate, trees, plain, bare):
    with pytest.raises(Unavailable, match="zstd") as caught:
        inflate(pack(plain))
    assert "pip install 'conman[standard]'" in caught.value.hint
    with pytest.raises(Unavailable, match="zstd"):
        trees.pack(trees.make("root"), compression="zstd")


@pytest.mark.parametrize("form", ["gzip", "zstd", "plain"])
def test_a_pipe_that_gives_byte_by_byte(form, folder, plain):
    import threading

    blob = variants(plain)[form]
    reader, writer = os.pipe()

    def drip() -> None:
        with open(writer, "wb", buffering=0) as pipe:
            for at in range(12):
                pipe.write(blob[at:at + 1])
            pipe.write(blob[12:])

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        with (folder / "plain").open("wb") as target:
            result = Worker().inflate(InflateRequest(reader, target.fileno(), Cancel(60)))
    finally:
        thread.join()
        os.close(reader)
    assert result.size == len(plain) and (folder / "plain").read_bytes() == plain
