"""The person's side, as the kernel's building blocks have it, and nothing else."""

from __future__ import annotations

from conman_kernel.slots.attach import AttachRequest, End
from conman_kernel.support.joined.loop import join


class PtyAttach:
    """Implements :class:`conman_kernel.slots.attach.Attach`; keeps nothing between runs."""

    direct = True

    def run(self, request: AttachRequest) -> End:
        """See the protocol, and :func:`conman_kernel.support.joined.loop.join`."""
        return join(request)
