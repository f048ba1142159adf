"""tee(2), which Python does not have: bytes of one pipe into another, without a copy, and still there to be read."""

from __future__ import annotations

TYPE_CHECKING = False  # typing itself would cost 1 MB of memory a container
if TYPE_CHECKING:
    from typing import Callable

_SPLICE_F_NONBLOCK = 2


def load() -> Callable[[int, int, int], int] | None:
    """The call: source, target, most bytes -> bytes; 0: the source is empty and has no writer; -1: not now, or never.

    :returns: None where it cannot be had: the caller reads and writes then.
    """
    try:
        import _ctypes  # as for prctl: loaded already, where the package ctypes would cost 0.25 MB a container
        address = _ctypes.dlsym(_ctypes.dlopen(None, 0), "tee")  # type: ignore[arg-type]
    except (ImportError, AttributeError, OSError):
        return None
    return lambda source, target, size: _ctypes.call_function(address, (source, target, size, _SPLICE_F_NONBLOCK))
