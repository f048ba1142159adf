"""Where the host's tools are, and which package brings one that is missing."""

from __future__ import annotations

import os
from typing import Sequence

from conman_kernel.errors import Unavailable
from conman_kernel.support.programs import find, search_path

CNI_PACKAGE = "apt-get install containernetworking-plugins (elsewhere containernetworking-plugins or cni-plugins), " \
              "or set plugin_dirs in [plugin.cni-network]"
IPTABLES_PACKAGE = "apt-get install iptables"


def cni(type: str, folders: Sequence[str]) -> str:
    """The path of a CNI plugin.

    :raises Unavailable: no folder has it.
    """
    path = find(type, folders)
    if not path:
        raise Unavailable(f"the CNI plugin {type} is in none of {', '.join(folders) or 'plugin_dirs, which is empty'}",
                          hint=CNI_PACKAGE)
    return path


def iptables(name: str) -> str:
    """The path of one of iptables' programs.

    :raises Unavailable: it is not installed.
    """
    path = find(name, search_path(os.environ).split(":"))
    if not path:
        raise Unavailable(f"{name} is not installed", hint=IPTABLES_PACKAGE)
    return path
