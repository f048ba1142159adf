from __future__ import annotations

from pathlib import Path
from typing import Callable

import pytest

from conman_kernel.containers import parse, parse_env, parse_mounts
from conman_kernel.containers.sizes import log_size, size
from conman_kernel.errors import InvalidInput, NotFound
from conman_kernel.oci.runtime.options import Device, MountOption, Ulimit

GOOD: list[tuple[Callable[[str], object], str, object]] = [
    (size, "64m", 64 << 20), (size, "1G", 1 << 30), (size, "512", 512), (size, "1.5k", 1536),
    (size, "2GiB", 2 << 30), (size, "2gb", 2 << 30), (size, "10b", 10), (size, "-1", -1),
    (size, "9007199254740993", 9007199254740993),
    (log_size, "10m", 10_000_000), (log_size, "1.5GB", 1_500_000_000), (log_size, "10MiB", 10 << 20), (log_size, "4096", 4096),
    (log_size, "7b", 7), (log_size, "0", 0), (log_size, "-1", 0), (log_size, "1k", 1000),
    (lambda text: parse.log_opts(text.split(",")), "max-size=10m,max-file=3", (10_000_000, 3)),
    (lambda text: parse.log_opts(text.split(",")), "max-file=500", (-1, 500)),
    (lambda text: parse.log_opts(text.split(",")), "max-size=1k,max-size=0", (0, -1)),
    (parse.cpus, "0.5", 0.5), (parse.cpus, "2", 2.0), (parse.cpus, ".5", 0.5),
    (parse.pids_limit, "10", 10), (parse.pids_limit, "-1", 0), (parse.pids_limit, "0", 0),
    (parse.oom_score_adj, "-500", -500), (parse.cpuset, "0-3,7", "0-3,7"),
    (parse.ulimit, "nofile=1024:2048", Ulimit("nofile", 1024, 2048)), (parse.ulimit, "NPROC=5", Ulimit("nproc", 5, 5)),
    (parse.ulimit, "core=-1", Ulimit("core", -1, -1)), (parse.ulimit, "core=0:unlimited", Ulimit("core", 0, -1)),
    (parse.ulimit, "host", Ulimit("host", 0, 0)),
    (parse.signal, "SIGTERM", 15), (parse.signal, "kill", 9), (parse.signal, "15", 15),
    (parse.capability, "net_raw", "CAP_NET_RAW"), (parse.label, "a", ("a", "")), (parse.label, "a=b=c", ("a", "b=c")),
    (parse.annotation, "a=", ("a", "")), (parse.sysctl, "net/core/somaxconn=128", ("net.core.somaxconn", "128")),
    (parse.add_host, "me:host-gateway", ("me", "host-gateway")),
    (parse.add_host, "db:192.0.2.7", ("db", "192.0.2.7")), (parse.add_host, "db:2001:db8::1", ("db", "2001:db8::1")),
    (parse.add_host, "db=[::1]", ("db", "::1")), (parse.dns, "::1", "::1"), (parse.hostname, "web-1.example", "web-1.example"),
    (parse_mounts.volume, "/h:/c", MountOption("bind", "/h", "/c")),
    (parse_mounts.volume, "/h/../x:/c/:ro,Z,rslave", MountOption("bind", "/x", "/c", ("ro", "rslave"))),
    (parse_mounts.volume, "/c", MountOption("volume", "", "/c")),
    (parse_mounts.volume, "data:/c/../d", MountOption("volume", "data", "/d")),
    (parse_mounts.volume, "data:/c:ro,nocopy,U,O,z,cached", MountOption("volume", "data", "/c", ("ro", "nocopy", "U", "O"))),
    (parse_mounts.volume, "/h:/c:U,O,runbindable", MountOption("bind", "/h", "/c", ("U", "O", "runbindable"))),
    (parse_mounts.mount, "dst=/c", MountOption("volume", "", "/c")),
    (parse_mounts.mount, "type=volume,src=v,dst=/c,readonly=TRUE,volume-nocopy=1,U=true,chown=false,nosuid=false,relabel=private",
     MountOption("volume", "v", "/c", ("ro", "nocopy", "U", "suid"))),
    (parse_mounts.mount, 'src=v,dst=/c,volume-driver=local,volume-label=a=b,volume-opt=type=tmpfs,"volume-opt=o=size=1m,mode=700"',
     MountOption("volume", "v", "/c", (), (("a", "b"),), (("type", "tmpfs"), ("o", "size=1m,mode=700")))),
    (parse_mounts.mount, "type=devpts,dst=/dev/pts,uid=1,gid=2,mode=600,max=3",
     MountOption("devpts", "", "/dev/pts", ("uid=1", "gid=2", "mode=600", "max=3"))),
    (parse_mounts.mount, "type=tmpfs,dst=/c,tmpcopyup=false,U,exec,consistency=cached",
     MountOption("tmpfs", "", "/c", ("notmpcopyup", "U", "exec"))),
    (parse_mounts.mount, "type=bind,src=/h,dst=/c,bind-recursive=disabled,O", MountOption("bind", "/h", "/c", ("bind", "O"))),
    (parse_mounts.mount, "type=bind,src=/h,dst=/c,ro", MountOption("bind", "/h", "/c", ("ro",))),
    (parse_mounts.mount, "type=bind,source=/h,target=/c,readonly=false,bind-propagation=rshared,bind-nonrecursive",
     MountOption("bind", "/h", "/c", ("rw", "rshared", "bind"))),
    (parse_mounts.mount, "type=tmpfs,dst=/c,tmpfs-size=1m,tmpfs-mode=1777",
     MountOption("tmpfs", "", "/c", ("size=1048576", "mode=1777"))),
    (parse_mounts.tmpfs, "/c", MountOption("tmpfs", "", "/c")),
    (parse_mounts.tmpfs, "/c:size=64m,ro,mode=0700", MountOption("tmpfs", "", "/c", ("size=67108864", "ro", "mode=0700"))),
    (parse_mounts.tmpfs, "/c:size=50%", MountOption("tmpfs", "", "/c", ("size=50%",))),
    (parse_mounts.device, "/dev/fuse", Device("/dev/fuse", "/dev/fuse", "rwm")),
    (parse_mounts.device, "/dev/fuse:r", Device("/dev/fuse", "/dev/fuse", "r")),
    (parse_mounts.device, "/dev/fuse:/dev/x:rw", Device("/dev/fuse", "/dev/x", "rw")),
]

