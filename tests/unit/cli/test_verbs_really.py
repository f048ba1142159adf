"""The verbs against a real kernel, runtime and image; expected output is what podman 4.3.1 printed for the same commands."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.testing.images import busybox_image, write_layout

from .conftest import CODE, Command, by_bash

pytestmark = [pytest.mark.integration,
              pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts, namespaces and cgroups")]

PS_KEYS = {"AutoRemove", "Command", "CreatedAt", "Exited", "ExitedAt", "ExitCode", "Id", "Image", "ImageID", "IsInfra", "Labels",
           "Mounts", "Names", "Namespaces", "Networks", "Pid", "Pod", "PodName", "Ports", "Size", "StartedAt", "State", "Status",
           "Created", "Runtime", "Storage"}
IMAGE_KEYS = {"Id", "ParentId", "RepoTags", "RepoDigests", "Size", "SharedSize", "VirtualSize", "Labels", "Containers", "Names",
              "Digest", "History", "Created", "CreatedAt"}
ID = re.compile(r"[0-9a-f]{64}\n")


@pytest.fixture(scope="module")
def store() -> Iterator[tuple[str, ...]]:
    """One store in memory for the module, with the busybox image in it; its containers go at the end."""
    with tempfile.TemporaryDirectory(prefix="cc-", dir="/dev/shm") as name:
        folder = Path(name)
        (folder / "conman.toml").write_text("", "utf-8")
        write_layout(busybox_image(), str(folder / "layout"))
        yield ("--root", str(folder / "root"), "--run-root", str(folder / "run"), "--config", str(folder / "conman.toml"))


@pytest.fixture
def image(conman: Command, store: tuple[str, ...]) -> Iterator[str]:
    """The image's id; every container is removed after the test."""
    done = conman("pull", "-q", f"oci:{Path(store[1]).parent}/layout")
    assert done.returncode == 0 and ID.fullmatch(done.stdout) and done.stderr == ""
    yield done.stdout.strip()
    assert conman("rm", "--all", "--force", "--time", "0").returncode == 0


def ok(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_pull_says_what_it_does(conman: Command, store: tuple[str, ...], image: str) -> None:
    reference = f"oci:{Path(store[1]).parent}/layout"
    done = conman("pull", reference)
    lines = done.stderr.splitlines()
    assert done.stdout == image + "\n"
    assert lines[0] == f"Trying to pull {reference}..."
    assert lines[1].startswith("Copying blob sha256:") and lines[1].endswith("skipped: already exists")


def test_images(conman: Command, image: str) -> None:
    header, line = ok(conman("images")).splitlines()
    assert header.split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]
    assert image[:12] in line
    assert ok(conman("images", "-q")) == image[:12] + "\n"
    assert ok(conman("images", "-q", "--no-trunc")) == f"sha256:{image}\n"
    assert ok(conman("image", "ls", "--noheading")).splitlines() == [line]
    assert ok(conman("images", "no-such-thing")) == "REPOSITORY  TAG         IMAGE ID    CREATED     SIZE\n"
    (document,) = json.loads(ok(conman("images", "--format", "json")))
    assert set(document) - {"Dangling"} == IMAGE_KEYS - (set() if "Names" in document else {"Names"})
    assert document["Id"] == image and document["Containers"] == 0
    assert ok(conman("images", "--format", "{{.Id}} {{.Tag}}")).split()[0] == image


def test_run_gives_output_and_exit_code(conman: Command, image: str) -> None:
    done = conman("run", "--rm", image, "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")
    done = conman("run", "--rm", "-i", image, "cat", stdin="from here\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "from here\n", "")
    assert conman("run", "--rm", image, "no-such-command").returncode == 127
    assert conman("run", "--rm", image, "/etc").returncode == 126
    assert ok(conman("ps", "-aq")) == ""


def test_options_reach_the_container(conman: Command, image: str, tmp_path: Path) -> None:
    (tmp_path / "env").write_text("FROM_FILE=1\n# no\n", "utf-8")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "here").write_text("bound", "utf-8")
    done = conman("run", "--rm", "-e", "A=1", "-eB=2", "--env", "TAKEN", "--env-file", str(tmp_path / "env"), "-w", "/tmp", "-u",
                  "1000:1000", "-h", "box", "-v", f"{tmp_path}/data:/data:ro", "--tmpfs", "/scratch:size=1m", "--entrypoint",
                  '["sh", "-c"]', image, "echo $A$B$FROM_FILE$TAKEN; pwd; id -u; hostname; cat /data/here; touch /data/x || true",
                  TAKEN="mine")
    assert done.stdout.split() == ["121mine", "/tmp", "1000", "box", "bound"], done.stderr
    assert "Read-only file system" in done.stderr


