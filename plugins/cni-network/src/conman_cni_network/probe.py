"""Can the plugin work on this host: root, the CNI plugins, iptables. A handful of stat(2), for it is asked by every command."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from conman_kernel.errors import Unavailable
from conman_kernel.slots.provider import Unavailable as No

from . import tools

if TYPE_CHECKING:
    from . import Options

NEEDED = ("bridge", "host-local")
"""CNI plugins without which nothing goes; others are asked for by what needs them."""


def probe(options: Options) -> No | None:
    """None: it can."""
    if os.geteuid():
        return No("interfaces and rules of the host are root's", "run it as root")
    if options.firewalld not in ("auto", "yes", "no"):
        return No(f"firewalld = {options.firewalld!r} is none of auto, yes, no", "correct it in [plugin.cni-network]")
    try:
        for type in NEEDED:
            tools.cni(type, options.plugin_dirs)
        tools.iptables("iptables-restore")
    except Unavailable as error:
        return No(error.message, error.hint)
    return None
