"""What a start finds or makes in the root file system itself, as podman does: the working folder, ``/etc/mtab``."""

from __future__ import annotations

import os

from ..errors import ConmanError, InvalidState, NotFound, Unavailable
from ..oci.runtime.options import ContainerOptions
from ..oci.runtime.request import ImageParts, User
from .rootpath import mkdir_in_root, open_in_root

CANNOT_INVOKE = 126
"""The exit code of ``run`` where the image has not the user or working folder that the process is to have; podman's."""


def ensure_workdir(root_fd: int, id: str, options: ContainerOptions, parts: ImageParts, user: User) -> None:
    """See to it that the working folder is there.

    The image's is made where it is missing, and then belongs to the container's user, the folders above to root. The
    caller's must exist, except on a mount, where the runtime sees to it.

    :param root_fd: the mounted root file system.
    :param id: the container's, for messages.
    :raises NotFound, InvalidState, Unavailable: it is missing, no folder, or cannot be made; with podman's exit code 126.
    """
    workdir = options.workdir or parts.working_dir
    if not workdir.strip("/") or _on_mount(workdir, options):
        return
    try:
        os.close(open_in_root(root_fd, workdir, os.O_PATH | os.O_DIRECTORY))
    except FileNotFoundError:
        if options.workdir:
            raise _refused(NotFound(
                f'workdir "{workdir}" does not exist on container {id}',
                hint="make it in the image, mount something there, or leave -w to the image")) from None
        _make(root_fd, workdir, user)
    except NotADirectoryError:
        raise _refused(InvalidState(f'workdir "{workdir}" exists on container {id}, but is not a directory')) from None
    except OSError as error:
        raise _refused(Unavailable(f'detecting workdir "{workdir}" on container {id}: {error.strerror}')) from None


def ensure_mtab(root_fd: int) -> None:
    """``/etc/mtab`` leads to the mount table where the image has none, so that ``mount`` and ``df`` work inside.

    What cannot be made is left out: only old programs read it.
    """
    try:
        etc = open_in_root(root_fd, "etc", os.O_PATH | os.O_DIRECTORY)
    except OSError:
        return
    try:
        os.symlink("/proc/mounts", "mtab", dir_fd=etc)
    except OSError:
        return  # nearly always: the image has one
    finally:
        os.close(etc)


def _on_mount(workdir: str, options: ContainerOptions) -> bool:
    path = os.path.normpath(workdir) + "/"
    return any(path.startswith(os.path.normpath(mount.target).rstrip("/") + "/") for mount in options.mounts)


def _make(root_fd: int, workdir: str, user: User) -> None:
    try:
        mkdir_in_root(root_fd, workdir)
        made = open_in_root(root_fd, workdir, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fchown(made, user.uid, user.gid)
        finally:
            os.close(made)
    except OSError as error:
        raise _refused(Unavailable(f'cannot make workdir "{workdir}" in the container: {error.strerror}')) from None


def _refused(error: ConmanError) -> ConmanError:
    error.exit_code = CANNOT_INVOKE
    return error
