"""A hosts file that others read while it is rewritten, and that they write into."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from conman_kernel.networks.hosts import Seen, _lines, _rewrite
from conman_kernel.networks.rows import Membership, Result, Wish
from conman_kernel.slots.network import Joined

OURS = [b"10.0.0.2\tweb\t# conman", b"10.0.0.3\tdb 0123456789ab\t# conman"]


def member(container: str, address: str, network: str = "front", *, aliases: tuple[str, ...] = (), joined: bool = True) -> Membership:
    got = Joined((f"{address}/24",), ("10.0.0.1",), "aa:bb:cc:dd:ee:ff", "")
    return Membership(container, network, Wish(0, "eth0", aliases=aliases), Result("boot", "x", (), got) if joined else None)


def test_lines_of_others_stay_and_the_file_is_the_same(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_bytes(b"127.0.0.1\tlocalhost\n192.0.2.1 mine\n10.0.0.9\told\t# conman\n")
    before = file.stat().st_ino
    _rewrite(str(file), OURS)
    assert file.read_bytes() == b"127.0.0.1\tlocalhost\n192.0.2.1 mine\n" + b"\n".join(OURS) + b"\n"
    _rewrite(str(file), [])
    assert file.read_bytes() == b"127.0.0.1\tlocalhost\n192.0.2.1 mine\n"
    assert file.stat().st_ino == before


def test_a_line_without_its_end_is_not_glued_to_ours(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_bytes(b"192.0.2.1 mine")
    _rewrite(str(file), OURS[:1])
    assert file.read_bytes() == b"192.0.2.1 mine\n" + OURS[0] + b"\n"


def test_what_is_gone_a_link_or_too_large_is_left_alone(tmp_path: Path) -> None:
    _rewrite(str(tmp_path / "gone"), OURS)
    assert not (tmp_path / "gone").exists()
    large = tmp_path / "large"
    large.write_bytes(b"x" * ((1 << 20) + 1))
    _rewrite(str(large), OURS)
    assert large.stat().st_size == (1 << 20) + 1


def test_a_reader_sees_whole_lines_at_any_moment(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_bytes(b"127.0.0.1\tlocalhost\n")
    stop = threading.Event()
    odd: list[bytes] = []

    def read() -> None:
        fd = os.open(file, os.O_RDONLY)
        allowed = {b"", b"127.0.0.1\tlocalhost", *OURS}
        while not stop.is_set():
            odd.extend(line for line in os.pread(fd, 65536, 0).splitlines() if line not in allowed)
        os.close(fd)

    thread = threading.Thread(target=read)
    thread.start()
    for number in range(400):
        _rewrite(str(file), OURS[:number % 3])
    stop.set()
    thread.join()
    assert odd == []


def test_who_is_named_to_whom() -> None:
    one, two, three, four = ("1" * 64, "2" * 64, "3" * 64, "4" * 64)
    memberships = {one: [member(one, "10.0.0.2", aliases=("www",))], two: [member(two, "10.0.0.3")],
                   three: [member(three, "10.0.1.3", "back")], four: [member(four, "10.0.0.9", joined=False)]}
    seen = {id: Seen(id, name, f"host-{name}") for id, name in ((one, "web"), (two, "db"), (three, "far"), (four, "late"))}
    lines = [line.decode() for line in _lines(seen[one], memberships, seen, {"front", "back"})]
    assert lines == ["10.0.0.1\thost.containers.internal host.docker.internal\t# conman",
                     "10.0.0.2\thost-web web 111111111111 www\t# conman", "10.0.0.3\tdb 222222222222\t# conman"]
    assert _lines(seen[two], memberships, seen, {"front"})[-1] == b"10.0.0.2\tweb 111111111111 www\t# conman"
    assert len(_lines(seen[one], memberships, seen, set())) == 2, "a network without names"
    assert _lines(seen[four], memberships, seen, {"front"}) == []
