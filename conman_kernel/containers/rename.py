"""Another name for a container, whatever it does meanwhile."""

from __future__ import annotations

from ..cancel import Cancel
from ..errors import AlreadyExists, InvalidState
from . import rows
from .context import Context
from .names import check_name
from .rows import ContainerRow
from .state import refreshed
from .telling import tell


def rename(context: Context, row: ContainerRow, name: str, cancel: Cancel) -> ContainerRow:
    """Give a container another name; its own is no error.

    :returns: the row as it is now.
    :raises InvalidInput: no container can be called so.
    :raises AlreadyExists: another one is.
    :raises InvalidState: it is being removed.
    """
    check_name(name)
    with context.locks.acquire(row.num, cancel):
        now = refreshed(context, row.id)
        if now.state in ("creating", "removing"):
            raise InvalidState(f"container {now.name} is {now.state}: container state improper")
        with context.index.write() as connection:
            taken = rows.named(connection, name)
            if taken is not None and taken != now.id:
                raise AlreadyExists(f"renaming container {now.id}: name {name} already in use: container already exists",
                                    hint=f"choose another name; {taken[:12]} has that one")
            rows.update(connection, now.id, name=name)
    now = now._replace(name=name)
    if now.parsed_options().network == "bridge":
        from ..networks.rows import of_container
        from .networking import tell_names

        with context.index.read() as connection:
            networks = [one.network for one in of_container(connection, now.id)]
        tell_names(context, networks)  # the others know it by its new name from now on
    tell(context, now, "rename")
    return now
