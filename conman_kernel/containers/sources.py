"""What is bound into a container from the host: that it is there, and can be mounted as is asked."""

from __future__ import annotations

import os

from ..errors import InvalidInput, NotFound
from ..oci.runtime.options import MountOption
from .hostfacts import read_text, unescape

_NEVER_OWNED = frozenset((
    "/", "/bin", "/boot", "/dev", "/etc", "/etc/passwd", "/etc/pki", "/home", "/lib", "/lib64", "/media", "/opt", "/proc",
    "/root", "/run", "/sbin", "/srv", "/sys", "/tmp", "/usr", "/var", "/var/lib", "/var/log"))
"""Whose owner the mount option ``U`` does not change: podman's list."""

_SHARED, _SLAVE = frozenset(("shared", "rshared")), frozenset(("slave", "rslave"))


def check_sources(mounts: tuple[MountOption, ...], *, root: str = "/") -> None:
    """Every bind mount's source exists, and can be mounted as is asked.

    :raises NotFound: in podman's words. Nothing is made up in its place, as docker does.
    :raises InvalidInput: a propagation that the host's mount cannot give (docker's rule; podman and runc mount it without),
        or the owner of a folder of the system would be changed.
    """
    for mount in mounts:
        if mount.type != "bind":
            continue
        if not os.path.exists(mount.source):
            raise NotFound(f"statfs {mount.source}: no such file or directory",
                           hint="conman makes no folder on the host; make it first")
        if "U" in mount.options and os.path.realpath(mount.source) in _NEVER_OWNED:
            raise InvalidInput(f'chown on host path "{mount.source}" is not permitted', hint="leave the option U out")
        asked = set(mount.options)
        if asked & (_SHARED | _SLAVE):
            point, tags = _mount_of(os.path.realpath(mount.source), root)
            if asked & _SHARED and "shared" not in tags:
                raise InvalidInput(f"path {mount.source} is mounted on {point} but it is not a shared mount",
                                   hint=f"mount --make-shared {point}, or leave {sorted(asked & _SHARED)[0]} out")
            if not tags & {"shared", "master"}:
                raise InvalidInput(f"path {mount.source} is mounted on {point} but it is not a shared or slave mount",
                                   hint=f"mount --make-shared {point}, or leave {sorted(asked & _SLAVE)[0]} out")


def _mount_of(path: str, root: str) -> tuple[str, set[str]]:
    """The mount point that a path lies on, and the names of its optional fields: ``shared``, ``master`` (proc(5), mountinfo)."""
    best, tags = "", set[str]()
    for line in read_text(root, "/proc/self/mountinfo").splitlines():
        fields = line.partition(" - ")[0].split(" ")
        point = unescape(fields[4]) if len(fields) > 5 else ""
        if point and (path == point or path.startswith(point.rstrip("/") + "/")) and len(point) >= len(best):
            best, tags = point, {field.partition(":")[0] for field in fields[6:]}
    return best, tags
