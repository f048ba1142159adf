"""The bundle of one start: what the runtime is told (``config.json``) and the small files shown in the container."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Mapping

from ..cancel import Cancel
from ..errors import InvalidInput, InvalidState, NotFound
from ..oci.runtime.options import ContainerOptions
from ..oci.runtime.request import BindFile, ImageParts, SpecRequest, User
from ..oci.runtime.spec import build_spec
from ..processes import alive
from ..record import Record
from . import cgroups, etcfiles, hostfacts, rows
from .context import Context
from .rootentries import CANNOT_INVOKE, ensure_mtab, ensure_workdir
from .rows import ContainerRow
from .seccompfile import read_profile
from .users import resolve_user

if TYPE_CHECKING:
    from .edits import Checked

INIT_BINARIES = ("/usr/libexec/podman/catatonit", "/usr/bin/catatonit", "/usr/bin/tini-static", "/usr/bin/tini", "/sbin/tini",
                 "/usr/bin/docker-init", "/usr/bin/dumb-init")
"""Where ``--init`` looks, in order; ``containers.init_path`` names another."""

_SHARED = ("hosts", "resolv.conf")


class Bundle(Record):
    """A bundle on disk.

    :param path: its folder, with ``config.json``.
    :param cgroups_path: the OCI ``cgroupsPath`` of the container.
    """

    path: str
    cgroups_path: str


def write_bundle(context: Context, row: ContainerRow, rootfs: str, cancel: Cancel) -> Bundle:
    """Resolve what only the mounted root file system and the running host can say, and write the bundle.

    :param rootfs: the mounted root file system.
    :raises NotFound: a user or group that the image does not know; a container to be joined that is gone.
    :raises InvalidInput, InvalidState, Unavailable: what was asked for cannot be given here and now.
    """
    folder = context.layout.container_run(row.id)
    options = with_defaults(context, row.parsed_options())
    parts = row.image_parts()
    hostname = own_hostname(context, row, options)
    root_fd = os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        user = user_of(root_fd, options, parts)
        ensure_workdir(root_fd, row.id, options, parts, user)
        ensure_mtab(root_fd)
        if any(mount.type == "volume" or {"U", "O"} & set(mount.options) for mount in options.mounts):
            from .volumes import at_start

            at_start(context, row, root_fd, user, cancel)
    finally:
        os.close(root_fd)
    cgroups.prepare(context.facts)
    files = _etc_files(context, row, options, folder, hostname)
    spec = spec_of(context, row, rootfs, user, files, cancel)
    with open(folder + "/config.json", "w", encoding="utf-8") as stream:
        json.dump(spec, stream)
    return Bundle(folder, cgroups.spec_path(context.facts, row.id))


def spec_of(context: Context, row: ContainerRow, rootfs: str, user: User, files: tuple[BindFile, ...],
            cancel: Cancel) -> dict[str, object]:
    """The runtime configuration of a container, with what editors of runtime specs add. Reads the host, and changes nothing.

    :param files: see :func:`bind_files`. Errors as :func:`write_bundle`.
    """
    options, checked = _edited(context, row, with_defaults(context, row.parsed_options()), cancel)
    if any(mount.type == "volume" or {"U", "O"} & set(mount.options) for mount in options.mounts):
        from .volumes import with_sources

        options = options._replace(mounts=with_sources(context, row.id, options.mounts, user))
    devices = hostfacts.devices_for(options)
    if checked is not None:
        user = user._replace(groups=tuple(sorted({*user.groups, *checked.groups})))
        devices = tuple({node.path: node for node in (*devices, *checked.devices)}.values())
    spec = build_spec(SpecRequest(
        id=row.id, name=row.name, hostname=own_hostname(context, row, options), rootfs=rootfs, options=options, user=user,
        facts=context.facts, image=row.image_parts(), files=files, devices=devices,
        namespaces=_joined(context, row, options), init_path=init_binary(context) if options.init else "",
        cgroups_path=cgroups.spec_path(context.facts, row.id), seccomp=_seccomp(context, options), shm_path=""))
    if checked is not None:
        from .edits import with_edits

        with_edits(spec, checked)
    return spec


def _edited(context: Context, row: ContainerRow, options: ContainerOptions,
            cancel: Cancel) -> tuple[ContainerOptions, Checked | None]:
    """The options with what editors of runtime specs add, as if the caller had asked for it."""
    if not (options.named_devices or options.annotations):
        return options, None
    from .edits import edits_of

    checked = edits_of(context, row.id, options, cancel)
    env = tuple({**dict(checked.env), **dict(options.env)}.items())
    return options._replace(env=env, mounts=(*options.mounts, *checked.mounts)), checked


def user_of(root_fd: int, options: ContainerOptions, parts: ImageParts) -> User:
    """Who a container's process is, as its mounted root file system says.

    :raises NotFound, InvalidInput: it does not know that user or group; with podman's exit code.
    """
    try:
        return resolve_user(root_fd, options.user or parts.user, options.groups)
    except (NotFound, InvalidInput) as error:
        error.exit_code = CANNOT_INVOKE
        raise


def own_hostname(context: Context, row: ContainerRow, options: ContainerOptions) -> str:
    """What the container calls itself: ``--hostname``, the host's name where it shares its network or UTS namespace, else
    the beginning of its id.

    :param options: with the configuration's defaults, see :func:`with_defaults`.
    """
    shared = "host" in (options.network, options.uts)
    return options.hostname or (context.facts.hostname if shared else row.id[:12])


def _etc_files(context: Context, row: ContainerRow, options: ContainerOptions, folder: str,
               hostname: str) -> tuple[BindFile, ...]:
    """Write hosts, resolv.conf, hostname and .containerenv; a joined network brings the other container's own two.

    Of a container in named networks the own line of ``hosts``, and the others', come when it is in them.
    """
    network = options.network
    base = etcfiles.read_host("/etc/hosts")
    # The host's own file speaks for the host's own name.
    line = options.hostname if network == "host" else "" if network == "bridge" else hostname
    extra = tuple((name, _address(address, network)) for name, address in options.add_hosts
                  if address != "host-gateway" or network != "bridge")
    content = {
        "hosts": etcfiles.hosts_file(name=row.name, hostname=line, extra=extra, base=base),
        "resolv.conf": etcfiles.resolv_conf(host=etcfiles.host_resolv_conf(), network=network, dns=options.dns,
                                            search=options.dns_search, options=options.dns_options),
        "hostname": etcfiles.hostname_file(hostname),
        "containerenv": etcfiles.containerenv(),
    }
    if network.startswith("container:"):
        for name in _SHARED:
            del content[name]
    if options.no_hosts:
        content.pop("hosts", None)
    for name, data in content.items():
        with open(f"{folder}/{name}", "wb") as stream:
            os.fchmod(stream.fileno(), 0o644)
            stream.write(data)
    return bind_files(context, row)


def _address(address: str, network: str) -> str:
    """:raises InvalidInput: the host is meant, and cannot be reached from there."""
    if address != "host-gateway":
        return address
    if network == "host":
        return "127.0.0.1"
    raise InvalidInput(f"unable to replace 'host-gateway' of --add-host: no way leads to the host from --network {network}",
                       hint="write an address, or use a named network")


def bind_files(context: Context, row: ContainerRow) -> tuple[BindFile, ...]:
    """Where the small files lie that are shown in the container; a joined network brings the other container's own two."""
    folder = context.layout.container_run(row.id)
    sources = dict.fromkeys(("hosts", "resolv.conf", "hostname", "containerenv"), folder)
    options = row.parsed_options()
    if options.no_hosts:
        del sources["hosts"]
    network = network_mode(context, options)
    if network.startswith("container:"):
        with context.index.read() as connection:
            other = context.layout.container_run(rows.find(connection, network.partition(":")[2]).id)
        sources.update({name: other for name in _SHARED if name in sources})
    return tuple(BindFile(("/run/.containerenv" if name == "containerenv" else f"/etc/{name}"), f"{where}/{name}")
                 for name, where in sources.items())