BAD: list[tuple[Callable[[str], object], str]] = [
    *[(size, t) for t in ("", "m", "1x", "-2", "1e3", "nan", "1 m", "9" * 30, "1.m", "\uff11m", "+5", "0x10")],
    *[(log_size, t) for t in ("", "m", "1x", "-2", "1 m", "1.m", "10mm", "10kmb", "9" * 30)],
    *[(lambda text: parse.log_opts([text]), t) for t in ("max-size", "max-size=", "max-size=x", "max-file=0", "max-file=501", "max-file=",
                                                         "tag=x", "path=/x", "unknown=1", "")],
    *[(parse.cpus, t) for t in ("", "0", "-1", "inf", "nan", "1e3", "0.001")],
    *[(parse.pids_limit, t) for t in ("", "-2", "x", "1_0")],
    *[(parse.ulimit, t) for t in ("", "nofile", "nofile=", "nope=1", "nofile=2:1", "nofile=-1:5", "nofile=a:b", "nofile=1:2:3")],
    *[(parse.cpuset, t) for t in ("", "a", "3-1", "1-2-3", "0,,1", "-1")],
    *[(parse.signal, t) for t in ("", "0", "65", "SIGNOPE")],
    *[(parse.label, t) for t in ("", "=x", "a\0b")], (parse.annotation, "a"), (parse.capability, "CAP_NOPE"),
    *[(parse.sysctl, t) for t in ("", "a", "=1", "../x=1", "a..b=1", "/a=1", "a b=1")],
    *[(parse.add_host, t) for t in ("", "db", "db:", ":host-gateway", ":1.2.3.4", "db:1.2.3", "a b:1.2.3.4")],
    (parse.dns, "x"), *[(parse.hostname, t) for t in ("", "a b", "-a", "a.", "x" * 65, "ä")],
    *[(parse_mounts.volume, t) for t in ("", "c", "/", "a/b:/c", "-a:/c", ":/c", "a:/", "a:/c:copy,nocopy", "/h:/c:nocopy", "./h:/c", "/h:", "/h:c", "/h:/", "/h:/x/..", "/h:/c:bad", "/h:/c:ro,rw",
                                         "/h:/c:shared,rprivate", "/h:/c:ro:x", "a:/c:idmap")],
    *[(parse_mounts.mount, t) for t in ("", "src=v", "type=volume,src=a/b,dst=/c", "type=volume,src=v,dst=/c,subpath=x",
                                        "type=volume,dst=/c,volume-driver=ceph", "type=volume,dst=/c,volume-opt==x", "type=nfs,src=/h,dst=/c",
                                        "type=bind,src=/h,dst=/c,volume-label=a=b", "type=volume,dst=/c,tmpfs-size=1m",
                                        "type=devpts,dst=/c,mode=x", "type=devpts,src=/h,dst=/c", 'type=volume,"dst=/c',
                                        "type=bind,src=/h,dst=/c,consistency=x", "type=bind,src=/h,dst=/c,relabel=x", "type=bind,dst=/c",
                                        "type=bind,src=h,dst=/c", "type=bind,src=/h", "type=bind,src=/h,dst=/c,bogus=1",
                                        "type=bind,src=/h,dst=/c,ro=maybe", "type=tmpfs,src=/h,dst=/c",
                                        "type=bind,src=/h,dst=/c,bind-propagation=x")],
    *[(parse_mounts.tmpfs, t) for t in ("", "c", "/", "/c:size=x", "/c:mode=9", "/c:bogus", "/c:ro,rw")],
    *[(parse_mounts.device, t) for t in ("", "dev", "/dev/a:/dev/b:x", "/dev/a:rr", "/dev/a:/b:/c", "/dev/a::")],
]


