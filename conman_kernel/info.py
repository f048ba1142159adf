"""``conman info`` and ``conman version``: facts about host, store, selected plugins, and versions."""

from __future__ import annotations

import os
import platform
import sys
from typing import TYPE_CHECKING

from ._version import VERSION
from .cancel import Cancel
from .config import user_file
from .containers.hostfacts import read_facts
from .errors import ConmanError
from .oci.platform import host_platform
from .slots import RUNTIME, SLOTS

if TYPE_CHECKING:
    from .kernel import Conman


def info(conman: Conman) -> dict[str, object]:
    """Host, store, plugins; JSON-ready. A plugin that fails is shown as such, not raised."""
    facts = read_facts(cgroup_manager=conman.config.text("cgroup_manager"))
    containers = conman.containers.list(all=True)
    states = [container.state for container in containers]
    return {
        "host": {
            "arch": host_platform().architecture, "os": sys.platform,
            "kernel": os.uname().release,
            "hostname": os.uname().nodename,
            "distribution": _distribution(), **_memory(), "uptime": _uptime(),
            "logDriver": conman.config.text("containers.log_driver"),
            "eventLogger": ",".join(conman.config.texts("events.sinks")), "networkBackend": conman.config.text("network.name"),
            "cpus": os.cpu_count(), "cgroupVersion": facts.cgroup_mode, "cgroupManager": facts.cgroup_manager,
            "security": {"seccompEnabled": facts.seccomp, "apparmorEnabled": facts.apparmor, "selinuxEnabled": facts.selinux,
                         "rootless": os.geteuid() != 0},
            "ociRuntime": _runtime(conman),
        },
        "store": {
            "graphRoot": conman.layout.root, "runRoot": conman.layout.run_root,
            "graphDriverName": conman.config.text("storage.driver"), "volumePath": conman.layout.volumes,
            "configFiles": list(conman.config.files), "userConfigFile": user_file(os.environ),
            "containerStore": {"number": len(states), "running": states.count("running"), "paused": states.count("paused"),
                               "stopped": len(states) - states.count("running") - states.count("paused")},
            "imageStore": {"number": len(conman.images.list())},
        },
        "plugins": {slot.group: [{"name": p.name, "distribution": p.distribution, "version": p.version, "selected": p.selected}
                                 for p in conman.plugins.list() if p.slot == slot.group] for slot in SLOTS},
        "version": version(conman),
    }


def _distribution() -> dict[str, str]:
    """What ``/etc/os-release`` calls the host (os-release(5))."""
    try:
        known = platform.freedesktop_os_release()
    except OSError:
        return {"distribution": "unknown", "version": "unknown"}
    return {"distribution": known["ID"], "version": known.get("VERSION_ID", "unknown"),
            **({"codename": known["VERSION_CODENAME"]} if "VERSION_CODENAME" in known else {})}


def _uptime() -> str:
    """Since the boot, as podman says it: ``4h 39m 12.00s (Approximately 0.17 days)``; from ``/proc/uptime`` (proc(5))."""
    with open("/proc/uptime", encoding="ascii") as file:
        seconds = int(float(file.read().split()[0]))
    words = f"{seconds // 3600}h {seconds % 3600 // 60}m {seconds % 60:.2f}s"
    return f"{words} (Approximately {seconds / 86400:.2f} days)" if seconds >= 3600 else words


def _memory() -> dict[str, int]:
    """Bytes, from ``/proc/meminfo`` (proc(5)), which says kB."""
    names = {"MemFree": "memFree", "MemTotal": "memTotal", "SwapFree": "swapFree", "SwapTotal": "swapTotal"}
    with open("/proc/meminfo", encoding="ascii") as file:
        lines = [line.split() for line in file]
    return {names[words[0][:-1]]: int(words[1]) * 1024 for words in lines if words and words[0][:-1] in names}


def version(conman: Conman) -> dict[str, object]:
    """Versions of conman, its plugins and its interpreter; JSON-ready."""
    machine = host_platform()
    return {"Version": VERSION, "Python": platform.python_version(), "OsArch": f"{machine.os}/{machine.architecture}",
            "Client": {"Version": VERSION, "OsArch": f"{machine.os}/{machine.architecture}", "Os": machine.os},
            "Plugins": {p.name: f"{p.distribution} {p.version}" for p in conman.plugins.list()}}


def _runtime(conman: Conman) -> dict[str, object]:
    name = conman.config.text("runtime.name")
    try:
        runtime = conman.plugins.get(RUNTIME, name)
        features = runtime.features(Cancel(10.0))
    except ConmanError as error:
        return {"name": name, "error": error.message}
    return {"name": name, "path": runtime.binary, "version": features.version, "seccomp": features.seccomp,
            "cgroupV1": features.cgroup_v1, "cgroupV2": features.cgroup_v2, "systemdCgroup": features.systemd_cgroup,
            "checkpoint": features.checkpoint}
