"""Documents as templates see them: what is a struct (a field that is missing is an error) and what a map."""

from __future__ import annotations

from typing import Mapping

from .values import Fields

MAPS = frozenset((
    "Annotations", "Attributes", "Containers", "Data", "DriverOpts", "ExposedPorts", "GraphOptions", "GraphStatus", "Labels",
    "Networks", "Options", "Plugins", "PortBindings", "Ports", "Status", "Storage", "StorageOpt", "Sysctls", "Tmpfs", "Volumes",
    "annotations", "labels", "networks", "options", "plugins",
))
"""Fields whose values are maps in docker's and podman's documents; their values may be structs again."""

_INNER = {"LogConfig": ("Config",)}
"""The same, of fields that are structs elsewhere."""


def fields(value: object, name: str = "") -> object:
    """The same value, with structs told from maps.

    :param name: the field that it is the value of.
    """
    if isinstance(value, Fields):
        return value
    if isinstance(value, Mapping):
        inner = _INNER.get(name, ())
        found = {str(key): dict(item) if key in inner and isinstance(item, Mapping) else fields(item, str(key))
                 for key, item in value.items()}
        # One that is empty can be no struct: those always have their fields.
        return found if name in MAPS or not found else Fields(found)
    if isinstance(value, (list, tuple)):
        return [fields(item) for item in value] if any(isinstance(item, Mapping) for item in value) else value
    return value
