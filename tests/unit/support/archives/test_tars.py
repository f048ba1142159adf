"""Tables of tars and tars that are written: ours against tarfile's and GNU tar's, and what no table takes."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conman_kernel.cancel import Cancel
from conman_kernel.errors import ConmanError, InvalidInput, NotFound
from conman_kernel.support.archives import headers
from conman_kernel.support.archives.sinks import open_sink
from conman_kernel.support.archives.table import Table, clean, read_table
from conman_kernel.support.archives.tarwriter import TarWriter

CANCEL = Cancel()


def table(data: bytes) -> Table:
    fd = os.memfd_create("table")
    try:
        os.write(fd, data)
        return read_table(fd, len(data), "it", CANCEL)
    finally:
        os.close(fd)


def content(data: bytes, name: str) -> bytes:
    place = table(data).find(name)[1]
    return data[place.start:place.start + place.size]


@pytest.mark.parametrize("name, wanted", [
    ("a", "a"), ("./a//b/.", "a/b"), ("/a", "a"), ("a/../b", "b"), ("../a", ""), ("a/../../b", ""), ("", ""), ("..", "")])
def test_names_are_cleaned(name, wanted):
    assert clean(name) == wanted


@pytest.mark.parametrize("form", ["v7", "ustar", "oldgnu", "gnu", "pax"])
def test_tables_of_what_gnu_tar_writes(tmp_path, form):
    long = "" if form == "v7" else "n" * 90 + "/"
    files = {f"{long}{name}": name.encode() * 700 for name in ("one", "two")}
    for name, data in files.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(data)
    (tmp_path / "in/link").symlink_to(next(iter(files)))
    os.link(tmp_path / "in" / next(iter(files)), tmp_path / "in/zhard")
    packed = subprocess.run(["tar", f"--format={form}", "--sort=name", "-C", tmp_path / "in", "-c", "."], check=True, capture_output=True).stdout
    for name, data in files.items():
        assert content(packed, name) == data
    assert content(packed, "link") == content(packed, "./zhard") == next(iter(files.values()))
    with pytest.raises(NotFound):
        content(packed, "three")


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=200).filter(lambda n: n not in (".", ".."))


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(names, st.binary(max_size=2000), max_size=6))
def test_what_is_written_is_read_by_us_and_by_tarfile(tmp_path_factory, files):
    path = tmp_path_factory.mktemp("tar") / "a.tar"
    writer = TarWriter(open_sink(str(path)), "a.tar")
    for name, data in files.items():
        assert writer.add_document(name, data, CANCEL) and not writer.add_document(name, b"again", CANCEL)
    writer.finish(CANCEL)
    writer.close()
    packed = path.read_bytes()
    assert len(packed) % 10240 == 0
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        found = {member.name: archive.extractfile(member) for member in archive}
        assert {name: stream.read() for name, stream in found.items() if stream is not None} == files
    for name, data in files.items():
        assert content(packed, name) == data


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 4095), st.binary(min_size=1, max_size=40))
def test_any_damage_is_a_typed_error_or_another_table(at, damage):
    good = headers.make("one", 700) + headers.padded(b"1" * 700) + headers.make("n" * 150, 9) + headers.padded(b"2" * 9) + bytes(1024)
    spoiled = good[:at] + damage + good[at + len(damage):]
    try:
        found = table(spoiled)
    except ConmanError as error:
        assert isinstance(error, InvalidInput) and len(str(error).splitlines()) == 1
        return
    try:
        place = found.find("one")[1]
    except NotFound:
        return
    assert 0 <= place.start <= place.start + place.size <= len(spoiled)


def test_a_size_beyond_octal(tmp_path):
    made = headers.make("big", 1 << 34)
    assert headers.pax_size(headers.parse_pax(made[512:512 + headers.parse(made[:512]).size])) == 1 << 34
    path = Path(tmp_path, "sparse.tar")
    path.write_bytes(made)
    os.truncate(path, len(made) + (1 << 34) + 1024)
    fd = os.open(path, os.O_RDONLY)
    try:
        assert read_table(fd, os.fstat(fd).st_size, "it", CANCEL).find("big")[1].size == 1 << 34
    finally:
        os.close(fd)
    with tarfile.open(path) as archive:
        assert [member.size for member in archive] == [1 << 34]
