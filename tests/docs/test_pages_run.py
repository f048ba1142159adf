"""What the documentation shows is run: each ``console``, ``bash``, ``sh`` and ``python`` block of READMEs and docs/.

The blocks of one page run in order, in one empty folder, with the ``conman`` of this environment (its state lies in
that folder) and a loopback registry that has a small busybox image by the names of :data:`IMAGES`: ``alpine`` on a
page means that one, and ``127.0.0.1:5000`` means that registry. It also has the images of :func:`shop`, for two platforms each.
``$LAYOUT`` is the same image as an OCI layout folder.

In a ``console`` block a line after ``$ `` is a command (lines after ``> `` go on with it); it must exit with 0. Other
lines must be part of what it printed; ``...`` stands for anything. Only a comment right above a block leaves it out::

    <!-- not run by the tests: it installs packages -->
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Iterator, NamedTuple

import pytest

from conman_kernel.oci.platform import Platform
from conman_kernel.testing.images import (
    Entry,
    Image,
    busybox_entries,
    busybox_image,
    directory,
    file,
    host_platform,
    image,
    index,
    layer,
    whiteout,
)
from conman_kernel.testing.registry import Registry

TOP = Path(__file__).resolve().parents[2]
PAGES = [page for page in (TOP / "README.md", *sorted((TOP / "docs").glob("*.md")), *sorted((TOP / "docs/plugins").glob("*.md")), TOP / "CHANGELOG.md",
                           TOP / "shim/README.md", TOP / "shim/PROTOCOL.md", TOP / "benchmarks/README.md",
                           *sorted((TOP / "plugins").glob("*/README.md")), *sorted((TOP / "examples").glob("*/README.md")))
         if page.is_file()]
IMAGES = ("alpine", "busybox", "debian", "library/alpine", "library/busybox")
RUN = ("console", "bash", "sh", "python")
DATA = ("text", "toml", "json", "ini", "mermaid", "c", "make", "yaml", "diff")
OPT_OUT = re.compile(r"<!-- not run by the tests: ([^>]{10,}?) -->\s*$")
WAIT = 120
NETWORKED = ("networks.md",)
"""Pages whose containers are in networks: no bridge appears on the host."""


class Block(NamedTuple):
    """One fenced block: its language, the line where its text begins, and why it is not run (``""``: it is)."""

    where: str
    language: str
    text: str
    reason: str


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, top to bottom."""
    lines = page.read_text().splitlines()
    number = 0
    while number < len(lines):
        opening = re.match(r"^( *)(```+|~~~+)\s*([\w+-]*)", lines[number])
        if opening is None:
            number += 1
            continue
        indent, fence, language = opening.groups()
        end = number + 1
        while lines[end].strip() != fence:
            end += 1
        above = OPT_OUT.search("\n".join(lines[max(0, number - 6):number]))
        text = "\n".join(line.removeprefix(indent) for line in lines[number + 1:end]) + "\n"
        yield Block(f"{page.relative_to(TOP)}:{number + 2}", language, text, above.group(1) if above else "")
        number = end + 1


class Command(NamedTuple):
    """One command of a console block and the output shown under it."""

    script: str
    output: str


def commands(block: Block) -> list[Command]:
    """Split a console block into commands with their shown output."""
    found: list[Command] = []
    lines = block.text.splitlines()
    number = 0
    while number < len(lines):
        if not lines[number].startswith(("$ ", "# ")):
            assert found, f"{block.where}: a console block begins with a command, not {lines[number]!r}"
            found[-1] = found[-1]._replace(output=found[-1].output + lines[number] + "\n")
            number += 1
            continue
        script = [lines[number][2:]]
        number += 1
        while number < len(lines) and lines[number].startswith("> "):
            script.append(lines[number][2:])
            number += 1
        found.append(Command("\n".join(script), ""))
    return found


def shown(expected: str, printed: str) -> bool:
    """Whether ``printed`` has what the page shows: blanks are equal, ``...`` stands for anything."""
    parts = (r"\s+".join(map(re.escape, part.split())) for part in expected.split("..."))
    return re.search(r"[\s\S]*?".join(parts), printed) is not None


def shop(*last: Entry) -> Image:
    """An index of an image of three layers for this machine, and one for another: a base, a shop, and ``last``."""
    settings = {"Cmd": ["cat", "/srv/shop/catalogue"], "Labels": {"org.example.shop": "yes"}, "Env": ["PATH=/bin"], "User": "1000"}
    base = layer(busybox_entries())
    layers = [base, layer([directory("srv"), directory("srv/shop"), file("srv/shop/catalogue", b"apples\npears\n", uid=1000),
                           file("srv/shop/draft", b"plums?\n", uid=1000)]), layer([directory("srv"), directory("srv/shop"), *last])]
    other = Platform("linux", "arm64" if host_platform().architecture != "arm64" else "amd64")
    return index([image(layers, config=settings), image(layers[1:], config=settings, platform=other)])


@pytest.fixture(scope="module")
def registry() -> Iterator[str]:
    """The host and port of a loopback registry that has the images by all their names."""
    with Registry() as server:
        server.add_image(shop(whiteout("srv/shop/draft")), "shop:1")
        server.add_image(shop(file("srv/shop/draft", b"plums\n", uid=1000)), "shop:2")
        for name in IMAGES:
            server.add_image(busybox_image(), f"{name}:latest")
        yield server.host


