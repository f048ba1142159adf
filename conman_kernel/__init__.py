"""conman: a container manager that can be taken apart. This is its public API; everything else may change.

::

    from conman_kernel import Conman

    with Conman() as c:
        image = c.images.pull("alpine")
        result = c.containers.run(image, ["echo", "hello"])
        print(result.exit_code, result.stdout)

Names are loaded on first use, so that importing this package costs next to nothing.
"""

from __future__ import annotations

from ._version import VERSION as __version__

TYPE_CHECKING = False  # typing's own costs its import, and `conman --version` pays for nothing else

if TYPE_CHECKING:
    from .cancel import Cancel
    from .containers.capture import RunResult
    from .containers.container import Container
    from .containers.execs.options import ExecOptions
    from .containers.execs.session import ExecSession
    from .containers.stats import ContainerStats
    from .containers.streams import RunOutcome, Streams
    from .errors import ConmanError
    from .hooks import hookimpl
    from .images.image import Image
    from .images.records import Progress
    from .kernel import Conman
    from .networks.network import Network
    from .oci.runtime.options import ContainerOptions, Device, HealthCheck, MountOption, NetworkOption, PublishedPort, Ulimit
    from .slots.provider import Access
    from .volumes.volume import Volume

_HOMES = {
    "Access": "slots.provider", "Cancel": "cancel", "Conman": "kernel", "ConmanError": "errors",
    "Container": "containers.container", "ContainerOptions": "oci.runtime.options",
    "ContainerStats": "containers.stats", "Device": "oci.runtime.options",
    "ExecOptions": "containers.execs.options",
    "ExecSession": "containers.execs.session", "HealthCheck": "oci.runtime.options", "Image": "images.image",
    "MountOption": "oci.runtime.options",
    "Network": "networks.network", "NetworkOption": "oci.runtime.options", "PublishedPort": "oci.runtime.options",
    "Progress": "images.records", "RunOutcome": "containers.streams", "RunResult": "containers.capture",
    "Streams": "containers.streams", "Ulimit": "oci.runtime.options", "Volume": "volumes.volume", "hookimpl": "hooks",
}

__all__ = ["Access", "Cancel", "Conman", "ConmanError", "Container", "ContainerOptions", "ContainerStats", "Device",
           "ExecOptions", "ExecSession", "HealthCheck", "Image", "MountOption", "Network", "NetworkOption", "Progress",
           "PublishedPort", "RunOutcome", "RunResult", "Streams", "Ulimit", "Volume", "__version__", "hookimpl"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value
