"""What runc can do: ``runc features`` (1.1 and later), else ``runc --version`` and a table."""

from __future__ import annotations

from conman_kernel.cancel import Cancel
from conman_kernel.slots.runtime import Features
from conman_kernel.support.oci_features import ask, version_lines
from conman_kernel.support.oci_runtime import find_program


def ask_runc(binary: str, cancel: Cancel) -> Features:
    """Ask the binary. That ``criu`` is installed stands for checkpoints, of which runc says nothing.

    :raises Unavailable: it cannot be run, or is something else.
    """
    criu = bool(find_program("criu"))
    return ask(binary, cancel, program="runc", by_version=lambda text: from_version(text, criu=criu))


def from_version(text: str, *, criu: bool) -> Features:
    """What a runc too old for ``features`` (1.0) can do: all of it, seccomp where it names its libseccomp."""
    lines = version_lines(text)
    return Features(version=lines["version"], oci_version=lines.get("spec", "1.0.0"), cgroup_v1=True, cgroup_v2=True,
                    systemd_cgroup=True, seccomp="libseccomp" in lines, apparmor=True, checkpoint=criu)
