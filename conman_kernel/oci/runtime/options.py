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

    :param type: ``bind`` or ``tmpfs`` (named volumes come with the release that brings volumes).
    :param source: absolute path on the host; empty for tmpfs.
    :param target: absolute path in the container.
    :param options: as in fstab, one each: ``ro``, ``rbind``, ``rprivate``, ``size=64m``, ``mode=1777``, ...
    """

    type: str
    source: str
    target: str
    options: tuple[str, ...] = ()


class Ulimit(Record):
    """One resource limit: ``nofile``, soft and hard; -1 is unlimited."""

    name: str
    soft: int
    hard: int


class Device(Record):
    """One device node of the host given to the container. ``permissions`` is a subset of ``rwm``."""

    source: str
    target: str
    permissions: str = "rwm"


class ContainerOptions(Record):
    """Everything ``conman create`` and ``conman run`` take that outlives the command.

    Namespaces (``network pid ipc uts cgroupns userns``) are ``own``, ``host``, ``none`` (network, ipc), ``container:ID``
    or ``path:/...``; empty is the default of the configuration.
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


def to_json(options: ContainerOptions) -> dict[str, object]:
    """The options that differ from the defaults, as the index keeps them."""
    defaults = ContainerOptions._field_defaults
    return {name: value for name, value in zip(options._fields, options) if value != defaults[name]}


_RECORDS: Mapping[str, type[MountOption] | type[Ulimit] | type[Device]] = {
    "mounts": MountOption, "ulimits": Ulimit, "devices": Device}


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
            frozen = tuple(record._make(cast("tuple[object, ...]", row)) for row in frozen)
        known[name] = frozen
    return ContainerOptions()._replace(**known)  # type: ignore[arg-type]
