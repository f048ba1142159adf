"""Loop devices, for mounts whose source is a file: made for one mount, gone with it.

Sources: loop(4); the kernel's include/uapi/linux/loop.h.
"""

from __future__ import annotations

import errno
import os
import struct
from contextlib import contextmanager
from typing import Iterator

from .errors import Unavailable

_CONTROL = "/dev/loop-control"
_GET_FREE, _CONFIGURE = 0x4C82, 0x4C0A
_READ_ONLY, _AUTOCLEAR = 1, 4
_CONFIG = "=II 5Q 4I 64s 64x 32x 16x 64x"  # struct loop_config; of its loop_info64 flags and name are set
_TRIES = 64


@contextmanager
def attached(path: str, *, read_only: bool) -> Iterator[str]:
    """A loop device over a file. It goes when nothing has it open or mounted any more: after the block, or the mount made in it.

    :returns: the device's path.
    :raises Unavailable: the system refuses; the message has its words.
    """
    import fcntl

    mode = (os.O_RDONLY if read_only else os.O_RDWR) | os.O_CLOEXEC
    doing = f"cannot make a loop device over {path}"
    file = _open(path, mode, doing)
    device = -1
    try:
        flags = _AUTOCLEAR | (_READ_ONLY if read_only else 0)
        name = os.fsencode(path)[-63:]
        config = struct.pack(_CONFIG, file, *[0] * 9, flags, name)
        control = _open(_CONTROL, os.O_RDWR | os.O_CLOEXEC, doing)
        try:
            for _ in range(_TRIES):
                node = f"/dev/loop{fcntl.ioctl(control, _GET_FREE)}"
                device = _open(node, mode, doing)
                try:
                    fcntl.ioctl(device, _CONFIGURE, config)
                    break
                except OSError as error:
                    os.close(device)
                    device = -1
                    if error.errno != errno.EBUSY:  # somebody else took it in between
                        raise
            else:
                raise Unavailable(f"{doing}: each free one is taken by others", hint="try again")
        except OSError as error:
            raise Unavailable(f"{doing}: {os.strerror(error.errno or 0).lower()}") from error
        finally:
            os.close(control)
        yield node
    finally:
        os.close(file)
        if device >= 0:
            os.close(device)


def _open(path: str, mode: int, doing: str) -> int:
    try:
        return os.open(path, mode)
    except OSError as error:
        loop = path.startswith("/dev/loop")
        raise Unavailable(f"{doing}: {path}: {os.strerror(error.errno or 0).lower()}",
                          hint="modprobe loop; a container needs /dev/loop-control and /dev/loop*" if loop else "") from error
