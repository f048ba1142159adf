"""Image configurations, as tolerant and as strict as podman."""

from __future__ import annotations

import datetime
import json

import pytest

from conman_kernel.errors import InvalidInput
from conman_kernel.oci.image_config import History, created_seconds, parse_config
from conman_kernel.oci.platform import Platform

A = "sha256:" + "a" * 64
ROOTFS = {"type": "layers", "diff_ids": [A]}


def _parse(**document: object) -> object:
    return parse_config(json.dumps({"rootfs": ROOTFS, **document}).encode(), "the config")


def test_everything() -> None:
    found = parse_config(json.dumps({
        "created": "2024-05-06T07:08:09.5Z", "author": "me", "architecture": "arm64", "os": "linux", "variant": "v8",
        "config": {"User": "1:2", "Env": ["A=1", "B"], "Entrypoint": ["/e"], "Cmd": ["c", ""], "WorkingDir": "/w",
                   "Labels": {"k": "v", "n": None}, "StopSignal": "SIGQUIT", "Volumes": {"/b": {}, "/a": {}},
                   "ExposedPorts": {"80/tcp": {}}, "Shell": ["sh", "-c"], "Healthcheck": {"Test": ["CMD", "x"],
                   "Interval": 5},
                   "Unknown": 1},
        "rootfs": ROOTFS, "history": [{"created": "x", "created_by": "y", "empty_layer": True}],
        "moby": {"x": 1}}).encode(), "it")
    assert (found.user, found.env, found.entrypoint, found.cmd) == ("1:2", ("A=1", "B"), ("/e",), ("c", ""))
    assert (found.working_dir, dict(found.labels), found.stop_signal) == ("/w", {"k": "v", "n": ""}, "SIGQUIT")
    assert (found.volumes, found.exposed_ports, found.shell) == (("/a", "/b"), ("80/tcp",), ("sh", "-c"))
    assert found.healthcheck == {"Test": ["CMD", "x"], "Interval": 5}
    assert found.diff_ids == (A,)
    assert found.history == (History("x", "y", "", "", True),)
    assert found.platform == Platform("linux", "arm64")


def test_null_everywhere() -> None:
    run = dict.fromkeys(("User", "Env", "Entrypoint", "Cmd", "WorkingDir", "Labels", "StopSignal", "Volumes",
        "ExposedPorts", "Shell",
                         "Healthcheck"))
    nulls = _parse(config=run, created=None, author=None, architecture=None, os=None, variant=None, history=None)
    assert nulls == _parse() == _parse(config=None)


def test_a_command_may_be_one_string() -> None:
    found = parse_config(json.dumps({"rootfs": ROOTFS, "config": {"Cmd": "a b", "Entrypoint": "e"}}).encode(), "it")
    assert (found.entrypoint, found.cmd) == (("e",), ("a b",))


@pytest.mark.parametrize(("document", "words"), [
    ({"rootfs": None}, "rootfs.type"), ({"rootfs": {"type": "overlay", "diff_ids": []}}, "'overlay', not 'layers'"),
    ({"rootfs": {"type": "layers", "diff_ids": ["sha256:../../x"]}}, "diff_ids.*invalid digest"),
    ({"rootfs": {"type": "layers", "diff_ids": [A] * 501}}, "501 layers"), ({"config": []},
    "'config' is not an object"),
    ({"config": {"Env": "A=1"}}, "'Env' is not a list"), ({"config": {"Env": [1]}}, "'Env' is not a string"),
    ({"config": {"Cmd": {"a": 1}}}, "'Cmd'"), ({"config": {"Env": ["A=\0"]}}, "NUL"), ({"history": [3]}, "history"),
    ({"config": {"User": 3}}, "'User'"),
])
def test_refusals(document: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        _parse(**document)


@pytest.mark.parametrize("text", [
    "1970-01-01T00:00:00Z", "2024-02-29T23:59:59Z", "2023-12-31T23:59:59.999999Z", "2000-03-01T00:00:00+02:00",
    "2015-10-31T22:22:56.015925-07:30", "1969-12-31T23:59:59Z", "2100-03-01T12:00:00Z", "0001-01-01T00:00:00Z",
])
def test_created_seconds_agrees_with_the_calendar(text: str) -> None:
    wanted = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    assert created_seconds(text) == (wanted - epoch) // datetime.timedelta(seconds=1)


@pytest.mark.parametrize("text", ["", "yesterday", "2024-01-01", "2024-01-01T", "T", "1-2-3T4:5",
    "2024-01-01T00:00:00+x"])
def test_a_malformed_date_is_the_epoch(text: str) -> None:
    assert created_seconds(text) == 0
