"""The spec editor: named devices of a container as edits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable, TypeVar

from conman_kernel.slots.spec import EditRequest, SpecEdits

from .document import is_name
from .registry import Placed, Registry

if TYPE_CHECKING:
    from conman_kernel.slots.provider import Log

T = TypeVar("T")


class CdiEditor:
    """Devices from the CDI files of some folders, read anew for each container.

    :param folders: later ones come before earlier ones.
    """

    def __init__(self, folders: tuple[str, ...], log: Log) -> None:
        self._folders = folders
        self._log = log

    def edit(self, request: EditRequest) -> SpecEdits:
        """What the devices of a container bring: of each file what all of its devices bring, once, and their own.

        :raises NotFound: a name that could be a CDI device's, and is none's.
        """
        mine = tuple(device for device in request.devices if is_name(device))
        if not mine:
            return SpecEdits()
        registry = self.registry()
        placed = tuple(dict.fromkeys(one for device in mine for one in registry.find(device)))
        return _together(mine, placed)

    def registry(self) -> Registry:
        """What the files say now; for ``conman cdi``."""
        return Registry(self._folders)

    def close(self) -> None:
        """Nothing is open."""


def _together(handled: tuple[str, ...], placed: tuple[Placed, ...]) -> SpecEdits:
    common = dict.fromkeys(one.document.edits for one in placed)
    edits = [*common, *(one.device.edits for one in placed)]
    rdt = next((one.intel_rdt for one in reversed(edits) if one.intel_rdt is not None), None)
    return SpecEdits(
        handled=handled, env=tuple(dict(pair for one in edits for pair in one.env).items()),
        mounts=_once(mount for one in edits for mount in one.mounts),
        devices=_once(node for one in edits for node in one.devices),
        groups=_once(group for one in edits for group in one.groups), hooks=_once(hook for one in edits for hook in one.hooks),
        intel_rdt=rdt)


def _once(items: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(items))
