"""Names and driver options: what is refused, and what mount(8) would be told."""

from __future__ import annotations

import pytest

from conman_kernel.errors import InvalidInput, NotFound
from conman_kernel.volumes.options import Mounting, check_name, check_options, mounting, owner


@pytest.mark.parametrize("name", ["a", "A.b_c-d", "0", "x" * 255])
def test_names(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-a", "_a", "a b", "a\n", "ä", "x" * 256, "a\0"])
def test_no_names(name: str) -> None:
    with pytest.raises(InvalidInput, match="no valid volume name"):
        check_name(name)


@pytest.mark.parametrize("options, expected", [
    ({}, None), ({"o": "uid=5,gid=6"}, None), ({"nocopy": ""}, None),
    ({"type": "tmpfs"}, Mounting("tmpfs", "tmpfs", ())),
    ({"type": "tmpfs", "device": "tmpfs", "o": "size=1m,uid=5"}, Mounting("tmpfs", "tmpfs", ("size=1m", "uid=5"))),
    ({"type": "none", "device": "/", "o": "bind,ro"}, Mounting("none", "/", ("bind", "ro"))),
    ({"type": "bind", "device": "/", "o": "ro"}, Mounting("none", "/", ("bind", "ro"))),
    ({"type": "nfs", "device": "127.0.0.1:/x", "o": "soft,uid=5"}, Mounting("nfs", "127.0.0.1:/x", ("soft",))),
])
def test_what_is_mounted(options: dict[str, str], expected: Mounting | None) -> None:
    check_options("local", options)
    assert mounting(options) == expected


@pytest.mark.parametrize("options, word", [
    ({"foo": "bar"}, "invalid mount option foo"), ({"type": "ext4"}, "needs a device"), ({"o": "size=1m"}, "needs type and device"),
    ({"o": "uid=x"}, "uid=NUMBER"), ({"o": "gid"}, "gid=NUMBER"), ({"o": f"uid={1 << 32}"}, "uid=NUMBER"),
    ({"copy": "", "nocopy": ""}, "exclude each other"), ({"type": "none", "device": "/no/such", "o": "bind"}, "no folder on this host"),
    ({"type": "none", "device": "etc", "o": "bind"}, "no folder on this host"),
    ({"type": "bind", "device": "/etc", "o": "uid=5"}, "owner of a folder of the host"),
])
def test_what_could_never_be_mounted(options: dict[str, str], word: str) -> None:
    with pytest.raises(InvalidInput, match=word):
        check_options("local", options)


def test_another_driver() -> None:
    with pytest.raises(NotFound, match='no volume driver "ceph"'):
        check_options("ceph", {})


def test_owners() -> None:
    assert owner({"o": "uid=5"}) == (5, -1) and owner({}) == (-1, -1) and owner({"o": "ro,gid=7"}) == (-1, 7)
