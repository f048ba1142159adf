from __future__ import annotations

import os
from pathlib import Path
from typing import Callable, Iterator

import pytest

from conman_kernel.containers.users import resolve_user
from conman_kernel.errors import InvalidInput, NotFound
from conman_kernel.oci.runtime.request import User

PASSWD = "# a comment\nroot:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:App:/home/app:/bin/sh\n\nbroken\nnohome:x:5:6::\n9:x:77:78::/nine:\n"
GROUP = "root:x:0:\nwheel:x:10:root,app\nvideo:x:44:\napp:x:1001:\nextra:x:2000:other,app\n"

Resolve = Callable[..., User]


@pytest.fixture
def resolve(tmp_path: Path) -> Iterator[Resolve]:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    (tmp_path / "etc/group").write_text(GROUP)
    fd = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    yield lambda user, *groups: resolve_user(fd, user, groups)
    os.close(fd)


@pytest.mark.parametrize(("user", "expected"), [
    ("", User(0, 0, (0, 10), "/root", "root")),
    ("root", User(0, 0, (0, 10), "/root", "root")),
    ("app", User(1000, 1001, (10, 1001, 2000), "/home/app", "app")),
    ("1000", User(1000, 1001, (10, 1001, 2000), "/home/app", "app")),
    ("app:video", User(1000, 44, (44,), "/home/app", "app")),
    ("app:555", User(1000, 555, (555,), "/home/app", "app")),
    ("4242", User(4242, 0, (0,), "/", "")),
    ("4242:4343", User(4242, 4343, (4343,), "/", "")),
    ("nohome", User(5, 6, (6,), "/", "nohome")),
    ("9", User(77, 78, (78,), "/nine", "9")),
])
def test_users(resolve: Resolve, user: str, expected: User) -> None:
    assert resolve(user) == expected


def test_added_groups(resolve: Resolve) -> None:
    assert resolve("4242", "video", "7").groups == (0, 7, 44)
    assert resolve("app:video", "wheel").groups == (10, 44)


@pytest.mark.parametrize(("words", "message"), [
    (("nobody",), "unable to find user nobody: no matching entries in passwd file"),
    (("app:nogroup",), "unable to find group nogroup: no matching entries in group file"),
    (("app", "nogroup"), "unable to find group nogroup: no matching entries in group file")])
def test_unknown_names_in_podmans_words(resolve: Resolve, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(NotFound, match=message):
        resolve(*words)


@pytest.mark.parametrize("user", ["app:", "99999999999", "0:4294967295"])
def test_bad_words(resolve: Resolve, user: str) -> None:
    with pytest.raises(InvalidInput):
        resolve(user)


def test_an_image_without_the_files(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    assert resolve_user(fd, "") == User(0, 0, (0,), "/", "")
    with pytest.raises(NotFound):
        resolve_user(fd, "app")
    os.close(fd)


def test_files_that_cannot_be_believed(resolve: Resolve, tmp_path: Path) -> None:
    passwd = tmp_path / "etc/passwd"
    passwd.write_bytes(b"app:x:0:0::/:\n" * 100_000)
    with pytest.raises(InvalidInput, match="/etc/passwd of the image cannot be read"):
        resolve("app")
    passwd.unlink()
    passwd.symlink_to("passwd")
    with pytest.raises(InvalidInput):
        resolve("app")
    passwd.unlink()
    os.mkfifo(passwd)
    with pytest.raises(InvalidInput):
        resolve("app")


def test_the_hosts_passwd_is_never_read(resolve: Resolve, tmp_path: Path) -> None:
    outside = tmp_path.parent / "host-passwd"
    outside.write_text("evil:x:0:0::/:\n")
    (tmp_path / "etc/passwd").unlink()
    (tmp_path / "etc/passwd").symlink_to(outside)
    with pytest.raises(NotFound):
        resolve("evil")
    outside.unlink()
