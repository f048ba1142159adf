"""Mac addresses that were wished for: two of one network would take each other's packets.

Those that the kernel draws are not kept.
"""

from __future__ import annotations

import os

from conman_kernel.errors import AlreadyExists
from conman_kernel.slots.network import JoinRequest


def claim(folder: str, request: JoinRequest, mac: str) -> bool:
    """Take a mac address for a container.

    :param folder: of one network; made where it is not there.
    :returns: False: the container has it already.
    :raises AlreadyExists: another container has it.
    """
    os.makedirs(folder, mode=0o700, exist_ok=True)
    try:
        os.symlink(_owner(request), f"{folder}/{mac}")  # whole or absent, other than a file that is written
    except FileExistsError:
        holder = _holder(folder, mac)
        if holder == _owner(request):
            return False
        raise AlreadyExists(f"network {request.network.name}: mac address {mac} is in use by container "
                            f"{holder.partition(' ')[0][:12]}") from None
    return True


def release(folder: str, request: JoinRequest, mac: str) -> None:
    """Give it back; that it is somebody else's, or nobody's, is no error."""
    if _holder(folder, mac) == _owner(request):
        os.unlink(f"{folder}/{mac}")


def _holder(folder: str, mac: str) -> str:
    try:
        return os.readlink(f"{folder}/{mac}")
    except FileNotFoundError:
        return ""


def _owner(request: JoinRequest) -> str:
    return f"{request.container} {request.interface}"
