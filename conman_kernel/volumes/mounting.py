"""Volumes that are a file system of their own: mounted while a container shows them, by mount(8), as docker and podman do.

mount(8) and not mount(2): file systems of the network have helpers (``mount.nfs``) that it finds.
"""

from __future__ import annotations

import os
import subprocess

from ..cancel import Cancel
from ..errors import NotFound, Unavailable
from ..mounts import is_mounted, unmount
from ..processes import boot_id
from . import places, rows
from .options import Mounting, mounting
from .records import Parts, VolumeRecord

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TOLD = 8192


def ensure_mounted(parts: Parts, record: VolumeRecord, cancel: Cancel) -> None:
    """Mount a volume that asks for it, unless it is mounted. The caller holds its lock.

    :raises Unavailable: mount(8) says no, in its words.
    :raises Cancelled, DeadlineExceeded: mount(8) was killed on the caller's wish.
    """
    wanted = mounting(dict(record.options))
    if wanted is None:
        return
    target = places.data(parts, record.name)
    if not is_mounted(target):
        _run(_argv(wanted, target), record.name, cancel)


def let_go(parts: Parts, name: str, container: str, cancel: Cancel) -> None:
    """Unmount a volume that asks to be mounted, where no other container shows it. Nothing mounted is no error.

    :param container: whose use ends.
    """
    with places.acquire(parts, name, cancel):
        with parts.database.read() as connection:
            record = rows.exact(connection, name)
            if record is None or mounting(dict(record.options)) is None:
                return
            if rows.shown_by(connection, name, but=container, boot=boot_id()):
                return
        unmount(places.data(parts, name))


def _argv(wanted: Mounting, target: str) -> list[str]:
    argv = ["mount"]
    if wanted.type:
        argv += ["-t", wanted.type]
    if wanted.options:
        argv += ["-o", ",".join(wanted.options)]
    return [*argv, "--", wanted.device, target]


def _run(argv: list[str], name: str, cancel: Cancel) -> None:
    environment = {"PATH": _PATH, "LC_ALL": "C"}
    try:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   cwd="/", env=environment, start_new_session=True)
    except FileNotFoundError:
        raise NotFound(f"cannot mount volume {name}: there is no mount(8) on this host", hint="apt-get install mount") from None
    assert process.stdout is not None
    said = b""
    try:
        with process.stdout as stream:
            while True:
                cancel.wait_readable(stream.fileno())
                data = os.read(stream.fileno(), 4096)
                if not data:
                    break
                said = (said + data)[:_TOLD]
        code = process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    if code:
        first = said.decode("utf-8", "replace").strip().splitlines() or [f"mount(8) exits with {code}"]
        raise Unavailable(f"cannot mount volume {name}: {first[0].strip()}",
                          hint="mount -t TYPE -o OPTIONS DEVICE says the same; conman volume inspect shows all three")
