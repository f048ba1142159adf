"""The log: PROTOCOL.md, "Log"."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from conman_shim.log import CriLog


def test_the_form_of_a_record(rig) -> None:
    rig.start(rig.runtime("sh", "-c", "echo hello"))
    rig.exited()
    text = (rig.folder / "log").read_text()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z stdout F hello\n", text)
    assert (rig.folder / "log").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("pieces", [
    [b"a\nb\n"], [b"\n\n\n"], [b"no newline"], [b"half", b" line\n"], [b"a\nhalf", b"\n", b"x\n"], [b"half", b"\n\nrest"],
    [b"\xff\xfe\x00 not utf-8\n"], [b"x" * 100_000, b"y" * 10, b"\n"], [b"crlf\r\n"], [b" leading and trailing \n"],
])
def test_what_was_written_can_be_read_back_exactly(tmp_path: Path, pieces: list[bytes]) -> None:
    log = CriLog(bytes(tmp_path / "log"))
    for piece in pieces:
        log.write(1, piece)
        log.write(2, b"other stream\n")
    log.close()
    content = (tmp_path / "log").read_bytes()
    found = b""
    for record in content.split(b"\n")[:-1]:
        _, stream, tag, text = record.split(b" ", 3)
        if stream == b"stdout":
            found += text + (b"\n" if tag == b"F" else b"")
    assert found == b"".join(pieces)


def test_a_full_disk_loses_records_and_says_how_many(tmp_path: Path) -> None:
    log = CriLog(b"/dev/full")
    log.write(1, b"text\n")
    assert log.lost > 5
    assert "space" in log.why
    log.close()


def test_a_full_disk_does_not_stop_the_container(rig) -> None:
    rig.start(rig.runtime("sh", "-c", "seq 1 100; exit 2"), "log_path=/dev/full")
    name, records = rig.heard()
    assert name == "notice"
    assert "were lost" in records["text"]
    assert rig.exited()["code"] == "2"


def test_a_log_that_cannot_be_opened_is_an_error_before_anything_starts(rig) -> None:
    rig.configure(rig.runtime("touch", rig.path("ran")), "log_path=/no/such/folder/log")
    name, records = rig.heard()
    assert (name, records["stage"]) == ("error", "log")
    assert not (rig.folder / "ran").exists()


def test_the_driver_none_makes_no_file(rig) -> None:
    rig.start(rig.runtime("echo", "x"), "log_driver=none")
    rig.exited()
    assert not (rig.folder / "log").exists()


def test_a_ten_megabyte_line(rig) -> None:
    rig.start(rig.runtime("sh", "-c", "head -c 10000000 /dev/zero | tr '\\0' z; echo; echo after"))
    rig.exited()
    assert rig.logged() == "z" * 10_000_000 + "\nafter\n"
