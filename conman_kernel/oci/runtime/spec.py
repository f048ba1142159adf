"""The OCI runtime-spec document of a container (config.json): the parts of this package put together. Pure: no I/O."""

from __future__ import annotations

from ...errors import InvalidInput, Unavailable
from .capabilities import capability_sets
from .linux import build_namespaces, build_paths, build_sysctls, check_sysctl, mode_of
from .mounts import build_mounts, rootfs_propagation, user_mount
from .options import ContainerOptions
from .process import ExecRequest, build_exec, build_process, check_ulimit, stop_signal
from .request import HostFacts, SpecRequest
from .resources import build_devices, build_resources, check_resources
from .seccomp import build_seccomp

__all__ = ["OCI_VERSION", "ExecRequest", "build_exec", "build_spec", "check_options"]

OCI_VERSION = "1.0.2"
"""The runtime-spec version written into config.json: old enough for every runtime conman knows."""


def check_options(options: ContainerOptions, facts: HostFacts) -> None:
    """Refuse what this host cannot give, before anything is made. Cheap; changes nothing.

    :raises InvalidInput: the caller's words are wrong or contradict each other.
    :raises Unavailable: the host, or the caller's own rights, do not allow it.
    """
    capability_sets(uid=0, add=options.cap_add, drop=options.cap_drop, privileged=options.privileged,
                    host_bounding=facts.bounding)
    targets = set()
    for mount in options.mounts:
        target = str(user_mount(mount)["destination"])
        if target in targets:
            raise InvalidInput(f"{target}: duplicate mount destination")
        targets.add(target)
    for limit in options.ulimits:
        check_ulimit(limit, facts)
    for name, _ in options.sysctls:
        check_sysctl(name, options, facts)
    check_resources(options, facts)
    if options.oom_score_adj is not None and not -1000 <= options.oom_score_adj <= 1000:
        raise InvalidInput(f"the OOM score adjustment {options.oom_score_adj} is not between -1000 and 1000")
    if options.apparmor not in ("", "unconfined") and not facts.apparmor:
        raise Unavailable(f"cannot apply the AppArmor profile {options.apparmor!r}: this host has AppArmor not enabled",
                          hint="leave it out, or use apparmor=unconfined")
    if options.seccomp not in ("", "unconfined") and not facts.seccomp:
        raise Unavailable("cannot apply a seccomp profile: this kernel has no seccomp filters",
                          hint="use seccomp=unconfined")
    if options.init and mode_of("pid", options, facts) != "own":
        raise InvalidInput("cannot add init binary as PID 1 (PID namespace isn't private)")
    if options.hostname and mode_of("uts", options, facts) != "own":
        raise InvalidInput("cannot set hostname when running in the host or another UTS namespace")


def _annotations(request: SpecRequest) -> dict[str, str]:
    return {"io.container.manager": "conman",
            "org.opencontainers.image.stopSignal": str(stop_signal(request.options, request.image)),
            **dict(request.options.annotations)}


def _linux(request: SpecRequest) -> dict[str, object]:
    doc: dict[str, object] = {
        "resources": build_resources(request),
        "namespaces": build_namespaces(request),
        **build_paths(request.options),
    }
    if request.cgroups_path:
        doc["cgroupsPath"] = request.cgroups_path
    capabilities = capability_sets(uid=0, add=request.options.cap_add, drop=request.options.cap_drop,
                                   privileged=request.options.privileged, host_bounding=request.facts.bounding)
    optional = (("sysctl", build_sysctls(request)), ("devices", build_devices(request.devices)),
                ("rootfsPropagation", rootfs_propagation(request.options)),
                ("seccomp", build_seccomp(request, frozenset(capabilities["bounding"]))))
    doc.update((key, value) for key, value in optional if value)
    return doc


def build_spec(request: SpecRequest) -> dict[str, object]:
    """Make config.json's content: JSON-ready, keys as the runtime-spec names them. Pure; may be called again.

    :raises InvalidInput, Unavailable: as :func:`check_options`, which it calls, and where there is nothing to run.
    """
    check_options(request.options, request.facts)
    root: dict[str, object] = {"path": request.rootfs}
    if request.options.read_only:
        root["readonly"] = True
    doc: dict[str, object] = {
        "ociVersion": OCI_VERSION,
        "process": build_process(request),
        "root": root,
        "mounts": build_mounts(request),
        "annotations": _annotations(request),
        "linux": _linux(request),
    }
    if mode_of("uts", request.options, request.facts) == "own" and "uts" not in request.namespaces:
        doc["hostname"] = request.hostname
    return doc
