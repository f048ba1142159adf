"""Every value of a file is found at its line, however it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from conman_kernel.config import load
from conman_kernel.config_lines import Lines

FILE = '''# a comment
keep_blobs = false
short_names = [   # over several lines
    "quay.io/x",  # storage.driver = "not here"
    "docker.io/library",
]
storage.driver = "vfs-storage"

[containers]
stop_timeout = 3
init_path = """\\
    /sbin/tini"""
shm_size = "1m"

[registry."reg.example:5000"]
mirrors = ["m1.example"]
[plugin.overlay-storage]
sync = false
[transports]
docker = "registry-pull"

[machine."web*"]
runtime = { name = "crun-runtime" }
[machine."web*".registry."reg.example:5000"]

insecure = true
[machine."other"]
storage.driver = "overlay-storage"
'''

AT = {
    "keep_blobs": "2", "short_names": "3", "storage.driver": "7", "containers.stop_timeout": "10", "containers.init_path": "11",
    "containers.shm_size": "13", 'registry."reg.example:5000".mirrors': "16", "plugin.overlay-storage.sync": "18",
    "transports.docker": "20", "runtime.name": '23 [machine."web*"]',
    'registry."reg.example:5000".insecure': '26 [machine."web*"]',
}


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "conman.toml"
    path.write_text(FILE)
    path.chmod(0o600)
    return str(path)


def test_every_value_has_its_line(file: str) -> None:
    lines = Lines()
    shown = {row.key: lines.origin(row) for row in load(file=file, environ={}, hostname="web1").show()}
    set_here = {key: origin for key, origin in shown.items() if origin.startswith(file)}
    assert set_here == {key: f"{file}:{at}" for key, at in AT.items()}


def test_what_no_file_set_is_told_as_before(file: str) -> None:
    config = load(file=file, environ={"CONMAN_STORAGE_DRIVER": "btrfs-storage"}, overrides={"keep_blobs": True}, hostname="web1")
    lines = Lines()
    assert [lines.origin(config.entry(key)) for key in ("storage.driver", "keep_blobs", "attach.name")] == [
        "environment CONMAN_STORAGE_DRIVER", "command line", "built in"]


def test_each_layer_wins_over_the_one_below(file: str) -> None:
    """Built in < file < [machine] < environment < command line, and the origin says which."""
    lines = Lines()

    def found(hostname: str, environ: dict[str, str], overrides: dict[str, object]) -> tuple[object, str]:
        entry = load(file=file, environ=environ, overrides=overrides, hostname=hostname).entry("storage.driver")
        return entry.value, lines.origin(entry)

    assert found("web1", {}, {}) == ("vfs-storage", f"{file}:7")
    assert found("other", {}, {}) == ("overlay-storage", f'{file}:28 [machine."other"]')
    environ = {"CONMAN_STORAGE_DRIVER": "btrfs-storage"}
    assert found("other", environ, {}) == ("btrfs-storage", "environment CONMAN_STORAGE_DRIVER")
    assert found("other", environ, {"storage.driver": "x-storage"}) == ("x-storage", "command line")


def test_a_file_that_is_gone_by_now_keeps_its_name(file: str) -> None:
    config = load(file=file, environ={}, hostname="web1")
    Path(file).unlink()
    assert Lines().origin(config.entry("keep_blobs")) == file
