"""``-``: a tar from standard input into a container, and one of what is in it to standard output."""

from __future__ import annotations

import gzip
import io
import os
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from . import cases, trees
from .conftest import Inside


def tar(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for entry, data in entries:
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


def entry(name: str, **more: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    for key, value in more.items():
        setattr(made, key, value)
    return made


def listed(data: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {member.name: member for member in archive}


def packed(folder: Path) -> bytes:
    return subprocess.run(["tar", "-C", str(folder), "-c", "."], stdout=subprocess.PIPE, check=True).stdout


@pytest.mark.parametrize("compress", [lambda data: data, gzip.compress], ids=["plain", "gzip"])
def test_in(running: Inside, work: Path, folder: Path, compress) -> None:  # type: ignore[no-untyped-def]
    trees.source(folder)
    running.conman.ok("cp", "-", running.at("/desk"), stdin=compress(packed(folder)))
    assert trees.seen(work) == cases.WHOLE
    assert {(p.lstat().st_uid, p.lstat().st_gid) for p in work.rglob("*")} == {(0, 0)}
    running.conman.ok("cp", "--archive=false", "-", running.at("/desk"), stdin=compress(packed(folder)))
    assert ((work / "f").stat().st_uid, (work / "d").stat().st_gid) == (9, 8)


def test_out(running: Inside, work: Path) -> None:
    trees.source(work)
    os.link(work / "f", work / "e/hard")
    os.mkfifo(work / "fifo")
    whole = listed(running.conman.raw("cp", running.at("/desk"), "-").stdout)
    inner = {f"desk/{name.rstrip('/')}" for name in cases.WHOLE}
    assert whole.keys() == {"desk", "desk/e/hard", "desk/fifo", *inner}
    assert (whole["desk/f"].uid, whole["desk/f"].gid, whole["desk/d"].mode) == (9, 10, 0o751), "owners are what they are"
    assert whole["desk/f"].linkname == "desk/e/hard" and whole["desk/fifo"].isfifo()
    contents = listed(running.conman.raw("cp", running.at("/desk/."), "-").stdout)
    assert contents.keys() == {name.removeprefix("desk/") for name in whole} - {"desk"}
    assert listed(running.conman.raw("cp", running.at("/desk/lf"), "-").stdout).keys() == {"lf"}


def test_there_and_back(running: Inside, work: Path, folder: Path) -> None:
    trees.source(work / "src")
    (work / "src/big").write_bytes(os.urandom(3_000_001))
    (work / "dst").mkdir()
    data = running.conman.raw("cp", running.at("/desk/src/."), "-").stdout
    running.conman.ok("cp", "-", running.at("/desk/dst"), stdin=data)
    done = subprocess.run(["diff", "-r", "--no-dereference", str(work / "src"), str(work / "dst")], stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (0, b"")


def test_to_a_file_whose_reader_is_gone(running: Inside, work: Path) -> None:
    (work / "big").write_bytes(bytes(8 << 20))
    with running.conman.start("cp", running.at("/desk"), "-") as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.read(1000)
        process.stdout.close()
        assert process.wait(60) == 125
        assert process.stderr.read() == b"Error: nobody reads the archive any more\n"


@pytest.mark.parametrize("data, text", [
    (b"", "source must be a (compressed) tar archive when copying from stdin: it is empty"),
    (b"hallo\n" * 200, "source must be a (compressed) tar archive when copying from stdin"),
    (b"BZh91AY&SY" + bytes(600), "bzip2"),
    (tar((entry("f"), b"x" * 3000))[:1024], "ends early")], ids=["empty", "text", "bzip2", "cut off"])
def test_what_is_no_archive(running: Inside, work: Path, data: bytes, text: str) -> None:
    done = running.conman("cp", "-", running.at("/desk"), stdin=data)
    assert done.returncode == 125 and text in done.stderr and "layer" not in done.stderr
    assert os.listdir(work) == []


def test_only_into_a_folder(running: Inside, work: Path) -> None:
    (work / "f").write_text("f")
    for name in ("f", "none"):
        done = running.conman("cp", "-", running.at(f"/desk/{name}"), stdin=tar((entry("x"), b"x")))
        assert done.returncode == 125 and "destination must be a directory when copying from stdin" in done.stderr


def test_hostile_names(running: Inside, work: Path, folder: Path) -> None:
    """An archive stays below the folder it is unpacked into, its links included; what stands for a deletion in a layer is a name."""
    (work / "in").mkdir()
    link = entry("up", type=tarfile.SYMTYPE, linkname="../..")
    data = tar((entry("../../escaped"), b"1"), (entry("/absolute"), b"2"), (link, b""), (entry("up/through"), b"3"),
               (entry(".wh.passwd"), b"4"), (entry(".wh..wh..opq"), b"5"))
    running.conman.ok("cp", "-", running.at("/desk/in"), stdin=data)
    assert trees.seen(work) == {"in/": "", "in/escaped": "1", "in/absolute": "2", "in/up": "-> ../..", "in/through": "3",
                                "in/.wh.passwd": "4", "in/.wh..wh..opq": "5"}


def test_folders_that_an_archive_does_not_describe(running: Inside, work: Path) -> None:
    (work / "d").mkdir(mode=0o700)
    os.chown(work / "d", 5, 6)
    os.utime(work / "d", ns=(10**18, 10**18))
    running.conman.ok("cp", "-", running.at("/desk"), stdin=tar((entry("d/f"), b"1"), (entry("new/f"), b"2")))
    state, new = (work / "d").stat(), (work / "new").stat()
    assert (state.st_mode & 0o777, state.st_uid, state.st_gid) == (0o700, 5, 6), "one that is there stays as it is"
    assert new.st_mode & 0o777 == 0o755 and new.st_mtime_ns > 10**18


def test_bits_of_another_owner(running: Inside, work: Path) -> None:
    data = tar((entry("theirs", mode=0o4755, uid=5), b"1"), (entry("roots", mode=0o4755), b"2"))
    running.conman.ok("cp", "-", running.at("/desk"), stdin=data)
    assert stat.S_IMODE((work / "theirs").stat().st_mode) == 0o755 and stat.S_IMODE((work / "roots").stat().st_mode) == 0o4755


def test_a_backup_by_cp(running: Inside, work: Path, folder: Path) -> None:
    trees.source(work / "data")
    with open(folder / "backup.tar.gz", "wb") as out, running.conman.start("cp", running.at("/desk/data/."), "-") as process:
        assert process.stdout is not None
        subprocess.run(["gzip"], stdin=process.stdout, stdout=out, check=True)
        assert process.wait(60) == 0
    (work / "restored").mkdir()
    with open(folder / "backup.tar.gz", "rb") as stream:
        running.conman.ok("cp", "--archive=false", "-", running.at("/desk/restored"), stdin=stream.read())
    assert trees.seen(work / "restored") == trees.seen(work / "data")
    assert (work / "restored/f").stat().st_uid == 9
