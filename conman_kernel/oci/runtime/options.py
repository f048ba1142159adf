"""What a caller may ask of a container: one immutable record, the same from the CLI, from Python and in the index.

Strings are already parsed where parsing can fail (sizes are bytes, signals and ulimits are records): the CLI and the library
share :mod:`conman_kernel.containers.parse` for that. Empty means "as the image or the configuration says".
"""

from __future__ import annotations

from typing import Mapping, cast

from ...record import Record

UNSET = -1
"""Where 0 has a meaning of its own."""


class MountOption(Record):
    """One mount inside the container.

    :param type: ``bind``, ``volume``, ``tmpfs`` or ``devpts``.
    :param source: of a bind mount an absolute path on the host; of a volume its name, empty: a new anonymous one; else empty.
    :param target: absolute path in the container.
    :param options: as in fstab, one each: ``ro``, ``rbind``, ``rprivate``, ``size=64m``, ``mode=1777``, ...; of a volume also
        ``nocopy``; of bind mounts and volumes ``U`` (all in it gets the container's user as owner) and ``O`` (what the container
        changes lies in an overlay, and goes with the run).
    :param labels: of a volume that is made for it. ``driver_options`` likewise: ``type``, ``device``, ``o``.
    """

    type: str
    source: str
    target: str
    options: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    driver_options: tuple[tuple[str, str], ...] = ()


class Ulimit(Record):
    """One resource limit: ``nofile``, soft and hard; -1 is unlimited."""

    name: str
    soft: int
    hard: int


class Device(Record):
    """One device node of the host given to the container.

    :param source: its path on the host; ``target``: in the container.
    :param permissions: a subset of ``rwm``: read, write, make nodes of it.
    """

    source: str
    target: str
    permissions: str = "rwm"


class NetworkOption(Record):
    """One named network of a container.

    :param addresses: wished for, one a subnet at most; empty: any free one. ``mac`` likewise.
    :param aliases: further names of the container in it.
    :param interface: what the container calls it; empty: ``eth0``, ``eth1``, ...
    """

    name: str
    addresses: tuple[str, ...] = ()
    mac: str = ""
    aliases: tuple[str, ...] = ()
    interface: str = ""


class PublishedPort(Record):
    """One port of a container, reached through one of the host's.

    :param host_port: 0: a free one is chosen when the container is made.
    :param host_address: one of the host's; empty: all of them.
    :param protocol: ``tcp``, ``udp`` or ``sctp``.
    """

    container_port: int
    host_port: int = 0
    host_address: str = ""
    protocol: str = "tcp"


class HealthCheck(Record):
    """How a container is checked while it runs. What is left open is the image's, or else the default.

    :param test: as Docker has it: ``("CMD", word, ...)``, ``("CMD-SHELL", line)``, or ``("NONE",)``: no check, whatever the image
        says; empty: the image's.
    :param interval: seconds between two checks, 0: only when it is asked for; -1: the image's, or 30.
    :param timeout: seconds that one may take; -1: the image's, or 30.
    :param retries: failures in a row that make it unhealthy; -1: the image's, or 3.
    :param start_period: seconds from its start in which failures do not count; -1: the image's, or 0.
    :param on_failure: what is done once it is unhealthy: ``none``, ``kill`` (its restart policy holds), ``restart``, ``stop``.
    :param shell: of ``CMD-SHELL``; the image's, empty: ``/bin/sh -c``.
    """

    test: tuple[str, ...] = ()
    interval: float = UNSET
    timeout: float = UNSET
    retries: int = UNSET
    start_period: float = UNSET
    on_failure: str = "none"
    shell: tuple[str, ...] = ()


