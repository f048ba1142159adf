"""What podman and containerd make of the layers of the corpus: recorded in ``peers.json``, and podman asked anew.

``accepted`` is the verdict's own tree where there is one; ``another tree`` is explained below or by the case; ``not asked``
is what would have filled the disk (both write holes as zeros).
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.testing.hostile.cases import Accepted, Case
from conman_kernel.testing.hostile.verdicts import disagreements

from .peers import Podman
from .product import served
from .test_archives import CASES

RECORDED: dict[str, list[str]] = json.loads((Path(__file__).parent / "peers.json").read_text())
"""Name of a case -> podman, containerd."""
OVERLAYFS = "each layer is unpacked by itself and stacked by overlayfs, which knows no symlinks between layers"
WHY = {
    "dotdot-opaque": "overlayfs knows no opaque root", "opaque-root": "overlayfs knows no opaque root",
    "root-attributes": "they leave the root as they made it",
    "whiteout-not-there": "overlayfs lists the deletion's device in a folder that is only in one layer",
    "symlink-folder-two-layers": OVERLAYFS, "symlink-folder-listed-two-layers": OVERLAYFS, "symlink-dangling-folder-two-layers": OVERLAYFS,
    "whiteout-through-a-symlink": OVERLAYFS, "whiteout-through-a-symlink-up": OVERLAYFS,
    "opaque-through-a-symlink": OVERLAYFS, "opaque-through-a-symlink-up": OVERLAYFS,
    "device-0-0-in-the-lowest": "containerd shows it, as overlayfs does where nothing lies below",
    "overlay-redirect": "podman keeps the attribute, which overlayfs then takes for its own",
    "whiteout-and-entry": "the deletion gives way to the folder, which is not made opaque",
    "aufs-bookkeeping": "they keep the folder", "pax-mtime-before-1970": "they begin at 1970", "mtime-negative": "they begin at 1970",
    "hard-link-to-deleted-in-this-layer": "on overlayfs it is a link of the deletion's own device, and so a second deletion",
}
LONG = bool(os.environ.get("CONMAN_STRESS"))
ASKED = [case for case in CASES if RECORDED[case.name][0] != "not asked"]


def test_every_case_is_recorded() -> None:
    assert list(RECORDED) == [case.name for case in CASES]
    assert {word for row in RECORDED.values() for word in row} <= {"accepted", "refused", "another tree", "not asked"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_both_accept_is_accepted(case: Case) -> None:
    """But for the documented limits, and what is explained."""
    row = RECORDED[case.name]
    if isinstance(case.verdict, Accepted):
        assert "another tree" not in row or case.peers or case.name in WHY, row
    else:
        assert "refused" in row or "not asked" in row or case.limit or case.name in WHY, row


@pytest.fixture(scope="module")
def podman(place: Path) -> Iterator[Podman]:
    if shutil.which("podman") is None:
        pytest.skip("there is no podman on this host")
    peer = Podman(place / "podman")
    yield peer
    peer.close()


@pytest.mark.parametrize("case", ASKED if LONG else ASKED[::8], ids=lambda case: case.name)
def test_podman_now(case: Case, podman: Podman) -> None:
    said = podman.take(served(case.built()), case.name)
    if said:
        assert RECORDED[case.name][0] == "refused", said
        return
    differences = []
    if isinstance(case.verdict, Accepted):
        with podman.shown(case.name) as path:
            try:
                differences = disagreements(path, case.verdict.tree)
            except FileNotFoundError as error:  # overlayfs lists what is not there
                differences = [str(error)]
    podman.forget(case.name)
    assert RECORDED[case.name][0] == ("another tree" if differences else "accepted"), differences
