"""Every form of tar that layers come in, unpacked by the worker."""

from __future__ import annotations

import gzip
import hashlib
import os
import stat
import subprocess
import tarfile

import pytest

from conman_kernel.errors import InvalidInput
from conman_kernel.worker.jobs import Limits


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_kind_of_entry(bench, new_layer, form):
    layer = new_layer(form).folder("d/", 0o1751, uid=3, gid=4).add("d/f", data=b"hello" * 1000, mode=0o4755, uid=7)
    layer.symlink("d/s", "../nowhere").link("d/h", "d/f").add("d/p", tarfile.FIFOTYPE, mode=0o640)
    layer.add("d/c", tarfile.CHRTYPE, device=(5, 1), mode=0o620, gid=5).add("d/b", tarfile.BLKTYPE, device=(8, 300))
    result = bench.unpack(layer)
    assert (result.diff_id, result.entries, result.size) == (digest(layer.bytes()), 7, len(layer.bytes()))
    d = bench.root / "d"
    assert stat.S_IMODE(d.stat().st_mode) == 0o1751 and (d.stat().st_uid, d.stat().st_gid) == (3, 4)
    assert d.stat().st_mtime == 1_600_000_000
    f = (d / "f").stat()
    assert (stat.S_IMODE(f.st_mode), f.st_uid, f.st_nlink, f.st_mtime) == (0o4755, 7, 2, 1_600_000_000)
    assert (d / "f").read_bytes() == b"hello" * 1000 and (d / "h").samefile(d / "f")
    assert os.readlink(d / "s") == "../nowhere" and (d / "s").lstat().st_mtime == 1_600_000_000
    assert stat.S_ISFIFO((d / "p").stat().st_mode) and stat.S_IMODE((d / "p").stat().st_mode) == 0o640
    c, b = (d / "c").stat(), (d / "b").stat()
    assert stat.S_ISCHR(c.st_mode) and c.st_rdev == os.makedev(5, 1) and stat.S_IMODE(c.st_mode) == 0o620
    assert stat.S_ISBLK(b.st_mode) and b.st_rdev == os.makedev(8, 300)


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_big_numbers_and_odd_bytes(bench, new_layer, form):
    long = "/".join(["x" * 200] * 5) + "/" + "y" * 255
    layer = new_layer(form).add(long, data=b"1", uid=4_000_000_000).symlink("s", "t" * 500)
    layer.link("h", long).add("caf\udce9 \u2713", data=b"2").add("old", mtime=-5)
    bench.unpack(layer, base=True)
    assert (bench.root / long).stat().st_uid == 4_000_000_000 and (bench.root / long).stat().st_nlink == 2
    assert os.readlink(bench.root / "s") == "t" * 500
    assert b"caf\xe9 \xe2\x9c\x93" in os.listdir(os.fsencode(bench.root))
    assert (bench.root / "old").stat().st_mtime == -5


def test_pax_times_have_fractions_and_global_headers_mean_nothing(bench, new_layer):
    layer = new_layer()
    info = tarfile.TarInfo("g")
    layer.raw(tarfile.TarInfo.create_pax_global_header({"path": "evil", "comment": "x"}))
    layer.add("a", mtime=1_600_000_000.25).add("b", mtime=-1.5)
    bench.unpack(layer)
    assert info.name == "g" and sorted(os.listdir(bench.root)) == ["a", "b"]
    assert (bench.root / "a").stat().st_mtime_ns == 1_600_000_000_250_000_000
    assert (bench.root / "b").stat().st_mtime_ns == -1_500_000_000


@pytest.mark.parametrize("version", ["gnu", "0.0", "0.1", "1.0"])
def test_sparse_files_keep_their_holes(bench, folder, version):
    source = folder / "sparse"
    with open(source, "wb") as file:
        for index in range(40):  # more segments than one old GNU header or continuation block holds
            file.seek(index * 100_000)
            file.write(b"%04d" % index * 1024)
        file.truncate(5_000_000)
    form = ["--format=gnu"] if version == "gnu" else ["--format=pax", f"--sparse-version={version}"]
    subprocess.run(["tar", "-S", *form, "-cf", folder / "l.tar", "-C", folder, "sparse"], check=True)
    bench.unpack((folder / "l.tar").read_bytes())
    made = bench.root / "sparse"
    assert os.listdir(bench.root) == ["sparse"]
    assert made.read_bytes() == source.read_bytes()
    assert made.stat().st_blocks * 512 < 1_000_000


def test_a_sparse_file_counts_with_what_it_reads_as(bench, folder):
    with open(folder / "sparse", "wb") as file:
        file.truncate(1 << 30)
    subprocess.run(["tar", "-S", "-cf", folder / "l.tar", "-C", folder, "sparse"], check=True)
    with pytest.raises(InvalidInput, match="bigger"):
        bench.unpack((folder / "l.tar").read_bytes(), limits=Limits(size=1 << 20))


