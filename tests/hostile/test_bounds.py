"""Time and memory of hostile layers, the documented limits, and what the command line says of a refusal."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from conman_kernel.testing.command import Command
from conman_kernel.testing.hostile import links, names, nodes
from conman_kernel.testing.hostile.cases import Refused
from conman_kernel.testing.hostile.tars import header
from conman_kernel.testing.registry import Registry
from conman_kernel.worker.jobs import Limits
from conman_kernel.worker.zstandard import WINDOW_LOG

from .archives import forms, packed
from .measured import command, unpack
from .product import served

MOST_MEMORY = 150 * 1024
"""KiB that a process may hold, as the costs of a pull are promised."""
SECONDS = 60.0
LONG = bool(os.environ.get("CONMAN_STRESS"))
REFUSED = [case for case in [*names.CASES, *links.CASES, *nodes.CASES, *forms.CASES, *packed.CASES] if isinstance(case.verdict, Refused)]
ALL = REFUSED if LONG else REFUSED[::4]

ENTRIES = """
import sys
sys.path[:0] = sys.argv[2:]
from conman_kernel.testing.hostile.tars import file
many = b"".join(file(b".wh.%d" % (number % 7)) for number in range(1000))
try:
    for _ in range(int(sys.argv[1])):
        sys.stdout.buffer.write(many)
except BrokenPipeError:
    sys.stderr.close()
"""
ROOT = Path(__file__).parents[2]


@pytest.fixture
def target(place: Path) -> Path:
    folder = place / f"target{len(os.listdir(place))}"
    folder.mkdir()
    return folder


def test_more_entries_than_are_accepted(target: Path) -> None:
    """Ten million in the long version; the stream would go on for as many again."""
    most = Limits().entries if LONG else 300_000
    with subprocess.Popen([sys.executable, "-c", ENTRIES, str(2 * most // 1000), str(ROOT)], stdout=subprocess.PIPE) as stream:
        assert stream.stdout is not None
        found = unpack(stream.stdout, target, 580 if LONG else SECONDS, entries=most)
        stream.stdout.close()
    assert (found.code, found.said) == ("InvalidInput", f"the layer has more than {most} entries")
    assert found.peak < MOST_MEMORY and os.listdir(target) == []


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_a_bomb_is_refused_in_bounded_memory(kind: str, target: Path, place: Path) -> None:
    """Far more zeros than may be unpacked, in a stream a thousand times smaller; the limit is lowered, as nobody waits for 1 TiB."""
    size, most = (8 << 30, 4 << 30) if LONG else (768 << 20, 512 << 20)
    blob = place / "bomb"
    zeros = bytes(1 << 20)
    with open(blob, "wb") as out:
        if kind == "gzip":
            packer = zlib.compressobj(6, zlib.DEFLATED, 31)
            out.write(packer.compress(header(b"z", size=size)))
            for _ in range(size >> 20):
                out.write(packer.compress(zeros))
            out.write(packer.flush())
        else:
            out.write(packed.zst(header(b"z", size=size)))
            one = packed.zst(zeros)
            for _ in range(size >> 20):
                out.write(one)
    with open(blob, "rb") as stream:
        found = unpack(stream, target, 300 if LONG else SECONDS, size=most)
    blob.unlink()
    os.truncate(target / "z", 0) if (target / "z").exists() else None
    assert found.code == "InvalidInput" and "bigger than" in found.said
    assert found.peak < MOST_MEMORY


@pytest.mark.parametrize(("said", "limits"), [
    ("a PAX header of half the memory", {}), ("a million segments", {}), ("folders in each other", {})])
def test_headers_take_bounded_memory(said: str, limits: dict[str, int], target: Path, place: Path) -> None:
    from conman_kernel.testing.hostile.tars import file, pax, pax_sparse_10, tar

    deep = b"/".join([b"d"] * 255)
    blob = {"a PAX header of half the memory": tar(*(pax({b"comment": b"c" * 1_000_000}) for _ in range(50)), file(b"x")),
            "a million segments": tar(pax_sparse_10(b"x", [], 1 << 40, b"", table=b"130000\n" + b"0\n0\n" * 130_000)),
            "folders in each other": tar(*(file(deep + b"/%d" % n) for n in range(2000)))}[said]
    path = place / "headers"
    path.write_bytes(blob)
    with open(path, "rb") as stream:
        found = unpack(stream, target, SECONDS, **limits)
    assert found.code == "", found.said
    assert found.peak < MOST_MEMORY


def test_the_documented_limits_are_the_ones() -> None:
    """The table in docs/security.md and :class:`Limits` say the same."""
    from conman_kernel.worker import archive, sparse
    from conman_kernel.worker import unpack as unpacker

    text = (ROOT / "docs/security.md").read_text()
    table = dict(re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|$", text[text.index("| of a layer | at most |"):], re.M))
    limits = Limits()
    told = {
        "bytes when inflated, and bytes its files may read as (sparse ones too)": (f"{limits.size >> 40} TiB", limits.size == 1 << 40),
        "entries": (f"{limits.entries // 10**6} million", limits.entries % 10**6 == 0),
        "bytes of a name, and of a link's target": (str(limits.path), True),
        "folders in each other": (str(limits.depth), True),
        "bytes of an extended header (PAX, GNU long name)": (f"{limits.header >> 20} MiB", limits.header % (1 << 20) == 0),
        "segments of a sparse file": (f"{sparse._MAX_SEGMENTS // 10**6} million", True),
        "owner and group ids": (str(archive._MAX_ID), True),
        "default ACLs of all its folders together": (f"{unpacker._MOST_ACLS >> 20} MiB", True),
        "zstd window": (f"{1 << (WINDOW_LOG - 20)} MiB", True),
    }
    for name, (value, exact) in told.items():
        assert exact and table[name].startswith(value), (name, value, table[name])
    assert "major 4095, minor 1048575" in table["device numbers"]
    assert {"of a layer", "---"} | set(told) | {"device numbers"} >= set(table) - {"of a layer"}, "a limit is documented that no test knows"


@pytest.fixture(scope="module")
def conman(place: Path) -> Command:
    return Command(str(place / "cli"))


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_command_line(case: object, conman: Command, registry: Registry) -> None:
    """One line, exit code 125, no more memory than is promised, and nothing in the store."""
    assert hasattr(case, "built")
    name = f"cli-{case.name.lower()}:1"  # type: ignore[attr-defined]
    registry.add_image(served(case.built()), name)
    found = command(conman.argv("pull", "-q", f"{registry.host}/{name}"), conman.environ, SECONDS)
    lines = [line for line in found.said.splitlines() if not line.startswith("Hint:")]
    assert found.code == 125, found
    assert len(lines) == 1 and lines[0].startswith("Error: "), found.said
    assert found.peak < MOST_MEMORY


def test_command_line_leaves_a_clean_store(conman: Command) -> None:
    assert conman.ok("images", "-q") == ""
    report = conman("system", "check", "--max", "0s")
    assert report.returncode == 0, report.stdout + report.stderr
    ingest = Path(conman.root, "ingest")
    assert not ingest.exists() or os.listdir(ingest) == []
