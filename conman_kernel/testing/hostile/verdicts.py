"""Compare a tree on the disk with what a case says of it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Mapping

from ..trees import Entry, read_tree
from .cases import What

MOST_DATA = 1 << 27
"""Files that are bigger are not read."""


def disagreements(path: str, wanted: Mapping[str, What]) -> list[str]:
    """How the tree at ``path`` differs from a verdict's, one line each."""
    found = read_tree(path, content=False)
    lines = [f"{name}: is there, a {entry.kind}" for name, entry in sorted(found.items()) if name != "." and name not in wanted]
    for name, what in wanted.items():
        entry = found.get(name)
        lines += [f"{name}: is not there"] if entry is None else [f"{name}: {line}" for line in _compare(path, name, entry, what)]
    return lines


def _compare(path: str, name: str, entry: Entry, what: What) -> list[str]:
    pairs: list[tuple[str, object, object]] = [("kind", entry.kind, what.kind)]
    for label, found, wanted in (("mode", oct(entry.mode), None if what.mode is None else oct(what.mode)),
                                 ("owner", (entry.uid, entry.gid), what.owner), ("size", entry.size, what.size),
                                 ("target", entry.target, what.target), ("device", entry.device, what.device),
                                 ("mtime", entry.mtime, what.mtime), ("xattrs", entry.xattrs, what.xattrs)):
        if wanted is not None:
            pairs.append((label, found, wanted))
    if what.data is not None and entry.kind == "file" and entry.size <= MOST_DATA:
        pairs.append(("content", _digest(Path(path, name).read_bytes()), _digest(what.data)))
    if what.same is not None:
        pairs.append(("linked to", what.same in entry.links, True))
    return [f"{label} is {found!r}, not {wanted!r}" for label, found, wanted in pairs if found != wanted]


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()
