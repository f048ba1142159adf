"""``conman inspect`` of a container: podman's keys (libpod ``InspectContainerData``), as far as they mean something here."""

from __future__ import annotations

from typing import Mapping

from ..oci.runtime.capabilities import capability_sets
from ..oci.runtime.mounts import PROPAGATIONS, mount_options
from ..oci.runtime.options import ContainerOptions, MountOption
from ..oci.runtime.process import command_line, process_env, working_dir
from ..oci.runtime.request import SpecRequest, User
from ..times import rfc3339
from . import cgroups, rootfs, stop
from .bundle import log_rotation, own_hostname, with_defaults
from .context import Context
from .inspect_network import network_settings, port_bindings
from .paths import log_file
from .rows import ContainerRow
from .state import HELD


def inspect_document(context: Context, row: ContainerRow) -> dict[str, object]:
    """Everything about a container; JSON-ready.

    :param row: as :func:`.state.outward` has it.
    """
    options = with_defaults(context, row.parsed_options())
    parts = row.image_parts()
    args = command_line(options, parts)
    run = context.layout.container_run(row.id)
    running = row.state in HELD
    return {
        "Id": row.id, "Created": rfc3339(row.created), "Path": args[0] if args else "", "Args": args[1:],
        "State": _state(context, row),
        "Image": row.image_id, "ImageName": row.image_name, "Rootfs": "",
        "ResolvConfPath": f"{run}/resolv.conf" if running else "", "HostnamePath": f"{run}/hostname" if running else "",
        "HostsPath": f"{run}/hosts" if running else "", "OCIConfigPath": f"{run}/config.json" if running else "",
        "OCIRuntime": row.runtime, "StorageDriver": row.storage,
        "ConmonPidFile": "", "PidFile": options.pidfile or (f"{run}/pid" if running else ""),
        "Name": row.name, "RestartCount": row.restarts, "Driver": row.storage,
        "MountLabel": "", "ProcessLabel": "", "AppArmorProfile": options.apparmor,
        "EffectiveCaps": _caps(context, options, "effective", parts.user or options.user),
        "BoundingCaps": _caps(context, options, "bounding", ""),
        "ExecIDs": _exec_ids(context, row), "GraphDriver": _storage(context, row, running),
        "Mounts": [_mount(context, mount) for mount in options.mounts if mount.type in ("bind", "volume")],
        "Dependencies": _dependencies(options), "NetworkSettings": network_settings(context, row, options),
        "IsInfra": False, "Config": _config(context, row, options, args), "HostConfig": _host_config(context, row, options),
    }


def _state(context: Context, row: ContainerRow) -> dict[str, object]:
    state, running = row.state, row.state in HELD
    return {"OciVersion": "1.0.2", "Status": state, "Running": state == "running", "Paused": state == "paused",
            "Restarting": state == "restarting", "OOMKilled": bool(row.oom), "Dead": False, "Pid": row.pid if running else 0,
            "ConmonPid": row.shim_pid if running else 0, "ExitCode": row.exit_code if row.finished else 0,
            "Error": row.error, "StartedAt": rfc3339(row.started), "FinishedAt": rfc3339(row.finished),
            "CgroupPath": cgroups.spec_path(context.facts, row.id) if running else "", **_health(context, row)}


def _health(context: Context, row: ContainerRow) -> dict[str, object]:
    """Docker's key and podman's older one; without a check podman's words for nothing."""
    if row.parsed_options().health is None:
        return {"Health": {"Status": "", "FailingStreak": 0, "Log": None}}
    from .health import read

    found = read(context, row)
    assert found is not None
    shown = {"Status": found.status, "FailingStreak": found.failing_streak,
             "Log": [{"Start": rfc3339(result.start), "End": rfc3339(result.end), "ExitCode": result.exit_code,
                      "Output": result.output} for result in found.log]}
    return {"Health": shown, "Healthcheck": shown}


def _healthcheck(options: ContainerOptions) -> dict[str, object]:
    """What it is checked with: Docker's ``Healthcheck``, with durations in nanoseconds."""
    health = options.health
    if health is None:
        return {}
    times = {"Interval": health.interval, "Timeout": health.timeout, "StartPeriod": health.start_period}
    return {"Healthcheck": {"Test": list(health.test), **{key: round(value * 1e9) for key, value in times.items()},
                            "Retries": health.retries},
            "HealthcheckOnFailureAction": health.on_failure}


def _config(context: Context, row: ContainerRow, options: ContainerOptions, args: list[str]) -> dict[str, object]:
    parts = row.image_parts()
    hostname = own_hostname(context, row, options)
    env = process_env(SpecRequest(id=row.id, name=row.name, hostname=hostname, rootfs="", options=options, user=User(),
                                  facts=context.facts, image=parts))
    return {"Hostname": hostname, "Domainname": "", "User": options.user or parts.user, "AttachStdin": options.stdin_open,
            "AttachStdout": True, "AttachStderr": True, "Tty": options.terminal, "OpenStdin": options.stdin_open,
            "StdinOnce": False,
            "Env": env, "Image": row.image_name,
            "Cmd": list(options.command or parts.cmd if options.entrypoint is None else options.command),
            "Volumes": None, "WorkingDir": working_dir(options, parts),
            "Entrypoint": " ".join(options.entrypoint if options.entrypoint is not None else parts.entrypoint),
            "OnBuild": None, "Labels": dict(options.labels), "Annotations": dict(options.annotations),
            "StopSignal": stop.stop_signal(row), "StopTimeout": _stop_timeout(context, options), "Umask": "0022",
            "Timeout": 0, "CreateCommand": args, **_healthcheck(options)}


