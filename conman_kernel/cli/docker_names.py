"""What docker calls the things that ``info`` and ``version`` show: for templates only, the documents are podman's."""

from __future__ import annotations

from typing import Mapping


def of_info(document: Mapping[str, object]) -> dict[str, object]:
    """Docker's fields of ``info``, made from podman's document."""
    host, store, version = _part(document, "host"), _part(document, "store"), _part(document, "version")
    containers = _part(store, "containerStore")
    return {
        "Architecture": host.get("arch"), "CgroupDriver": host.get("cgroupManager"), "CgroupVersion": host.get("cgroupVersion"),
        "Containers": containers.get("number"), "ContainersPaused": containers.get("paused"),
        "ContainersRunning": containers.get("running"), "ContainersStopped": containers.get("stopped"),
        "DefaultRuntime": _part(host, "ociRuntime").get("name"), "DockerRootDir": store.get("graphRoot"),
        "Driver": store.get("graphDriverName"), "Images": _part(store, "imageStore").get("number"),
        "KernelVersion": host.get("kernel"), "LoggingDriver": host.get("logDriver"), "MemTotal": host.get("memTotal"),
        "NCPU": host.get("cpus"), "Name": host.get("hostname"), "OSType": host.get("os"),
        "OperatingSystem": " ".join(str(word) for word in _part(host, "distribution").values()),
        "ServerVersion": version.get("Version"), "Swarm": {"LocalNodeState": "inactive"},
    }


def of_version(document: Mapping[str, object]) -> dict[str, object]:
    """``Client`` and ``Server`` with docker's and podman's fields. There is no server: both are this program."""
    version = str(document.get("Version", ""))
    system, _, machine = str(document.get("OsArch", "")).partition("/")
    known = {"Version": version, "APIVersion": version, "Os": system, "Arch": machine, "OsArch": f"{system}/{machine}"}
    return {"Client": known, "Server": known}


def _part(document: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = document.get(name)
    return found if isinstance(found, Mapping) else {}
