"""The slots: one file each, with the protocol, its requests and records, and its promises. This one lists them."""

from __future__ import annotations

from typing import Generic, TypeVar

from . import attach, runtime, storage, transport

T_co = TypeVar("T_co", covariant=True)


class Slot(Generic[T_co]):
    """One slot: where its plugins register, by which hook they declare themselves, what they must speak.

    :ivar group: the entry-point group, such as ``conman.storage``.
    :ivar hook: the hook's name, in :mod:`conman_kernel.hookspecs`.
    :ivar api: the version of the protocol that this kernel speaks.
    :ivar members: what an object of the slot must have.
    """

    __slots__ = ("api", "group", "hook", "members")

    def __init__(self, group: str, hook: str, api: int, protocol: type[T_co]) -> None:
        self.group = group
        self.hook = hook
        self.api = api
        self.members = tuple(name for name in vars(protocol) if not name.startswith("_"))


TRANSPORT: Slot[transport.ImageTransport] = Slot("conman.transport", "conman_image_transport", transport.API,
                                                 transport.ImageTransport)  # type: ignore[type-abstract]
STORAGE: Slot[storage.StorageDriver] = Slot("conman.storage", "conman_storage_driver", storage.API,
                                            storage.StorageDriver)  # type: ignore[type-abstract]
RUNTIME: Slot[runtime.Runtime] = Slot("conman.runtime", "conman_runtime", runtime.API,
                                      runtime.Runtime)  # type: ignore[type-abstract]
ATTACH: Slot[attach.Attach] = Slot("conman.attach", "conman_attach", attach.API,
                                   attach.Attach)  # type: ignore[type-abstract]

SLOTS: tuple[Slot[object], ...] = (TRANSPORT, STORAGE, RUNTIME, ATTACH)
"""Every slot of this kernel."""
