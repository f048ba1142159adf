"""What is said where the words of ``cp`` are wrong: one line, exit code 125."""

from __future__ import annotations

from pathlib import Path

import pytest

from conman_kernel import Conman
from conman_kernel.errors import InvalidInput, NotFound

from .conftest import Inside


@pytest.mark.parametrize("words, text", [
    (("x", "y"), "neither is in a container"),
    (("-", "-"), "neither is in a container"),
    (("copies:/etc", "copies:"), 'invalid arguments "copies:/etc", "copies:": you must specify paths'),
    (("", "copies:/x"), "you must specify paths"),
    ((":/x", "copies:/x"), "you must specify paths"),
    (("nosuch:/x", "y"), 'no container with name or ID "nosuch" found: no such container'),
    (("copies:/nope", "y"), '"/nope" could not be found on container copies: no such file or directory'),
    (("/nope", "copies:/"), '"/nope" could not be found on the host: no such file or directory'),
    (("/etc/passwd", "copies:/nope/x"), '"/nope/x" could not be found on container copies: no such file or directory'),
    (("copies:/etc/passwd", "/nope/x"), '"/nope/x" could not be found on the host: no such file or directory'),
    (("copies:/etc/passwd/x", "y"), "not a directory"),
    (("copies:/etc", "/etc/passwd"), "destination must be a directory when copying a directory"),
    (("copies:/etc/a\nb", "y"), '"/etc/a\\nb" could not be found'),
], ids=str)
def test_wrong_words(running: Inside, words: tuple[str, str], text: str) -> None:
    done = running.conman("cp", *words)
    assert done.returncode == 125 and text in done.stderr.splitlines()[0]
    assert done.stderr.splitlines()[1:] == [line for line in done.stderr.splitlines()[1:] if line.startswith("Hint: ")]


@pytest.mark.parametrize("words", [("copies:/x",), (), ("a", "b", "c"), ("--nosuch", "a", "b")], ids=str)
def test_wrong_numbers_and_options(running: Inside, words: tuple[str, ...]) -> None:
    assert running.conman("cp", *words).returncode == 125


def test_from_python(running: Inside, work: Path, folder: Path) -> None:
    (folder / "f").write_bytes(b"12345")
    with Conman(root=running.conman.root, run_root=running.conman.run_root) as conman:
        container = conman.containers.get(running.name)
        copied = container.copy_in(folder / "f", "/desk/f")
        assert (copied.entries, copied.size, copied.skipped) == (1, 5, 0)
        with open(folder / "t.tar", "w+b") as stream:
            assert container.copy_out("/desk", stream).entries == 2
            stream.seek(0)
            assert container.copy_in(stream, "/desk").entries == 2
            stream.seek(0)
            assert container.copy_in(stream.fileno(), "/desk", overwrite=True).entries == 2
        assert container.copy_to("/desk/f", container, "/desk/g").size == 5
        assert container.copy_out("desk/g", folder).entries == 1
        assert (folder / "g").read_bytes() == (work / "desk/f").read_bytes() == b"12345"
        with pytest.raises(NotFound, match="could not be found on container copies"):
            container.copy_out("/nope", folder)
        with pytest.raises(InvalidInput, match="the path on the host is empty"):
            container.copy_in("", "/desk")
        with pytest.raises(InvalidInput, match="the descriptor -5 is not open"):
            container.copy_in(-5, "/desk")
        with pytest.raises(InvalidInput, match="not bytes"):
            container.copy_in(b"x", "/desk")  # type: ignore[arg-type]
