"""Health checks as rules: what the command line and the image say, and what a shim has written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conman_kernel.containers import parse_health
from conman_kernel.containers.context import Context
from conman_kernel.containers.health import Health, HealthResult, argv, health_file, read, resolve
from conman_kernel.containers.rows import options_json
from conman_kernel.errors import InvalidInput
from conman_kernel.oci.image_config import ImageConfig, parse_config
from conman_kernel.oci.runtime.options import ContainerOptions, HealthCheck, from_json, to_json
from conman_kernel.times import seconds_of

from .test_state import add, context  # noqa: F401 (a fixture)


def config(**healthcheck: object) -> ImageConfig:
    document = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}, "config": {
        "Shell": ["/bin/bash", "-lc"], **({"Healthcheck": healthcheck} if healthcheck else {})}}
    return parse_config(json.dumps(document).encode(), "the image")


@pytest.mark.parametrize(("text", "seconds"), [("1m30s", 90.0), ("100ms", 0.1), ("1.5h", 5400.0), ("0", 0.0), ("-3s", -3.0), ("+2s", 2.0), (".5s", 0.5),
                                               ("1h0m1s", 3601.0), ("1us", 1e-6), ("1µs", 1e-6), ("1μs", 1e-6), ("5ns", 5e-9), ("1.s", 1.0)])
def test_durations(text: str, seconds: float) -> None:
    assert seconds_of(text, "time") == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "1", "s", "1x", "1s2", "--1s", "1 s", "1s ", "1e3s", "infs", "٣s", "1m" * 100, "-"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        seconds_of(text, "healthcheck-interval")
    assert "healthcheck-interval" in caught.value.message


@pytest.mark.parametrize(("text", "test"), [
    ("curl -f http://x || exit 1", ("CMD-SHELL", "curl -f http://x || exit 1")), ("true", ("CMD-SHELL", "true")),
    ('["CMD", "a", "b c"]', ("CMD", "a", "b c")), ('["a", "b c"]', ("CMD", "a", "b c")), ('["CMD-SHELL", "a b"]', ("CMD-SHELL", "a b")),
    ("CMD a  b", ("CMD", "a", "b")), ("CMD-SHELL a  b", ("CMD-SHELL", "a  b")), ("none", ("NONE",)), ("NONE", ("NONE",)), ('["NONE"]', ("NONE",)),
    ("[ -e /ready ]", ("CMD-SHELL", "[ -e /ready ]")), ("CMDS x", ("CMD-SHELL", "CMDS x"))])
def test_commands(text: str, test: tuple[str, ...]) -> None:
    assert parse_health.command(text) == test


@pytest.mark.parametrize("text", ["", "  ", "CMD", "CMD-SHELL ", "[]", '[""]', '["CMD"]', '["CMD-SHELL", ""]', "[1]"])
def test_what_is_no_command(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_health.command(text)


def test_an_interval_may_be_none() -> None:
    assert parse_health.interval("disable") == 0.0
    for text in ("0", "0s", "-1s", "1us"):
        with pytest.raises(InvalidInput):
            parse_health.interval(text)


OWN = {"Test": ["CMD-SHELL", "own"], "Interval": 5_000_000_000, "Timeout": 2_000_000_000, "Retries": 9, "StartPeriod": 1_500_000_000}


def test_the_image_and_the_caller_field_by_field() -> None:
    assert resolve(None, config(**OWN), "i") == HealthCheck(("CMD-SHELL", "own"), 5.0, 2.0, 9, 1.5, "none", ("/bin/bash", "-lc"))
    mixed = resolve(HealthCheck(interval=0, retries=2, on_failure="kill"), config(**OWN), "i")
    assert mixed == HealthCheck(("CMD-SHELL", "own"), 0, 2.0, 2, 1.5, "kill", ("/bin/bash", "-lc"))
    assert resolve(HealthCheck(test=("CMD", "x")), config(), "i") == HealthCheck(("CMD", "x"), 30.0, 30.0, 3, 0.0)
    assert resolve(None, config(Test=["CMD", "x"], Interval=0, Timeout=0, Retries=0), "i") == HealthCheck(("CMD", "x"), 30.0, 30.0, 3, 0.0)


@pytest.mark.parametrize(("given", "image"), [(None, {}), (None, {"Test": ["NONE"]}), (None, {"Test": []}), (None, {"Interval": 5}),
                                              (HealthCheck(test=("NONE",)), OWN), (HealthCheck(interval=5.0), {})])
def test_no_check(given: HealthCheck | None, image: dict[str, object]) -> None:
    assert resolve(given, config(**image), "i") is None


@pytest.mark.parametrize(("given", "image"), [
    (HealthCheck(test=("CMD",)), {}), (HealthCheck(test=("true",)), {}), (HealthCheck(test=("CMD", "a\0b")), {}), (None, {"Test": ["SHELL", "x"]}),
    (None, {"Test": "true"}), (None, {"Test": ["CMD", "x"], "Interval": "1s"}), (None, {"Test": ["CMD", "x"], "Interval": -5}),
    (None, {"Test": ["CMD", "x"], "Retries": -1}), (HealthCheck(on_failure="explode"), OWN), (HealthCheck(on_failure="kill"), {}),
    (HealthCheck(timeout=0.0), OWN), (HealthCheck(interval=-2.0), OWN), (HealthCheck(retries=0), OWN), (HealthCheck(start_period=-2.0), OWN),
    (HealthCheck(interval=1e12), OWN)])
def test_what_cannot_be(given: HealthCheck | None, image: dict[str, object]) -> None:
    with pytest.raises(InvalidInput) as caught:
        resolve(given, config(**image), "i")
    assert "\n" not in caught.value.message


def test_the_command_line() -> None:
    assert argv(HealthCheck(test=("CMD", "a", "b"))) == ("a", "b")
    assert argv(HealthCheck(test=("CMD-SHELL", "a b"))) == ("/bin/sh", "-c", "a b")
    assert argv(HealthCheck(test=("CMD-SHELL", "a b"), shell=("bash", "-c"))) == ("bash", "-c", "a b")


def test_options_survive_the_index() -> None:
    options = ContainerOptions(restart="on-failure", restart_tries=2, health=HealthCheck(("CMD", "a"), 1.5, 2.0, 3, 0.0, "stop", ("sh",)))
    assert from_json(json.loads(json.dumps(to_json(options)))) == options


def test_what_the_shim_has_written(context: Context) -> None:  # noqa: F811
    row = add(context, options=options_json(ContainerOptions(health=HealthCheck(test=("CMD", "x")))))
    assert read(context, row) == Health("starting", 0, ())
    Path(health_file(context, row.id)).write_text("status=unhealthy\nstreak=4\ncheck=1000000000 2500000000 -1 \ncheck=3000000000 4000000000 2 6ec3ff6f\n")
    assert read(context, row) == Health("unhealthy", 4, (HealthResult(1.0, 2.5, -1, ""), HealthResult(3.0, 4.0, 2, "n��o")))
    assert read(context, row._replace(options="{}")) is None
