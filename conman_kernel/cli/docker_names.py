"""What docker calls the things that documents show, and what its structs have where podman's documents leave a key out: for
templates only, the documents are podman's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Mapping

if TYPE_CHECKING:
    from .templates.values import Method


def of_inspected(kind: str, document: Mapping[str, object]) -> dict[str, object]:
    """A document of ``inspect`` with what docker's structs have besides; JSON made of it is podman's.

    :param kind: ``container``, ``image``, ``network`` or ``volume``.
    """
    more = _MORE.get(kind)
    return dict(document) if more is None else _with(document, more(document))


def _with(document: Mapping[str, object], more: Mapping[str, object]) -> dict[str, object]:
    """The document with fields that templates find and JSON does not have, where it has none of the name."""
    found, known = dict(document), {name.lower() for name in document}
    for name, value in more.items():
        had = document.get(name)
        if isinstance(had, Mapping) and isinstance(value, Mapping):
            found[name] = _with(had, value)
        elif name.lower() not in known:
            found[name] = _hidden(value)
    return found


def _hidden(value: object) -> Method:
    """A field that is no part of JSON."""
    from .templates.values import Method

    return Method(lambda words: value)


def _of_container(document: Mapping[str, object]) -> dict[str, object]:
    log = _part(_part(document, "HostConfig"), "LogConfig")
    return {"Pod": "", "Namespace": "", "IsService": False, "SizeRw": None, "SizeRootFs": None, "LogPath": log.get("Path", ""),
            "Platform": "linux", "Config": {"Healthcheck": None, "ExposedPorts": {}}, "State": {"Health": None}}


def _of_image(document: Mapping[str, object]) -> dict[str, object]:
    return {"Variant": "", "Healthcheck": None, "DockerVersion": "", "Container": "", "Config": {
        "User": "", "ExposedPorts": {}, "Env": [], "Entrypoint": [], "Cmd": [], "Volumes": {}, "WorkingDir": "", "Labels": {},
        "OnBuild": [], "StopSignal": "", "Healthcheck": None}}


def _of_volume(document: Mapping[str, object]) -> dict[str, object]:
    """podman leaves out what is empty."""
    return {"Anonymous": False, "GID": 0, "NeedsChown": False, "NeedsCopyUp": False, "Status": {}, "StorageID": "", "Timeout": 0,
            "UID": 0}


def _of_network(document: Mapping[str, object]) -> dict[str, object]:
    subnets = document.get("subnets")
    pairs = [(part.get("subnet", ""), part.get("gateway", "")) for part in subnets if isinstance(part, Mapping)] if isinstance(
        subnets, (list, tuple)) else []
    return {"Labels": {}, "Options": {}, "Scope": "local", "EnableIPv6": document.get("ipv6_enabled"),
            "IPv6Enabled": document.get("ipv6_enabled"),
            "DNSEnabled": document.get("dns_enabled"), "NetworkInterface": document.get("network_interface"),
            "IPAMOptions": document.get("ipam_options"),
            "IPAM": {"Driver": "default", "Options": {}, "Config": [{"Subnet": net, "Gateway": via} for net, via in pairs]}}


_MORE: Mapping[str, Callable[[Mapping[str, object]], dict[str, object]]] = {
    "container": _of_container, "image": _of_image, "network": _of_network, "volume": _of_volume}


def of_info(document: Mapping[str, object]) -> dict[str, object]:
    """The document of ``info`` with docker's fields, and with those of podman's structs that it does not need."""
    version = _part(document, "version")
    more = {"host": {"CgroupsVersion": _part(document, "host").get("cgroupVersion"), "ServiceIsRemote": False,
                     "IDMappings": {}, "RemoteSocket": {"Path": "", "Exists": False}},
            "store": {"ConfigFile": _part(document, "store").get("userConfigFile"), "GraphOptions": {}},
            "version": {"APIVersion": version.get("Version")}, "Registries": {}}
    return {**_docker_info(document), **_with(document, more)}


def _docker_info(document: Mapping[str, object]) -> dict[str, object]:
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
    known = {"Version": version, "APIVersion": version, "GitCommit": "", "Os": system, "Arch": machine,
             "OsArch": f"{system}/{machine}"}
    return {"Client": known, "Server": known}


def _part(document: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = document.get(name)
    return found if isinstance(found, Mapping) else {}
