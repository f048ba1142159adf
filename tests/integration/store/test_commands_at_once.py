"""Two commands on one store at once, real processes: a pull that stands still at a chosen byte while another one works."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from conman_kernel.testing.registry import Action, Fault

from .conftest import finish, sound

ROUNDS = 4 if os.environ.get("CONMAN_STRESS") else 2
STANDSTILLS = [(0, 100_000), (1, 0), (2, 100_000)]
"""Which layer's download stands still, and at which byte; busybox is larger, the other two hold 200 kB."""


@pytest.fixture(params=["overlay-storage", pytest.param("vfs-storage", marks=pytest.mark.stress)])
def command(request, command):
    command.environ["CONMAN_STORAGE_DRIVER"] = request.param
    return command


@pytest.fixture
def held(command, shop):
    """Begins ``pull NAME``, which stands still at a byte of one of its layers."""

    def begin(image: str, number: int, at: int):
        shop.registry.fail(Fault(Action.HOLD, on=f"GET /v2/{image}/blobs/{shop.layers(image)[number]}", times=1, at=at))
        process = command.start("pull", "-q", shop.name(image))
        shop.registry.wait_held()
        return process

    return begin


def test_two_pulls_download_each_layer_once(command, shop, held):
    for number, at in STANDSTILLS:
        shop.registry.forget()
        first = held("one", number, at)
        second = command.start("pull", "-q", shop.name("one"))
        third = command.start("pull", "-q", shop.name("two"))
        shop.registry.let_go()
        assert [finish(process)[0] for process in (first, second, third)] == [0, 0, 0]
        for digest in {*shop.layers("one"), *shop.layers("two")}:
            assert shop.registry.count("GET", digest) == 1, (number, at)
        assert len(sound(command)) == 2
        command.ok("rmi", "--all")
    assert json.loads(command.ok("system", "df", "--format", "json"))[0]["RawSize"] == 0