def network_mode(context: Context, options: ContainerOptions) -> str:
    """The mode of a container's network: ``bridge`` for named ones, or as :class:`.ContainerOptions` says."""
    if options.network:
        return options.network
    configured = context.config.text("containers.network")
    return configured if configured in ("none", "host") and not options.networks else "bridge"


def with_defaults(context: Context, options: ContainerOptions) -> ContainerOptions:
    """The options with the configuration's defaults where the caller said nothing."""
    from .sizes import size

    config = context.config
    return options._replace(
        network=network_mode(context, options),
        pids_limit=options.pids_limit if options.pids_limit != -1 else config.number("containers.pids_limit"),
        shm_size=options.shm_size or size(config.text("containers.shm_size")),
        seccomp=options.seccomp or config.text("containers.seccomp_profile"),
        apparmor=options.apparmor or config.text("containers.apparmor_profile"))


def log_rotation(context: Context, options: ContainerOptions) -> tuple[int, int]:
    """Bytes after which the log is rotated (0: never), and how many files it has then.

    :raises InvalidInput: the configuration's size is none.
    """
    from .sizes import LOG_FILES, log_size

    config = context.config
    return (options.log_size if options.log_size >= 0 else log_size(config.text("containers.log_size")),
            min(LOG_FILES, options.log_files if options.log_files > 0 else config.number("containers.log_files")))


def init_binary(context: Context) -> str:
    """The init program of the host for ``--init``.

    :raises NotFound: there is none, naming what brings one.
    """
    configured = context.config.text("containers.init_path")
    for path in (configured,) if configured else INIT_BINARIES:
        if os.access(path, os.X_OK):
            return path
    raise NotFound(f"no init binary for --init: {configured or ', '.join(INIT_BINARIES)} not found",
                   hint="apt-get install catatonit (or tini), or set containers.init_path")


def _seccomp(context: Context, options: ContainerOptions) -> Mapping[str, object] | None:
    if options.privileged or not options.seccomp or options.seccomp == "unconfined":
        return None
    return read_profile(options.seccomp)


def pinned(context: Context, row: ContainerRow) -> str:
    """Where the network namespace of a container in named networks is pinned."""
    return context.layout.container_run(row.id) + "/netns"


def _joined(context: Context, row: ContainerRow, options: ContainerOptions) -> dict[str, str]:
    """Namespaces of other containers, and the pinned one, as paths."""
    joined = {"network": pinned(context, row)} if options.network == "bridge" else {}
    for kind, proc in (("network", "net"), ("pid", "pid"), ("ipc", "ipc"), ("uts", "uts"), ("cgroupns", "cgroup")):
        mode: str = getattr(options, kind)
        if not mode.startswith("container:"):
            continue
        with context.index.read() as connection:
            other = rows.find(connection, mode.partition(":")[2])
        if other.state not in ("running", "paused") or not alive(other.pid, other.pid_start):
            raise InvalidState(f"cannot join the {kind} namespace of {other.name}: it is not running",
                               hint=f"conman start {other.name}")
        joined["cgroup" if kind == "cgroupns" else kind] = f"/proc/{other.pid}/ns/{proc}"
    return joined
