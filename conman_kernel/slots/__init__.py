"""The slots: one file each, with the protocol, its requests and records, and its promises. This one lists them.

A slot's own file is imported when its first plugin is loaded, not before: most commands need one or two of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from .attach import Attach
    from .events import EventSink
    from .network import NetworkDriver
    from .runtime import Runtime
    from .spec import SpecEditor
    from .storage import StorageDriver
    from .transport import ImageTransport

T_co = TypeVar("T_co", covariant=True)


class Slot(Generic[T_co]):
    """One slot: where its plugins register, by which hook they declare themselves, what they must speak.

    :ivar group: the entry-point group, such as ``conman.storage``.
    :ivar hook: the hook's name, in :mod:`conman_kernel.hookspecs`.
    """

    __slots__ = ("_module", "_protocol", "group", "hook")

    def __init__(self, group: str, hook: str, module: str, protocol: str) -> None:
        self.group = group
        self.hook = hook
        self._module = module
        self._protocol = protocol

    @property
    def api(self) -> int:
        """The version of the protocol that this kernel speaks."""
        return int(vars(import_module(self._module, __name__))["API"])

    @property
    def members(self) -> tuple[str, ...]:
        """What an object of the slot must have."""
        protocol: object = vars(import_module(self._module, __name__))[self._protocol]
        return tuple(name for name in vars(protocol) if not name.startswith("_"))


TRANSPORT: Slot[ImageTransport] = Slot("conman.transport", "conman_image_transport", ".transport", "ImageTransport")
STORAGE: Slot[StorageDriver] = Slot("conman.storage", "conman_storage_driver", ".storage", "StorageDriver")
RUNTIME: Slot[Runtime] = Slot("conman.runtime", "conman_runtime", ".runtime", "Runtime")
ATTACH: Slot[Attach] = Slot("conman.attach", "conman_attach", ".attach", "Attach")
NETWORK: Slot[NetworkDriver] = Slot("conman.network", "conman_network", ".network", "NetworkDriver")
EVENTS: Slot[EventSink] = Slot("conman.events", "conman_event_sink", ".events", "EventSink")
SPEC: Slot[SpecEditor] = Slot("conman.spec", "conman_spec_editor", ".spec", "SpecEditor")

SLOTS: tuple[Slot[object], ...] = (TRANSPORT, STORAGE, RUNTIME, ATTACH, NETWORK, EVENTS, SPEC)
"""Every slot of this kernel."""