def _stop_timeout(context: Context, options: ContainerOptions) -> int:
    return options.stop_timeout if options.stop_timeout >= 0 else context.config.number("containers.stop_timeout")


def _host_config(context: Context, row: ContainerRow, options: ContainerOptions) -> dict[str, object]:
    security = [word for word, given in (("no-new-privileges", options.no_new_privileges),
                                         (f"seccomp={options.seccomp}", bool(options.seccomp)),
                                         (f"apparmor={options.apparmor}", bool(options.apparmor))) if given]
    return {
        "Binds": [_bind(mount) for mount in options.mounts if mount.type in ("bind", "volume")],
        "VolumesFrom": list(options.volumes_from) or None,
        "CgroupManager": context.facts.cgroup_manager, "CgroupMode": options.cgroupns or "private",
        "ContainerIDFile": options.cidfile,
        "LogConfig": _log_config(context, row, options),
        "NetworkMode": options.network, "PortBindings": port_bindings(options.ports),
        "RestartPolicy": {"Name": options.restart, "MaximumRetryCount": options.restart_tries},
        "AutoRemove": options.remove, "CapAdd": list(options.cap_add), "CapDrop": list(options.cap_drop),
        "Dns": list(options.dns),
        "DnsOptions": list(options.dns_options), "DnsSearch": list(options.dns_search),
        "ExtraHosts": [f"{name}:{address}" for name, address in options.add_hosts], "GroupAdd": list(options.groups),
        "IpcMode": options.ipc or "private", "PidMode": options.pid or "private", "UTSMode": options.uts or "private",
        "OomScoreAdj": options.oom_score_adj or 0, "Privileged": options.privileged, "PublishAllPorts": options.publish_all,
        "ReadonlyRootfs": options.read_only, "SecurityOpt": security,
        "Tmpfs": {m.target: ",".join(mount_options(m)) for m in options.mounts if m.type == "tmpfs"}, "ShmSize": options.shm_size,
        "Runtime": "oci", "Isolation": "", "CpuShares": options.cpu_shares, "Memory": options.memory,
        "NanoCpus": int(options.cpus * 1e9), "CpusetCpus": options.cpuset_cpus, "CpusetMems": options.cpuset_mems,
        "Devices": [{"PathOnHost": d.source, "PathInContainer": d.target, "CgroupPermissions": d.permissions}
                    for d in options.devices],
        "MemoryReservation": options.memory_reservation, "MemorySwap": options.memory_swap, "PidsLimit": options.pids_limit,
        "Ulimits": [{"Name": "RLIMIT_" + u.name.upper(), "Soft": u.soft, "Hard": u.hard} for u in options.ulimits],
        "Init": options.init,
    }


def _log_config(context: Context, row: ContainerRow, options: ContainerOptions) -> dict[str, object]:
    """podman's keys, and docker's in ``Config``, where podman has nothing."""
    driver = options.log_driver or context.config.text("containers.log_driver")
    size, files = log_rotation(context, options)
    return {"Type": driver, "Config": {"max-size": str(size), "max-file": str(files)} if size else None,
            "Path": log_file(context, row) if driver == "cri" else "", "Tag": "", "Size": _decimal(size)}


def _decimal(size: int) -> str:
    """As Go's units.HumanSize: four digits, units of 1000."""
    amount, units = float(size), ["TB", "GB", "MB", "kB", "B"]
    while amount >= 1000 and len(units) > 1:
        amount /= 1000
        units.pop()
    return f"{amount:.4g}{units[-1]}"


def _caps(context: Context, options: ContainerOptions, kind: str, user: str) -> list[str]:
    uid = 0 if user.partition(":")[0] in ("", "0", "root") else 1000
    sets = capability_sets(uid=uid, add=options.cap_add, drop=options.cap_drop, privileged=options.privileged,
                           host_bounding=context.facts.bounding)
    return sorted(sets.get(kind, []))


def _exec_ids(context: Context, row: ContainerRow) -> list[str]:
    with context.index.read() as connection:
        found = connection.execute("SELECT id FROM exec_sessions WHERE container_id = ? AND state NOT IN ('exited', 'lost') "
                                   "ORDER BY created", (row.id,))
        return [str(r[0]) for r in found]


def _storage(context: Context, row: ContainerRow, running: bool) -> dict[str, object]:
    mounted = running or rootfs.is_held(context, row)
    data: Mapping[str, str] = {"MergedDir": rootfs.path(context, row)} if mounted else {}
    return {"Name": row.storage, "Data": dict(data)}


def _dependencies(options: ContainerOptions) -> list[str]:
    modes = (options.network, options.pid, options.ipc, options.uts)
    return sorted({mode.partition(":")[2] for mode in modes if mode.startswith("container:")})


def _mount(context: Context, mount: MountOption) -> dict[str, object]:
    options = mount_options(mount)
    shown = {"Type": mount.type, "Source": mount.source, "Destination": mount.target, "Driver": "", "Mode": "",
             "Options": [option for option in options if option not in ("ro", "rw") and option not in PROPAGATIONS],
             "RW": "ro" not in options, "Propagation": next(option for option in options if option in PROPAGATIONS)}
    if mount.type == "volume":
        shown.update(Name=mount.source, Source=f"{context.layout.volume(mount.source)}/_data", Driver="local")
    return shown


def _bind(mount: MountOption) -> str:
    return ":".join((mount.source, mount.target, ",".join(mount_options(mount))))
