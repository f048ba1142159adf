"""The small files that every container gets of its own: /etc/hosts, /etc/resolv.conf, /etc/hostname,
/run/.containerenv.

Pure text in, text out, but for :func:`read_host`.
"""

from __future__ import annotations

import errno
from typing import Iterable

from ..errors import InvalidInput

MAX_BYTES = 1 << 20
_FALLBACK_NAMESERVERS = ("8.8.8.8", "8.8.4.4")


def read_host(path: str) -> bytes:
    """A configuration file of the host; empty where there is none.

    :raises InvalidInput: it is larger than 1 MiB.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EACCES):
            return b""
        raise
    if len(data) > MAX_BYTES:
        raise InvalidInput(f"{path} is larger than {MAX_BYTES} bytes")
    return data


def hosts_file(*, name: str, hostname: str, address: str = "", extra: Iterable[tuple[str, str]] = (),
               base: bytes = b"") -> bytes:
    """/etc/hosts, in podman's order: the caller's entries, the host's, localhost where nobody named it, the container
    itself.

    :param name: the container's name, a second name for it.
    :param hostname: empty where the container shares the host's network: then it gets no line of its own.
    :param address: its own address; empty where it has none but the loopback.
    :param extra: ``--add-host``: name and address.
    :param base: the host's /etc/hosts; its entries for a name that the caller speaks about are left out.
    """
    lines = [f"{ip}\t{host}" for host, ip in extra]
    taken = {host for host, _ in extra}
    known = set(taken)
    for raw in base.decode("utf-8", "surrogateescape").splitlines():
        words = raw.partition("#")[0].split()
        names = [w for w in words[1:] if w not in taken]
        if names:
            lines.append(f"{words[0]}\t{' '.join(names)}")
            known.update(names)
    if "localhost" not in known:
        lines += ["127.0.0.1\tlocalhost", "::1\tlocalhost"]
    own = [word for word in dict.fromkeys((hostname, name)) if word and word not in taken] if hostname else []
    if own:
        lines.append(f"{address or '127.0.0.1'}\t{' '.join(own)}")
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def _is_loopback(server: str) -> bool:
    return server.startswith("127.") or server == "::1"


def resolv_conf(*, host: bytes, network: str, dns: tuple[str, ...] = (), search: tuple[str, ...] = (),
                options: tuple[str, ...] = ()) -> bytes:
    """/etc/resolv.conf from the host's, with the caller's words in the place of the host's of the same kind.

    In a network namespace of its own a container cannot reach a resolver on the host's loopback: such name servers are
    left out, and public ones stand in where none is left, as with podman. ``search .`` means none.

    :param host: the host's file (systemd-resolved's real one, see :func:`host_resolv_conf`).
    :param network: ``host``, ``none``, or anything else.
    """
    servers: list[str] = []
    searches: list[str] = []
    opts: list[str] = []
    for raw in host.decode("utf-8", "surrogateescape").splitlines():
        words = raw.partition("#")[0].partition(";")[0].split()
        if len(words) < 2:
            continue
        if words[0] == "nameserver":
            servers.append(words[1])
        elif words[0] in ("search", "domain"):
            searches = words[1:]
        elif words[0] == "options":
            opts += words[1:]
    if network not in ("host", "none"):
        servers = [s for s in servers if not _is_loopback(s)] or list(_FALLBACK_NAMESERVERS)
    servers = list(dns) or servers
    searches = [s for s in search if s != "."] if search else searches
    lines = [f"search {' '.join(searches)}"] if searches else []
    lines += [f"nameserver {server}" for server in servers]
    if options or opts:
        lines.append(f"options {' '.join(options or tuple(opts))}")
    return ("\n".join(lines) + "\n" if lines else "").encode("utf-8", "surrogateescape")


def host_resolv_conf(*, root: str = "") -> bytes:
    """The host's resolver configuration; the servers behind systemd-resolved's stub where that is what the host uses.

    :param root: folder that stands for ``/``, for tests.
    """
    data = read_host(root + "/etc/resolv.conf")
    lines = [line.split() for line in data.splitlines()]
    servers = [words[1] for words in lines if len(words) > 1 and words[0] == b"nameserver"]
    if servers == [b"127.0.0.53"]:
        return read_host(root + "/run/systemd/resolve/resolv.conf") or data
    return data


def hostname_file(hostname: str) -> bytes:
    """/etc/hostname."""
    return hostname.encode("utf-8", "surrogateescape") + b"\n"


def containerenv() -> bytes:
    """/run/.containerenv: empty, as podman's for an unprivileged container; programs look whether it is there."""
    return b""
