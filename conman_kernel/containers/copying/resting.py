"""The volumes and overlays of a container that does not run, made ready as by a start: somebody looks into it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Iterator

from ...cancel import Cancel
from ...errors import ConmanError
from ...oci.runtime.options import ContainerOptions, MountOption
from ...oci.runtime.request import User
from .. import rootfs
from ..context import Context
from ..rows import ContainerRow
from ..state import refreshed
from ..users import resolve_user


@contextmanager
def resting(context: Context, row: ContainerRow, options: ContainerOptions, cancel: Cancel) -> Iterator[tuple[MountOption, ...]]:
    """Its mounts, each with the folder of the host that a start would show. The caller holds its lock.

    A volume gets the image's content here as at the first start: what is copied into it would keep that away for ever.

    :raises ConmanError: a volume cannot be mounted or filled.
    """
    if not any(mount.type == "volume" or {"U", "O"} & set(mount.options) for mount in options.mounts):
        yield options.mounts
        return
    from ..volumes import at_end, at_start, with_sources

    try:
        path = rootfs.hold(context, row, cancel)
        try:
            root = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                user = _user(root, row, options)
                at_start(context, row, root, user, cancel)
            finally:
                os.close(root)
        finally:
            rootfs.let_go(context, refreshed(context, row.id), force=False)
        yield with_sources(context, row.id, options.mounts, user)
    finally:
        at_end(context, row, Cancel())


def _user(root: int, row: ContainerRow, options: ContainerOptions) -> User:
    """Who its process would be; root where the image does not know them, which a start will tell."""
    try:
        return resolve_user(root, options.user or row.image_parts().user, options.groups)
    except ConmanError:
        return User()
