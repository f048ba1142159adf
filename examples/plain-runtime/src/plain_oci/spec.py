"""The runtime specification: read, and refused where it asks for what this runtime does not give."""

from __future__ import annotations

import json
from typing import Any

from .failure import Failure, unsupported

# JSON is whatever it is: what is read here is looked at before it is used, and a wrong type is a Failure of `read`.
Json = dict[str, Any]


def read(path: str) -> Json:
    """Read a JSON object. Raises: Failure."""
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError) as error:
        raise Failure(f"cannot read {path}: {error}") from None
    if not isinstance(found, dict):
        raise Failure(f"{path} holds no object")
    return found


def check(spec: Json) -> None:
    """Refuse what cannot be given. Nothing is left out in silence.

    Raises:
        Failure: naming what, and how to go without.
    """
    linux = spec.get("linux") or {}
    if linux.get("seccomp"):
        unsupported("filter system calls",
                    "run with --security-opt seccomp=unconfined, or containers.seccomp_profile = \"unconfined\"")
    _resources(linux.get("resources") or {})
    kinds = {one["type"]: one.get("path", "") for one in linux.get("namespaces") or ()}
    if "user" in kinds or linux.get("uidMappings"):
        unsupported("map users", "run without user namespaces")
    if "mount" not in kinds or kinds.get("mount"):
        unsupported("share a mount namespace", "leave it a namespace of its own")
    if "pid" not in kinds or kinds["pid"]:
        unsupported("share a PID namespace", "without cgroups nothing else ends what a container leaves running")
    for key, what in (("intelRdt", "set cache allocation"), ("personality", "set a personality"), ("mountLabel", "use SELinux"),
                      ("timeOffsets", "set clocks")):
        if linux.get(key):
            unsupported(what, f"leave out linux.{key}")
    if any((spec.get("hooks") or {}).values()):
        unsupported("run hooks", "leave them out")
    if linux.get("rootfsPropagation", "") not in ("", "private", "rprivate", "slave", "rslave"):
        unsupported("share mounts with the host", "leave the root file system's propagation private")
    _devices(spec, linux)
    check_process(spec.get("process") or {})


def check_process(process: Json) -> None:
    """The same for one process."""
    for key, what in (("apparmorProfile", "apply an AppArmor profile"), ("selinuxLabel", "apply an SELinux label"),
                      ("scheduler", "set a scheduler"), ("ioPriority", "set I/O priorities")):
        if process.get(key):
            unsupported(what, f"leave out process.{key}")
    if not process.get("args"):
        raise Failure("process.args names no command")


def _resources(resources: Json) -> None:
    for key, value in resources.items():
        if key == "devices":
            continue
        if key == "pids" and value.get("limit", 0) <= 0:
            continue
        if value:
            unsupported(f"limit {key}", "there are no cgroups here; run without the limit"
                        + (" (--pids-limit 0, or containers.pids_limit = 0)" if key == "pids" else ""))


def _devices(spec: Json, linux: Json) -> None:
    rules = (linux.get("resources") or {}).get("devices") or []
    everything = bool(rules) and bool(rules[-1].get("allow")) and "major" not in rules[-1]
    bounding = (spec.get("process", {}).get("capabilities") or {}).get("bounding") or ()
    if rules and not everything and "CAP_MKNOD" in bounding:
        unsupported("restrict devices of a container that can make them", "drop the capability CAP_MKNOD")
    for rule in rules:
        if rule.get("allow") and not {"r", "w"} <= set(rule.get("access") or "rwm"):
            unsupported("give a device for reading or writing alone", "give it whole, or not at all")
