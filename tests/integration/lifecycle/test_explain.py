"""``--explain``: what it says is what then happens, and it changes nothing, not even beside the index."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from conman_kernel.testing.command import Command


def tree(folder: str) -> dict[str, tuple[int, ...]]:
    """Everything below a folder, down to change times: what is made and removed again changes its folder's."""
    found: dict[str, tuple[int, ...]] = {}
    for parent, _, names in os.walk(folder):
        for name in ("", *names):
            state = os.lstat(os.path.join(parent, name))
            found[os.path.join(parent, name)] = (state.st_ino, state.st_mode, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
    return found


def document(store: Command, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(store.ok(*arguments))
    return found


def test_the_spec_and_the_mounts_are_those_of_the_real_run(store: Command, box: str) -> None:
    asked = ("-v", "/usr:/u:ro", "-e", "A=b", "--memory", "64m", "--cap-drop", "all", "--user", "1000:7", "-w", "/tmp", "--hostname", "here", "--name",
             "one", box, "sleep", "100")
    told = document(store, "run", "-d", "--explain", "--format", "json", *asked)
    assert told["WouldPull"] is False and told["Spec"]
    store.ok("run", "-d", *asked)
    id = str(store.inspect("one")["Id"])
    real = Path(store.run_root, "containers", id, "config.json").read_text()
    assert json.loads(json.dumps(told["Spec"]).replace("0" * 64, id).replace("000000000000", id[:12])) == json.loads(real)
    (mount,) = told["Mounts"]
    where = Path(store.run_root, "containers", id, "rootfs")
    line = next(line for line in Path("/proc/self/mountinfo").read_text().splitlines() if f" {where} " in line)
    lower = mount.split("lowerdir=")[1].split(",")[0]
    assert mount.startswith("overlay ") and f"lowerdir={lower}" in line
    command = {one["For"]: one["Argv"] for one in told["Commands"]}
    assert command["run"][0].endswith("runc") and "run" in command["run"] and command["shim"]
    store.ok("rm", "-f", "-t", "0", "one")


@pytest.mark.parametrize("at_work", [False, True], ids=["at rest", "while a container runs"])
def test_nothing_at_all_is_changed(store: Command, box: str, at_work: bool) -> None:
    if at_work:
        store.ok("run", "-d", "--name", "busy", box, "sleep", "100")
    before = tree(store.folder)
    for arguments in (("run", "--explain", box, "true"), ("create", "--explain", "--name", "x", box, "true"), ("pull", "--explain", box),
                      ("run", "--rm", "-it", "--explain", "nosuch.example/image", "x"), ("run", "--explain", "--pull", "always", box, "x"),
                      ("pull", "--explain", f"oci:{store.folder}/nowhere")):
        assert store.ok(*arguments).startswith("plugins:\n")
        assert tree(store.folder) == before, arguments
    assert store.ok("doctor") and tree(store.folder) == before


def test_an_empty_store_is_not_made(box: str, tmp_path: Path) -> None:
    command = Command(str(tmp_path))
    assert "would be pulled first" in command.ok("run", "--explain", box, "true")
    assert box in command.ok("pull", "--explain", box)
    assert list(tmp_path.iterdir()) == []


def test_who_chose_what_with_file_and_line(store: Command, box: str) -> None:
    config = Path(store.folder, "config/conman/conman.toml")
    config.parent.mkdir(parents=True)
    config.write_text('[runtime]\nname = "runc-runtime"\n')
    chosen = {one["Slot"]: (one["Name"], one["Why"]) for one in document(
        store, "run", "--storage-driver", "vfs-storage", "--explain", "--format", "json", box, "true")["Plugins"]}
    assert chosen == {"conman.storage": ("vfs-storage", "storage.driver, command line"),
                      "conman.runtime": ("runc-runtime", f"runtime.name, {config}:2"),
                      "conman.attach": ("pty-attach", "attach.name, built in")}
    done = subprocess.run(store.argv("create", "--explain", box, "true"), capture_output=True, text=True, timeout=60,
                          env={**store.environ, "CONMAN_RUNTIME_NAME": "gone-runtime"})
    assert done.returncode == 125 and "environment CONMAN_RUNTIME_NAME" in done.stdout and "no plugin gone-runtime" in done.stdout


def test_a_pull_names_its_places_and_no_secret(store: Command, box: str) -> None:
    host = box.partition("/")[0]
    auth = Path(store.folder, "auth.json")
    auth.write_text(json.dumps({"auths": {host: {"auth": "bWU6czNjcmV0"}}}))
    config = Path(store.folder, "config/conman/conman.toml")
    config.parent.mkdir(parents=True)
    config.write_text(f'[registry."{host}"]\nmirrors = ["127.0.0.1:1/mirror"]\n')
    said = store.ok("pull", "--explain", "--authfile", str(auth), box)
    lines = said.splitlines()
    assert f"reference: {box}" in lines
    places = [line for line in lines if line.startswith(("mirror: ", "registry: "))]
    assert places[0].startswith("mirror: https://127.0.0.1:1/mirror/box") and places[1].startswith(f"registry: https://{host}/box")
    assert f"credentials: {auth}, entry {host}" in lines and "bWU6" not in said and "s3cret" not in said
    assert any(line.startswith("here already: ") and "of" in line for line in lines)


def test_what_would_be_refused_is_refused(store: Command, box: str) -> None:
    for arguments in (("run", "--explain", "--pull", "never", "nosuch.example/x", "true"), ("run", "--explain", "-v", "/no/such:/x", box, "true"),
                      ("run", "--explain", "--format", "xml", box, "true")):
        done = store(*arguments)
        assert done.returncode == 125 and done.stderr.startswith("Error: ") and done.stdout == ""