OTHERS = {
    "rmi": ("rmi", "one"), "rmi-force": ("rmi", "-f", "one"), "image-prune": ("image", "prune", "-af"),
    "system-prune": ("system", "prune", "-af"), "untag": ("untag", "one"), "tag": ("tag", "one", "other"),
    "repair": ("system", "check", "--repair", "--max", "0s"), "df": ("system", "df", "-v"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_pull_keeps_what_it_needs_while(command, shop, held, other):
    """``one`` is there, ``two`` shares two layers with it: what becomes of ``one`` while ``two`` is under way, ``two`` runs."""
    for at in (0, 199_000):
        command.ok("pull", "-q", shop.name("one"))
        pull = held("two", 2, at)
        done = command(*OTHERS[other])
        assert done.returncode == 0, done.stdout + done.stderr
        assert "repaired" not in done.stdout and "failed" not in done.stdout
        shop.registry.let_go()
        assert finish(pull) == (0, "")
        assert shop.name("two") in sound(command)
        command.ok("image", "prune", "-af")


@pytest.mark.parametrize("other", ["rmi", "image-prune", "system-prune", "repair"])
def test_a_pull_of_nothing_yet_is_no_prunes_affair(command, shop, held, other):
    for number, at in STANDSTILLS:
        pull = held("one", number, at)
        done = command(*OTHERS[other])
        assert done.returncode == (1 if other == "rmi" else 0), done.stdout + done.stderr
        shop.registry.let_go()
        assert finish(pull) == (0, "")
        assert sound(command) == [shop.name("one")]
        command.ok("rmi", "one")


def test_a_pull_and_an_rmi_of_its_own_image(command, shop):
    """The image is there and pulled by another name; the answer to "what is it" stands still while the image goes."""
    shop.registry.add_image(shop.made["one"], "other:latest")
    for _ in range(3):
        command.ok("pull", "-q", shop.name("one"))
        shop.registry.fail(Fault(Action.HOLD, on="GET /v2/other/manifests/", times=1))
        pull = command.start("pull", "-q", shop.name("other"))
        shop.registry.wait_held()
        command.ok("rmi", "one")
        shop.registry.let_go()
        assert finish(pull) == (0, "")
        assert sound(command) == [shop.name("other")]
        command.ok("rmi", "other")


def test_a_killed_pull_beside_another_one(command, shop, held):
    """The second takes over the layer that the first one held, from the byte where it stood."""
    for at in (50_000, 150_000):
        first = held("one", 2, at)
        second = command.start("pull", "-q", shop.name("one"))
        first.kill()
        first.communicate(timeout=60)
        assert finish(second) == (0, "")
        assert sound(command) == [shop.name("one")]
        command.ok("rmi", "one")


def at_once(command, *lines: tuple[str, ...]) -> list[tuple[int, str]]:
    return [finish(process) for process in [command.start(*words) for words in lines]]


def test_run_and_rmi(command, shop):
    for number in range(ROUNDS):
        command.ok("pull", "-q", shop.name("one"))
        lines = [("run", "--rm", shop.name("one"), "true"), ("rmi", shop.name("one"))]
        results = at_once(command, *(lines if number % 2 else lines[::-1]))
        (run, said), (gone, _) = results if number % 2 else results[::-1]
        assert run == 0 or "image not known" in said, said
        assert gone in (0, 2)
        sound(command)


def test_tag_and_rmi(command, shop):
    for number in range(ROUNDS):
        command.ok("pull", "-q", shop.name("one"))
        lines = [("tag", shop.name("one"), "other"), ("rmi", shop.name("one"))]
        results = at_once(command, *(lines if number % 2 else lines[::-1]))
        (tag, said), (gone, _) = results if number % 2 else results[::-1]
        assert gone == 0 and (tag == 0 or "image not known" in said)
        assert sound(command) == (["localhost/other:latest"] if tag == 0 else [])
        command.ok("image", "prune", "-af")


def test_save_and_rmi(command, shop, tmp_path: Path):
    for number in range(ROUNDS):
        command.ok("pull", "-q", shop.name("one"))
        archive = tmp_path / f"{number}.tar"
        (save, said), (gone, _) = at_once(command, ("save", "-q", "--format", "oci-archive", "-o", str(archive), shop.name("one")), ("rmi", shop.name("one")))
        assert gone == 0
        assert save == 0 or ("Error: " in said and not archive.exists()), said
        assert sound(command) == []
        if save == 0:
            command.ok("load", "-q", "-i", str(archive))
            assert sound(command) == [shop.name("one")]
            command.ok("rmi", "one")


def test_load_and_rmi(command, shop, tmp_path: Path):
    command.ok("pull", "-q", shop.name("one"))
    command.ok("save", "-q", "--format", "oci-archive", "-o", str(tmp_path / "one.tar"), shop.name("one"))
    command.ok("pull", "-q", shop.name("two"))
    for _ in range(ROUNDS):
        lines = [("load", "-q", "-i", str(tmp_path / "one.tar")), ("rmi", shop.name("two")), ("rmi", shop.name("one"))]
        (load, said), *_ = at_once(command, *lines)
        assert load == 0, said
        sound(command)
        command.ok("pull", "-q", shop.name("two"))
    shutil.rmtree(tmp_path)


def test_everything_at_once(command, shop):
    """No order is asked for: afterwards the store is sound, and whatever is named runs."""
    for _ in range(3):
        results = at_once(
            command, ("pull", "-q", shop.name("one")), ("pull", "-q", shop.name("two")), ("pull", "-q", shop.name("one")),
            ("image", "prune", "-af"), ("rmi", "-f", "two"), ("system", "check", "--repair"), ("system", "df"),
            ("run", "--rm", shop.name("two"), "true"))
        for code, said in results[:3]:
            assert code == 0 or "pull again" in said, said
        assert results[5][0] == 0 and results[6][0] == 0, results
        sound(command)
        command.ok("image", "prune", "-af")