class ContainerOptions(Record):
    """Everything ``conman create`` and ``conman run`` take that outlives the command.

    Namespaces (``network pid ipc uts cgroupns``) are ``own``, ``host``, ``none`` (network, ipc), ``bridge`` (network: those of
    ``networks``), ``container:ID`` or ``path:/...``; empty is the default of the configuration. Pairs are name and value.

    :param command: replaces the image's ``Cmd``. ``entrypoint``: its ``Entrypoint``, and with it ``Cmd``; None keeps it.
    :param name: empty: one is made up.
    :param hostname: up to 64 letters, digits, dots, hyphens; empty: the beginning of its id, or the host's where it
        shares that network or UTS namespace.
    :param env: added to the image's; ``workdir``: absolute, empty: the image's.
    :param user: ``name|uid[:group|gid]``, empty: the image's; ``groups``: supplementary ones, by name or number.
    :param labels: added to the image's; ``annotations``: into the runtime's configuration.
    :param terminal: its process gets a terminal; ``stdin_open``: its input stays open for sessions.
    :param remove: it is removed when it has ended; ``init``: a small init stands above its process.
    :param mounts: bind mounts, volumes and tmpfs; ``read_only``: its root file system is.
    :param memory: bytes, 0: no limit; ``memory_reservation`` likewise; ``memory_swap``: memory and swap together, 0: twice
        ``memory``, -1: no limit.
    :param cpus: how many at most, 0: no limit; ``cpu_shares``: weight, 0: the kernel's.
    :param cpuset_cpus: such as ``0-3,7``; ``cpuset_mems``: nodes likewise.
    :param pids_limit: processes and threads, 0: no limit, -1: 2048 where the host can.
    :param shm_size: bytes of ``/dev/shm``, 0: 64 MiB; ``oom_score_adj``: -1000 to 1000, None: the caller's.
    :param cap_add: capabilities such as ``CAP_NET_RAW``, or ``ALL``; ``cap_drop`` likewise.
    :param privileged: all that conman itself may; ``no_new_privileges``: setuid programs gain nothing.
    :param seccomp: ``unconfined``, a profile's path, empty: conman's own; ``apparmor``: ``unconfined``, or a profile's name.
    :param masked_paths: of which nothing is seen, None: the usual ones; ``readonly_paths`` likewise.
    :param ulimits: over the configured ones; ``sysctls``: of its own namespaces; ``devices``: of the host;
        ``named_devices``: such as ``vendor.com/class=name``, which editors of runtime specs know.
    :param add_hosts: into ``/etc/hosts``, name and address (``host-gateway``: this host's).
    :param dns: into ``/etc/resolv.conf``, as ``dns_search`` and ``dns_options``.
    :param log_driver: ``cri``, ``none``, empty: as configured; ``log_size``: bytes of a log file before the next is begun,
        0: never; ``log_files``: how many are kept; -1: as configured.
    :param stop_signal: number, 0: the image's; ``stop_timeout``: seconds until SIGKILL, -1: as configured.
    :param networks: the first gives it the way out; none with ``network="bridge"``: the default one.
    :param ports: published ones; ``publish_all``: besides, every port that the image or ``expose`` (``8080/tcp``) names, on a
        free port of the host.
    :param no_hosts: the image's own ``/etc/hosts`` is left alone.
    :param restart: what happens when it ends by itself: ``no``, ``on-failure``, ``always``, ``unless-stopped``; empty: ``no``.
        ``restart_tries``: how often ``on-failure`` tries, 0: no bound.
    :param health: how it is checked, None: as the image says.
    :param cidfile: its id is written there, and no file may be; ``pidfile``: its process's number, at each start.
    :param volumes_from: names or ids of containers whose volumes it has at the same places, with ``:ro``, ``:rw`` or ``:z`` after
        it; ``image_volumes``: what becomes of the image's ``VOLUME``: ``bind`` (an anonymous volume each; also where empty),
        ``tmpfs`` or ``ignore``.
    """

    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    name: str = ""
    hostname: str = ""
    env: tuple[tuple[str, str], ...] = ()
    workdir: str = ""
    user: str = ""
    groups: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    terminal: bool = False
    stdin_open: bool = False
    remove: bool = False
    init: bool = False
    mounts: tuple[MountOption, ...] = ()
    read_only: bool = False
    memory: int = 0
    memory_swap: int = 0
    memory_reservation: int = 0
    cpus: float = 0.0
    cpu_shares: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    pids_limit: int = UNSET
    shm_size: int = 0
    oom_score_adj: int | None = None
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    privileged: bool = False
    no_new_privileges: bool = False
    seccomp: str = ""
    apparmor: str = ""
    masked_paths: tuple[str, ...] | None = None
    readonly_paths: tuple[str, ...] | None = None
    ulimits: tuple[Ulimit, ...] = ()
    sysctls: tuple[tuple[str, str], ...] = ()
    devices: tuple[Device, ...] = ()
    network: str = ""
    pid: str = ""
    ipc: str = ""
    uts: str = ""
    cgroupns: str = ""
    add_hosts: tuple[tuple[str, str], ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    log_driver: str = ""
    log_size: int = UNSET
    log_files: int = UNSET
    stop_signal: int = 0
    stop_timeout: int = UNSET
    cidfile: str = ""
    pidfile: str = ""
    named_devices: tuple[str, ...] = ()
    networks: tuple[NetworkOption, ...] = ()
    ports: tuple[PublishedPort, ...] = ()
    publish_all: bool = False
    expose: tuple[str, ...] = ()
    no_hosts: bool = False
    restart: str = ""
    restart_tries: int = 0
    volumes_from: tuple[str, ...] = ()
    image_volumes: str = ""
    health: HealthCheck | None = None


def to_json(options: ContainerOptions) -> dict[str, object]:
    """The options that differ from the defaults, as the index keeps them."""
    defaults = ContainerOptions._field_defaults
    return {name: value for name, value in zip(options._fields, options) if value != defaults[name]}


_RECORDS: Mapping[str, type[MountOption] | type[Ulimit] | type[Device] | type[NetworkOption] | type[PublishedPort]] = {
    "mounts": MountOption, "ulimits": Ulimit, "devices": Device, "networks": NetworkOption, "ports": PublishedPort}


def _frozen(value: object) -> object:
    return tuple(_frozen(v) for v in value) if isinstance(value, list) else value


def from_json(data: Mapping[str, object]) -> ContainerOptions:
    """Read what :func:`to_json` wrote, after a trip through JSON; keys of a newer conman are left out."""
    known: dict[str, object] = {}
    for name, value in data.items():
        if name not in ContainerOptions._fields:
            continue
        frozen = _frozen(value)
        record = _RECORDS.get(name)
        if record is not None and isinstance(frozen, tuple):
            frozen = tuple(record(*cast("tuple[str, ...]", row)) for row in frozen)  # type: ignore[arg-type]
        elif name == "health" and isinstance(frozen, tuple):
            frozen = HealthCheck._make(frozen)
        known[name] = frozen
    return ContainerOptions()._replace(**known)  # type: ignore[arg-type]
