from __future__ import annotations

from pathlib import Path

import pytest

from conman_kernel.containers import etcfiles
from conman_kernel.errors import InvalidInput

HOST = b"127.0.0.1 localhost\n127.0.1.1 node7 # me\n::1 localhost ip6-localhost\n\n192.0.2.1 db db.example\n"


def test_hosts_of_a_container_without_a_network() -> None:
    assert etcfiles.hosts_file(name="box", hostname="c0ffee", extra=(("db", "198.51.100.9"),), base=HOST).decode() == (
        "198.51.100.9\tdb\n127.0.0.1\tlocalhost\n127.0.1.1\tnode7\n::1\tlocalhost ip6-localhost\n192.0.2.1\tdb.example\n"
        "127.0.0.1\tc0ffee box\n")


def test_hosts_with_an_address_and_without_a_base() -> None:
    assert etcfiles.hosts_file(name="box", hostname="c0ffee", address="10.0.0.2") == (
        b"127.0.0.1\tlocalhost\n::1\tlocalhost\n10.0.0.2\tc0ffee box\n")
    assert etcfiles.hosts_file(name="box", hostname="", base=HOST).endswith(b"192.0.2.1\tdb db.example\n")
    assert etcfiles.hosts_file(name="c", hostname="c", address="10.0.0.2").endswith(b"\tc\n")


RESOLV = b"# made by x\ndomain example.org\nsearch a.example b.example\nnameserver 127.0.0.53\nnameserver 192.0.2.53\noptions edns0 trust-ad\n"


def test_resolvers_on_the_hosts_loopback_are_left_out() -> None:
    assert etcfiles.resolv_conf(host=RESOLV, network="bridge") == (
        b"search a.example b.example\nnameserver 192.0.2.53\noptions edns0 trust-ad\n")
    assert b"127.0.0.53" in etcfiles.resolv_conf(host=RESOLV, network="host")
    alone = etcfiles.resolv_conf(host=b"nameserver 127.0.0.1\nnameserver ::1\n", network="bridge")
    assert alone == b"nameserver 8.8.8.8\nnameserver 8.8.4.4\n"


def test_the_callers_words_replace_the_hosts() -> None:
    assert etcfiles.resolv_conf(host=RESOLV, network="host", dns=("1.1.1.1",), search=("x.example",), options=("ndots:2",)) == (
        b"search x.example\nnameserver 1.1.1.1\noptions ndots:2\n")
    assert b"search" not in etcfiles.resolv_conf(host=RESOLV, network="host", search=(".",))
    assert etcfiles.resolv_conf(host=b"", network="none") == b""


def test_systemd_resolveds_own_file_is_preferred(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/resolv.conf").write_text("nameserver 127.0.0.53\n")
    assert etcfiles.host_resolv_conf(root=str(tmp_path)) == b"nameserver 127.0.0.53\n"
    (tmp_path / "run/systemd/resolve").mkdir(parents=True)
    (tmp_path / "run/systemd/resolve/resolv.conf").write_text("nameserver 192.0.2.1\n")
    assert etcfiles.host_resolv_conf(root=str(tmp_path)) == b"nameserver 192.0.2.1\n"


def test_host_files(tmp_path: Path) -> None:
    assert etcfiles.read_host(str(tmp_path / "nope")) == b""
    (tmp_path / "big").write_bytes(b"x" * ((1 << 20) + 1))
    with pytest.raises(InvalidInput, match="larger than"):
        etcfiles.read_host(str(tmp_path / "big"))
    assert (etcfiles.hostname_file("c"), etcfiles.containerenv()) == (b"c\n", b"")
