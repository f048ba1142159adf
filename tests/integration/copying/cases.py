"""docker's rules for ``cp`` as a table: source, destination, what is new or changed at the destination, or the error.

Source: docker's reference, "docker container cp". podman 4.3 does the same in every case but those marked, where it is noted
what it does; ``out`` marks what holds for podman's copies out of a container alone.
"""

from __future__ import annotations

from typing import Mapping, NamedTuple

TREE = {"x": "x", "up": "-> ../f", "sub/": "", "sub/y": "y"}
WHOLE = {"f": "file", "lf": "-> f", "ld": "-> d", "dangling": "-> nowhere", "e/": "", "d/": "",
         **{f"d/{name}": content for name, content in TREE.items()}}


def below(name: str, tree: Mapping[str, str]) -> dict[str, str]:
    """A tree in a folder of that name, which is new."""
    return {f"{name}/": "", **{f"{name}/{path}": content for path, content in tree.items()}}


def into(name: str, tree: Mapping[str, str]) -> dict[str, str]:
    """A tree in a folder that was there."""
    return {f"{name}/{path}": content for path, content in tree.items()}


class Case(NamedTuple):
    """One rule."""

    name: str
    source: str
    target: str
    new: Mapping[str, str] | None
    error: str = ""
    podman: str = ""


CASES = (
    Case("a file to a name that is not there", "f", "new", {"new": "file"}),
    Case("a file to a folder that is not there", "f", "new/", None, "could not be found"),
    Case("a file over a file", "f", "f", {"f": "file"}),
    Case("a file to a file with a slash", "f", "f/", None, "not a directory"),
    Case("a file into a folder", "f", "d", {"d/f": "file"}),
    Case("a file into a folder with a slash", "f", "d/", {"d/f": "file"}),
    Case("a file below a folder that is not there", "f", "no/new", None, "could not be found"),
    Case("a file over a link to a file", "f", "lf", {"f": "file"}, podman="out: replaces the link"),
    Case("a file into a link to a folder", "f", "ld", {"d/f": "file"}),
    Case("a file to a link to nothing", "f", "dangling", {"new": "file"}, podman="out: replaces the link"),
    Case("a file to a link to nothing with a slash", "f", "dangling/", None, "could not be found"),
    Case("a file over a folder in a folder", "f", "has", None, "what is no folder over a folder"),
    Case("a file over a link in a folder", "f", "hasl", {"hasl/f": "file"}),
    Case("a file over a FIFO", "f", "fifo", None, "neither a folder nor a regular file"),
    Case("a file with a slash", "f/", "new", None, "not a directory", podman="out: copies the file"),
    Case("a file as a folder", "f/.", "new", None, "not a directory", podman="out: copies the file, under its own name"),
    Case("a folder to a name that is not there", "d", "new", below("new", TREE)),
    Case("a folder to a folder that is not there", "d", "new/", below("new", TREE), podman="refuses"),
    Case("a folder with a slash to a name that is not there", "d/", "new", below("new", TREE)),
    Case("what lies in a folder to a name that is not there", "d/.", "new", below("new", TREE)),
    Case("what lies in a folder to a folder that is not there", "d/.", "new/", below("new", TREE), podman="refuses"),
    Case("a folder into a folder", "d", "d", into("d", below("d", TREE))),
    Case("a folder into a folder with a slash", "d", "d/", into("d", below("d", TREE))),
    Case("a folder with a slash into a folder", "d/", "d", into("d", below("d", TREE))),
    Case("what lies in a folder into a folder", "d/.", "d", into("d", TREE)),
    Case("a folder over a file", "d", "f", None, "destination must be a directory"),
    Case("what lies in a folder over a file", "d/.", "f", None, "destination must be a directory"),
    Case("a folder into a link to a folder", "d", "ld", into("d", below("d", TREE))),
    Case("what lies in a folder into a link to a folder", "d/.", "ld", into("d", TREE)),
    Case("what lies in a folder over a link to a file", "d/.", "lf", None, "destination must be a directory"),
    Case("a folder below a folder that is not there", "d", "no/new", None, "could not be found"),
    Case("a folder over a link in a folder", "d", "hasl", None, "a folder over what is none"),
    Case("a folder to a link to nothing", "d", "dangling", below("new", TREE), podman="out: fails"),
    Case("what lies in a folder to a link to nothing", "d/.", "dangling", below("new", TREE), podman="out: fails"),
    Case("a link to a file", "lf", "new", {"new": "file"}, podman="docker copies the link"),
    Case("a link to a file into a folder", "lf", "d", {"d/lf": "file"}, podman="out: names it f; docker copies the link"),
    Case("a link to a folder", "ld", "new", below("new", TREE), podman="docker copies the link"),
    Case("a link to a folder into a folder", "ld", "d", into("d", below("ld", TREE)), podman="out: names it d"),
    Case("what lies in a link to a folder", "ld/.", "d", into("d", TREE)),
    Case("a link to nothing", "dangling", "new", None, "could not be found"),
    Case("what is not there", "nope", "new", None, "could not be found"),
    Case("the folder above one", "d/..", "new", below("new", WHOLE), podman="out: copies d"),
    Case("the folder above a folder in one", "d/sub/..", "new", below("new", TREE), podman="out: copies d/sub"),
    Case("a dot", ".", "d", into("d", WHOLE)),
    Case("a clash deep in a tree changes nothing", "d/.", "f2", None, "what is no folder over a folder",
         podman="has copied a part by then"),
    Case("a clash among many changes nothing", ".", "full", None, "a folder over what is none",
         podman="has copied a part by then"),
)
