"""The verbs on the store, as a program of its own runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Callable, Iterator

import pytest

from .conftest import HOST, Shelf, Store

CODE = "from conman_kernel.cli.entry import main; main()"
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def store(scratch: Path, shelf: Shelf) -> Iterator[Store]:
    made = Store(scratch, "overlay-storage", shelf)
    made.pull("one")
    made.pull("two")
    yield made
    made.close()


@pytest.fixture
def conman(store: Store, scratch: Path) -> Command:
    def run(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CONMAN_", "_CONMAN"))}
        kept["CONMAN_CONTAINERS_NETWORK"] = "none"
        return subprocess.run([sys.executable, "-c", CODE, "--root", str(scratch / "root"), "--run-root", str(scratch / "run"),
                               *words], input=stdin, capture_output=True, text=True, timeout=60, env=kept)

    return run


def test_tag_untag_exists(conman):
    assert conman("tag", "one", "mine", "other:2").returncode == 0
    assert conman("image", "exists", "mine").returncode == 0
    assert conman("untag", "one", "mine").returncode == 0
    done = conman("image", "exists", "mine")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    done = conman("image", "untag", "other:2", "nope")
    assert done.returncode == 125 and "nope: tag not known" in done.stderr
    assert "localhost/other" in conman("images").stdout


def test_history(conman):
    lines = conman("history", "one").stdout.splitlines()
    assert lines[0].split() == ["ID", "CREATED", "CREATED", "BY", "SIZE", "COMMENT"] and len(lines) == 4
    assert "layer 2" in lines[1] and "10.2 kB" in lines[1] and lines[2].startswith("<missing>")
    assert conman("history", "--human=false", "--format", "{{.Size}} {{.Created}}", "one").stdout.splitlines()[0] == (
        "10240 2020-09-13T12:26:40Z")
    assert conman("image", "history", "-q", "one").stdout.splitlines()[1:] == ["<missing>", "<missing>"]
    assert conman("history", "--format", "{{.Tags}}", "one").stdout.splitlines() == [f"[{HOST}/one:latest]", "[]", "[]"]
    first = json.loads(conman("history", "--format", "json", "one").stdout)[0]
    assert first["CreatedBy"] == "layer 2" and first["Created"] == first["created"] == "2020-09-13T12:26:40Z"
    assert [step["size"] for step in json.loads(conman("history", "--format", "json", "one").stdout)] == [10240] * 3


def test_tree(conman):
    text = conman("image", "tree", "one").stdout
    assert "Tags:     [registry.test/one:latest]" in text and "Size:     30.72kB" in text
    assert text.count("├── ID: ") == 2 and text.count("└── ID: ") == 1
    assert f"Top Layer of: [{HOST}/one:latest]" in text and f"Shared with: [{HOST}/two:latest]" in text
    assert conman("image", "tree").stdout.count("Image ID: ") == 2


def test_images_tells_what_is_shared(conman):
    lines = conman("images", "--sort", "repository", "--format", "{{.Repository}} {{.SharedSize}} {{.UniqueSize}}").stdout
    assert lines.splitlines() == [f"{HOST}/one 20.5 kB 10.2 kB", f"{HOST}/two 20.5 kB 10.2 kB"]
    assert {row["SharedSize"] for row in json.loads(conman("images", "--format", "json").stdout)} == {20480}
    assert conman("images", "-q", "--filter", "label!=kind").stdout == ""


def test_quiet_goes_before_a_template(conman):
    assert len(conman("images", "-q", "--format", "{{.Tag}}").stdout.splitlines()[0]) == 12


def test_codes_of_rmi(conman, store):
    store.create("one", "box")
    assert conman("rmi", "nope").returncode == 1
    assert conman("rmi", "one").returncode == conman("rmi", "nope", "one").returncode == conman("rmi", "one", "nope").returncode == 2
    assert conman("rmi", "nope", "UPPER").returncode == 125
    assert conman("rmi", "--force", "nope").returncode == 0
    done = conman("rmi", "--force", "one", "two")
    assert done.returncode == 0 and done.stdout.count("Deleted: ") == 2 and store.containers.list(all=True) == []


def test_df(conman, store):
    store.create("one", "box")
    lines = conman("system", "df").stdout.splitlines()
    assert lines[0].split() == ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]
    assert lines[1].split() == ["Images", "2", "1", "40.96kB", "10.24kB", "(25%)"]
    rows = {row["Type"]: row for row in json.loads(conman("system", "df", "--format", "json").stdout)}
    assert rows["Images"]["RawSize"] == 40960 and rows["Local Volumes"]["Total"] == 0
    assert conman("system", "df", "--format", "{{.Type}} {{.Active}}").stdout.splitlines()[1] == "Containers 0"
    assert "UNIQUE SIZE" in conman("system", "df", "-v").stdout
    assert conman("system", "df", "-v", "--format", "json").returncode == 125


def test_prunes_ask_first(conman, store):
    container = store.create("one", "box")
    for verb in (("system", "prune", "-a"), ("image", "prune", "-a"), ("container", "prune")):
        done = conman(*verb)
        assert done.returncode == 125 and "[y/N]" in done.stdout and "--force" in done.stderr
        assert conman(*verb, stdin="n\n").returncode == 0
    assert len(store.images.list()) == 2 and len(store.containers.list(all=True)) == 1
    done = conman("image", "prune", "--all", stdin="y\n")
    assert done.returncode == 0 and [image.names for image in store.images.list()] == [(f"{HOST}/one:latest",)]
    assert conman("container", "prune", "-f").stdout == f"{container}\n"
    done = conman("system", "prune", "--all", "--force", "--volumes")
    assert "Deleted Images" in done.stdout and done.stdout.splitlines()[-1].startswith("Total reclaimed space: ")
    assert store.images.list() == []


def test_check_and_repair(conman, store):
    assert conman("system", "check").stdout.splitlines()[-1] == "nothing wrong"
    (Path(store.layout.blobs) / "sha256" / ("a" * 64)).write_bytes(b"what")
    done = conman("system", "check")
    assert done.returncode == 1 and "blob-unknown: sha256:aaa" in done.stdout and done.stdout.endswith("1 finding\n")
    assert conman("system", "check", "--format", "{{.Kind}}").stdout == "blob-unknown\n"
    assert conman("system", "check", "--force").returncode == 125
    done = conman("system", "check", "--repair", "--format", "json")
    assert done.returncode == 0 and json.loads(done.stdout)["Repaired"][0]["Done"] == "removed"
    assert conman("system", "check", "--verify-layers", "--max", "0s").returncode == 0


def test_repair_tells_what_it_could_not_do(conman, store):
    for found in (Path(store.layout.blobs) / "sha256").iterdir():
        found.unlink()
    done = conman("system", "check", "-r")
    assert done.returncode == 1 and "failed: blob-missing" in done.stdout and done.stdout.endswith("findings left\n")
    assert conman("system", "check", "--repair-lossy").stdout.endswith("all repaired\n")
    assert len(store.images.list()) == 2, "their layers are whole"