@pytest.mark.parametrize(("function", "text", "value"), GOOD, ids=lambda v: getattr(v, "__name__", None))
def test_good(function: Callable[[str], object], text: str, value: object) -> None:
    assert function(text) == value


@pytest.mark.parametrize(("function", "text"), BAD, ids=lambda v: getattr(v, "__name__", None))
def test_bad_is_one_line_that_quotes_what_was_written(function: Callable[[str], object], text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        function(text)
    assert "\n" not in str(caught.value)
    assert repr(text) in str(caught.value) or repr(text.partition(":")[0]) in str(caught.value)


@pytest.mark.parametrize(("kind", "text", "value"), [
    ("pid", "", ""), ("pid", "host", "host"), ("pid", "private", "own"), ("pid", "container:x", "container:x"),
    ("ipc", "shareable", "own"), ("ipc", "none", "none"), ("uts", "ns:/p", "path:/p"), ("cgroupns", "private", "own")])
def test_namespaces(kind: str, text: str, value: str) -> None:
    assert parse.namespace(kind, text) == value


@pytest.mark.parametrize(("kind", "text"), [
    ("pid", "none"), ("pid", "container:"), ("cgroupns", "container:x"), ("uts", "bogus"), ("ipc", "ns:rel")])
def test_bad_namespaces(kind: str, text: str) -> None:
    with pytest.raises(InvalidInput, match=kind):
        parse.namespace(kind, text)


def test_security_options() -> None:
    got = parse.security_opts(["no-new-privileges", "seccomp=unconfined", "apparmor:mine", "label=disable"])
    assert (got.no_new_privileges, got.seccomp, got.apparmor, got.masked_paths) == (True, "unconfined", "mine", None)
    assert not parse.security_opts(["no-new-privileges:true", "no-new-privileges=false"]).no_new_privileges
    assert parse.security_opts(["unmask=ALL"])[3:] == ((), ())
    masked = parse.security_opts(["mask=/a:/b", "unmask=/proc/acpi:/proc/sys"])
    assert masked.masked_paths is not None and masked.readonly_paths is not None
    assert {"/a", "/b", "/proc/kcore"} <= set(masked.masked_paths) and "/proc/acpi" not in masked.masked_paths
    assert "/proc/sys" not in masked.readonly_paths
    for bad in ("bogus", "seccomp", "seccomp=", "mask=x", "label", "no-new-privileges=maybe"):
        with pytest.raises(InvalidInput, match="invalid security option"):
            parse.security_opts([bad])


ENVIRON = {"HOME": "/root", "APP_A": "1", "APP_B": "2"}


@pytest.mark.parametrize(("text", "value"), [
    ("A=b", [("A", "b")]), ("A=", [("A", "")]), ("A=b=c", [("A", "b=c")]), ("HOME", [("HOME", "/root")]), ("NOPE", []),
    ("APP_*", [("APP_A", "1"), ("APP_B", "2")]), ("APP_*=x", [("APP_*", "x")])])
def test_env(text: str, value: list[tuple[str, str]]) -> None:
    assert parse_env.env(text, ENVIRON) == value


def test_env_file(tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_bytes(b"\xef\xbb\xbf# comment\n\nA=b c \n  B='quoted'\r\nHOME\nNOPE\nE=\nF=#x\n")
    assert parse_env.env_file(str(path), ENVIRON) == [
        ("A", "b c "), ("B", "'quoted'"), ("HOME", "/root"), ("E", ""), ("F", "#x")]
    with pytest.raises(NotFound):
        parse_env.env_file(str(tmp_path / "nope"), ENVIRON)


@pytest.mark.parametrize("content", [b"A b=c\n", b"=x\n", b"A B\n", b"A\0=x\n", b"\xff=x\n", b"A=" + b"x" * (1 << 20)])
def test_bad_env_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "env"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match="environment file"):
        parse_env.env_file(str(path), ENVIRON)
    with pytest.raises(InvalidInput, match="cannot be read"):
        parse_env.env_file(str(tmp_path), ENVIRON)


def test_bad_env_words() -> None:
    for text in ("", "=x"):
        with pytest.raises(InvalidInput):
            parse_env.env(text, ENVIRON)
