"""What nothing needs goes: containers that do not run, images, partial downloads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Mapping, Sequence

from ..cancel import Cancel
from ..errors import ConmanError, InvalidInput, InvalidState
from ..images.pruning import PruneReport
from ..record import Record
from ..slots.storage import KeyRequest
from .tidy import partial_bytes

if TYPE_CHECKING:
    from ..kernel import Conman

FILTERS = ("until", "label", "label!")


class SystemPruneReport(Record):
    """What went.

    :param containers: ids.
    :param images: see :class:`~conman_kernel.images.pruning.PruneReport`.
    :param networks: names; ``volumes`` likewise.
    :param reclaimed: bytes in all: writable layers, layers, kept blobs, volumes, partial downloads.
    """

    containers: tuple[str, ...]
    images: PruneReport
    reclaimed: int
    networks: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()


def prune_containers(conman: Conman, filters: Mapping[str, Sequence[str]], cancel: Cancel) -> tuple[tuple[str, ...], int]:
    """Remove the containers that do not run.

    :param filters: podman's ``until``, ``label`` and ``label!``.
    :returns: their ids, and the bytes of their writable layers. One that is started meanwhile stays.
    :raises InvalidInput: an unknown filter.
    """
    unknown = next((name for name in filters if name not in FILTERS), "")
    if unknown:
        raise InvalidInput(f'"{unknown}" is an invalid filter', hint="prune takes until, label and label!")
    wanted = [(name, value) for name, values in filters.items() for value in values if name != "label!"]
    refused = [(name, value) for name, values in filters.items() for value in values if name == "label!"]
    spared = {container.id for _, value in refused for container in conman.containers.list(all=True, filters=[("label", value)])}
    gone: list[str] = []
    reclaimed = 0
    for container in conman.containers.list(all=True, filters=wanted):
        cancel.check()
        if container.row.state not in ("created", "exited") or container.id in spared:
            continue
        try:
            size = conman.images.parts.storage(container.row.storage).usage(KeyRequest(container.id, cancel)).size
            container.remove(cancel=cancel)
        except InvalidState:
            continue  # it runs by now
        except ConmanError as error:
            cancel.check()
            conman.log.warning("container %s cannot be removed: %s", container.id[:12], error)
            continue
        gone.append(container.id)
        reclaimed += size
    if gone:
        conman.containers.context.tell("container", "prune", "", "", attributes=(("reclaimed", str(reclaimed)),))
    return tuple(gone), reclaimed


def prune(conman: Conman, *, all: bool, volumes: bool, filters: Mapping[str, Sequence[str]],
          cancel: Cancel) -> SystemPruneReport:
    """Containers first, then the networks and images that nothing needs by then, volumes where asked for, then partial downloads
    that nobody goes on with.

    :param all: also images with a name that no container was made from.
    """
    containers, freed = prune_containers(conman, filters, cancel)
    networks = _networks(conman, filters, cancel)
    images = conman.images.prune(all=all, filters=filters, cancel=cancel)
    partial = 0 if filters else partial_bytes(conman.images.parts, remove=True)[0]
    kept = conman.volumes.prune(filters=filters, cancel=cancel) if volumes else None
    names, more = (kept.removed, kept.reclaimed) if kept is not None else ((), 0)
    return SystemPruneReport(containers, images, freed + images.reclaimed + more + partial, networks, names)


def _networks(conman: Conman, filters: Mapping[str, Sequence[str]], cancel: Cancel) -> tuple[str, ...]:
    """Networks that no container is in; where a plugin cannot remove its own that is reported, and stops nothing."""
    wanted = tuple((name, value) for name, values in filters.items() for value in values)
    try:
        return conman.networks.prune(filters=wanted, cancel=cancel)
    except ConmanError as error:
        cancel.check()
        conman.log.warning("networks cannot be removed: %s", error)
        return ()