def test_a_real_tar_of_many_sizes_equals_tar(bench, folder):
    (folder / "in").mkdir()
    for size in (0, 1, 511, 512, 513, 262_143, 262_144, 262_145, 1_000_000):
        (folder / "in" / f"f{size}").write_bytes(os.urandom(size))
    subprocess.run(["tar", "-cf", folder / "l.tar", "-C", folder / "in", "."], check=True)
    for data in ((folder / "l.tar").read_bytes(), gzip.compress((folder / "l.tar").read_bytes())):
        bench.unpack(data)
        assert subprocess.run(["diff", "-r", bench.root, folder / "in"], check=False).returncode == 0


def test_gzip_of_several_members_is_one_stream(bench, new_layer):
    data = new_layer().add("a", data=b"x" * 3000).bytes()
    packed = gzip.compress(data[:1000]) + gzip.compress(b"") + gzip.compress(data[1000:])
    assert bench.unpack(packed).diff_id == digest(data)


@pytest.mark.parametrize("end", [b"garbage", bytes(64), b"\x1f\x8b"])
def test_bytes_behind_a_gzip_stream_are_refused(bench, new_layer, end):
    with pytest.raises(InvalidInput, match="gzip"):
        bench.unpack(gzip.compress(new_layer().add("a").bytes()) + end)


def test_what_follows_the_archives_end_counts_for_the_diff_id_alone(bench, new_layer):
    data = new_layer().add("a").bytes() + bytes(10_240) + b"trailer"
    assert bench.unpack(data).diff_id == digest(data)


def test_empty_layers(bench):
    for data in (b"", bytes(512), bytes(1024), gzip.compress(bytes(1024))):
        assert bench.unpack(data).entries == 0


@pytest.mark.parametrize("magic, name", [(b"BZh9", "bzip2"), (b"\xfd7zXZ\x00", "xz")])
def test_other_compressions_are_named(bench, magic, name):
    with pytest.raises(InvalidInput, match=name) as caught:
        bench.unpack(magic + bytes(600))
    assert "gzip or zstd" in caught.value.hint


def test_xattrs_are_kept_but_overlayfs_own_are_not(bench, new_layer):
    capability = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
    layer = new_layer().add("f", data=b"x", uid=5, xattrs={"user.a": "1", "security.capability": capability,
                                                          "trusted.overlay.opaque": "y", "security.selinux": "z"})
    layer.folder("d/", xattrs={"user.d": "2", "trusted.overlay.redirect": "/etc"}).add("d/x")
    bench.unpack(layer)
    kept = set(os.listxattr(bench.root / "f")) - {"security.selinux"}
    assert kept == {"user.a", "security.capability"}
    assert os.getxattr(bench.root / "f", "security.capability") == capability.encode()
    assert os.listxattr(bench.root / "d") == ["user.d"]


@pytest.mark.parametrize("cut", [100, 512, 700, 1536, 2600])
def test_a_truncated_archive_is_refused(bench, new_layer, cut):
    data = new_layer().add("a" * 120, data=b"x" * 1000).bytes()
    with pytest.raises(InvalidInput, match="ends"):
        bench.unpack(data[:cut])


def test_a_truncated_gzip_stream_is_refused(bench, new_layer):
    data = gzip.compress(new_layer().add("a", data=os.urandom(100_000)).bytes())
    for cut in (15, 50_000, len(data) - 4):
        with pytest.raises(InvalidInput, match="gzip"):
            bench.unpack(data[:cut])


@pytest.mark.parametrize("change", [(0, b"X"), (148, b"0000000"), (100, b"99")])
def test_a_damaged_header_is_refused(bench, new_layer, change):
    data = bytearray(new_layer(tarfile.USTAR_FORMAT).add("a").bytes())
    data[change[0]:change[0] + len(change[1])] = change[1]
    with pytest.raises(InvalidInput):
        bench.unpack(bytes(data))


@pytest.mark.parametrize("record", [b"11 path=a\n", b"x path=a\n", b"9 path\n\n\n", b"9 =path=\n", b"12 path=a\0b\n",
                                    b"17 size=-1234567\n", b"99 path=a\n", b"13 mtime=abc\n"])
def test_a_malformed_pax_header_is_refused(bench, new_layer, record):
    info = tarfile.TarInfo("p")
    info.type, info.size = tarfile.XHDTYPE, len(record)
    layer = new_layer().raw(info.tobuf(tarfile.USTAR_FORMAT) + record + bytes(-len(record) % 512)).add("a")
    with pytest.raises(InvalidInput):
        bench.unpack(layer)


@pytest.mark.parametrize("limits, word", [
    (Limits(size=2000), "bigger"), (Limits(entries=2), "entries"), (Limits(path=50), "longer"),
    (Limits(depth=3), "components"), (Limits(header=100), "extended header"),
])
def test_limits_refuse(bench, new_layer, limits, word):
    layer = new_layer().add("a/b/c/d").add("e").add("f" * 150)
    with pytest.raises(InvalidInput, match=word):
        bench.unpack(layer, limits=limits)
    assert bench.unpack(layer, base=True).entries == 3