def test_life_of_a_container(conman: Command, image: str, tmp_path: Path) -> None:
    id = ok(conman("run", "-d", "--name", "life", "--cidfile", str(tmp_path / "cid"), "--label", "a=b", image, "sh", "-c",
                   "echo started; exec sleep 1000"))
    assert ID.fullmatch(id) and (tmp_path / "cid").read_text("utf-8").strip() == id.strip()
    header, line = ok(conman("ps")).splitlines()
    assert header.split() == ["CONTAINER", "ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
    assert line.startswith(id[:12]) and line.endswith(" life") and "  Up " in line
    (document,) = json.loads(ok(conman("ps", "--format", "json")))
    assert set(document) == PS_KEYS
    assert document["State"] == "running" and document["Names"] == ["life"] and document["Labels"] == {"a": "b"}
    assert document["Pid"] > 0 and document["ExitedAt"] == -62135596800 and document["Id"] + "\n" == id
    assert ok(conman("ps", "--format", "table {{.Names}} {{.State}}")).split() == ["NAMES", "STATE", "life", "running"]
    done = conman("exec", "-e", "X=5", "life", "sh", "-c", "echo $X; exit 7")
    assert (done.returncode, done.stdout) == (7, "5\n")
    assert conman("exec", "life", "no-such-command").returncode == 127
    done = conman("rm", "life")
    assert done.returncode == 2 and "container state improper" in done.stderr
    assert conman("run", "--name", "life", image, "true").returncode == 125
    assert ok(conman("kill", "-s", "KILL", "life")) == "life\n"
    assert ok(conman("wait", "life", "life")) == "137\n137\n"
    assert ok(conman("logs", "life")) == "started\n"
    assert "Exited (137) " in ok(conman("ps", "-a"))
    assert ok(conman("ps", "-q")) == ""
    assert ok(conman("ps", "-aq", "--filter", "status=exited", "--filter", "name=life")) == id[:12] + "\n"
    assert conman("kill", "life").returncode == 125
    assert conman("exec", "life", "true").returncode == 255
    assert conman("attach", "life").returncode == 125
    assert ok(conman("start", "life")) == "life\n"
    assert ok(conman("stop", "-t", "0", "life")) == "life\n"
    assert ok(conman("stop", "life")) == "life\n"
    assert ok(conman("rm", "life")) == "life\n"


def test_start_attached_and_logs(conman: Command, image: str) -> None:
    ok(conman("create", "--name", "again", image, "sh", "-c", "echo out; echo err >&2; exit 4"))
    assert "  Created  " in ok(conman("ps", "-a"))
    for _ in range(2):
        done = conman("start", "-a", "again")
        assert (done.returncode, done.stdout, done.stderr) == (4, "out\n", "err\n")
    done = conman("logs", "again")
    assert (done.stdout, done.stderr) == ("out\nout\n", "err\nerr\n")
    done = conman("logs", "--tail", "1", "-t", "-n", "again")
    assert re.fullmatch(r"again \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}\S+ (out|err)\n", done.stdout + done.stderr)
    done = conman("logs", "--since", "1h", "again")
    assert done.stdout == "out\nout\n"
    assert conman("logs", "--until", "1h", "again").stdout == "out\nout\n", "an hour from now, as podman has it"
    assert conman("logs", "--until", "-1h", "again").stdout == ""


def test_several_and_errors(conman: Command, image: str) -> None:
    for name in ("one", "two"):
        ok(conman("create", "--name", name, image, "true"))
    done = conman("rm", "one", "nope", "two")
    assert done.returncode == 1 and done.stdout == "" and done.stderr.count("Error:") == 1
    assert len(ok(conman("ps", "-aq")).split()) == 2, "names are looked up before anything is done"
    ok(conman("start", "one", "two"))
    ok(conman("wait", "one", "two"))
    done = conman("kill", "one", "two")
    assert done.returncode == 125 and done.stderr.count("Error:") == 2
    assert ok(conman("rm", "one", "two")) == "one\ntwo\n"


def test_inspect(conman: Command, image: str) -> None:
    id = ok(conman("create", "--name", "seen", image, "true")).strip()
    (document,) = json.loads(ok(conman("inspect", "seen")))
    assert document["Id"] == id and document["State"]["Status"] == "created"
    assert ok(conman("inspect", "-f", "{{.Name}} {{.State.Status}}", "seen")) == "seen created\n"
    (document,) = json.loads(ok(conman("inspect", image)))
    assert document["Id"] == image and document["RootFS"]["Type"] == "layers"
    assert json.loads(ok(conman("image", "inspect", image))) == [document]
    done = conman("inspect", "seen", "nope")
    assert done.returncode == 125 and len(json.loads(done.stdout)) == 1
    assert done.stderr == 'Error: inspecting object: no such object: "nope"\n'
    done = conman("rmi", image)
    assert done.returncode == 2 and "seen" in done.stderr


def test_mount(conman: Command, image: str) -> None:
    ok(conman("create", "--name", "shown", image, "true"))
    where = ok(conman("mount", "shown")).strip()
    assert os.path.exists(where + "/bin/busybox") or os.listdir(where)
    assert where in ok(conman("mount"))
    assert ok(conman("umount", "shown")) == "shown\n"
    assert ok(conman("mount")) == ""


def test_replace_and_template_errors(conman: Command, image: str) -> None:
    first = ok(conman("create", "--name", "same", image, "true"))
    second = ok(conman("create", "--name", "same", "--replace", image, "true"))
    assert first != second and ok(conman("ps", "-aq", "--no-trunc")) == second
    done = conman("ps", "-a", "--format", "{{.Nmes}}")
    assert done.returncode == 125 and "did you mean .Names?" in done.stderr


def test_names_are_completed(conman: Command, store: tuple[str, ...], image: str, tmp_path: Path) -> None:
    for name in ("alpha", "alpine", "beta"):
        ok(conman("create", "--name", name, image, "true"))
    root, run_root = Path(store[1]), Path(store[3])
    assert by_bash(tmp_path, root, run_root, "conman", "rm", "al") == ["alpha", "alpine"]
    assert by_bash(tmp_path, root, run_root, "conman", "exec", "-it", "b") == ["beta"]


def test_a_reader_that_leaves(conman: Command, store: tuple[str, ...], image: str) -> None:
    ok(conman("run", "--name", "long", image, "sh", "-c", "seq 1 200000"))
    reader, writer = os.pipe()
    logs = subprocess.Popen([sys.executable, "-c", CODE, *store, "logs", "long"], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert os.read(reader, 2) == b"1\n"
    os.close(reader)
    _, err = logs.communicate(timeout=60)
    assert (logs.returncode, err) == (141, b"")