def offline_pip(folder: Path) -> Path:
    """A folder with a ``pip`` that asks no index, and builds with the setuptools that built the wheels of this checkout."""
    (setuptools,) = (TOP / "build" / "builder" / "lib").glob("python3*/site-packages")
    folder.mkdir()
    settings = "PIP_NO_INDEX=1 PIP_QUIET=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_BUILD_ISOLATION=0"
    (folder / "pip").write_text(f'#!/bin/sh\nexport {settings} PYTHONPATH={setuptools}\nexec {sys.executable} -m pip "$@"\n')
    (folder / "pip").chmod(0o755)
    return folder


@pytest.fixture
def environment(scratch: Path, cli, registry: str, busybox_layout: Path) -> dict[str, str]:
    """Where a page's commands run. Containers that they leave are removed with ``cli``."""
    tools, home = scratch / "bin", scratch / "home"
    tools.mkdir()
    home.mkdir()
    for name in ("python", "python3"):
        (tools / name).symlink_to(sys.executable)
    path = f"{offline_pip(scratch / 'pip')}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(home), "LC_ALL": "C.UTF-8", "TERM": "dumb", "LAYOUT": str(busybox_layout),
            "REGISTRY_AUTH_FILE": str(home / "auth.json"), "CONMAN_ROOT": str(cli.root), "CONMAN_RUN_ROOT": str(cli.run_root), "CONMAN_SHORT_NAMES": registry,
            "CONMAN_CONTAINERS_NETWORK": "none"}


@pytest.fixture
def enter(scratch: Path, cli, registry: str, environment: dict[str, str], request: pytest.FixtureRequest) -> Iterator[tuple[str, ...]]:
    """Before the commands of a page: those of :data:`NETWORKED` run in a network namespace of their own, with the image at hand."""
    if request.getfixturevalue("page").name not in NETWORKED:
        yield ()
        return
    from conman_kernel.cancel import Cancel
    from conman_kernel.networks.namespaces import Pinning, unpin

    cli.ok("pull", "-q", "alpine", CONMAN_SHORT_NAMES=registry)
    environment["CONMAN_CONTAINERS_NETWORK"] = "bridge"
    path = str(scratch / "host")
    Pinning(path).wait(Cancel(30.0))
    cli.program = ["nsenter", f"--net={path}", *cli.program]
    yield "nsenter", f"--net={path}"
    cli.close()
    unpin(path)


def play(block: Block, folder: Path, environment: dict[str, str], enter: tuple[str, ...] = ()) -> None:
    """Run one block; what a command prints and its exit status are checked."""
    if block.language == "python":
        steps = [Command(block.text, "")]
        argv = [sys.executable, "-W", "error", "-c", block.text]
    else:
        steps = commands(block) if block.language == "console" else [Command(block.text, "")]
        # One shell for the whole block, so that `cd` and variables last; the output of each command apart.
        parts = [f"{{\n{step.script}\n}} >{folder}/out.{n} 2>&1 || exit 1" for n, step in enumerate(steps)]
        argv = ["bash", "-uo", "pipefail", "-c", "\n".join(parts)]
    argv = [*enter, *argv]
    work = folder / "work"
    work.mkdir(exist_ok=True)
    done = subprocess.run(argv, cwd=work, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=WAIT)
    outputs = [p.read_text() if (p := folder / f"out.{n}").exists() else "(never ran)" for n in range(len(steps))]
    report = "\n".join([done.stdout, done.stderr, *(f"$ {s.script}\n{o}" for s, o in zip(steps, outputs))])
    assert done.returncode == 0, f"{block.where} failed:\n{report}"
    for step, output in zip(steps, outputs):
        said = f"{block.where}: {step.script}: the page shows\n{step.output}but it printed\n{output}"
        assert shown(step.output, output), said
    for leftover in folder.glob("out.*"):
        leftover.unlink()


@pytest.mark.parametrize("page", PAGES, ids=[str(p.relative_to(TOP)) for p in PAGES])
def test_what_a_page_shows_is_true(page: Path, scratch: Path, environment: dict[str, str], enter: tuple[str, ...],
                                   registry: str) -> None:
    for block in blocks(page):
        if block.language in RUN and not block.reason:
            play(block._replace(text=block.text.replace("127.0.0.1:5000", registry)), scratch, environment, enter)


@pytest.mark.parametrize("page", PAGES, ids=[str(p.relative_to(TOP)) for p in PAGES])
def test_every_block_says_what_it_is(page: Path) -> None:
    """A block is run, is data of a named kind, or says why it is not run: nothing slips through unnamed."""
    assert [f"{b.where} {b.language!r}" for b in blocks(page) if b.language not in (*RUN, *DATA)] == []


@pytest.mark.parametrize("page", PAGES, ids=[str(p.relative_to(TOP)) for p in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    local = [t for t in targets if not re.match(r"[a-z]+:", t)]
    assert [t for t in local if not (page.parent / t).exists()] == []


def test_the_runner_would_notice(tmp_path: Path) -> None:
    """A command that fails, or prints something else than is shown, does not pass."""
    environment = {"PATH": os.environ["PATH"]}
    play(Block("x", "console", "$ echo one; echo two\none\n...\n$ cat <<E\n> a\n> E\na\n", ""), tmp_path, environment)
    for text in ("$ false\n", "$ echo one\ntwo\n", "$ echo \\\n> one\ntwo\n", "$ exit 3\n"):
        with pytest.raises(AssertionError):
            play(Block("x", "console", text, ""), tmp_path, environment)
    with pytest.raises(AssertionError):
        play(Block("x", "python", "raise SystemExit(2)", ""), tmp_path, environment)
