"""What crun can do: ``crun features`` (1.9 and later), else what ``crun --version`` says it was built with."""

from __future__ import annotations

from conman_kernel.cancel import Cancel
from conman_kernel.slots.runtime import Features
from conman_kernel.support.oci_features import ask, version_lines


def ask_crun(binary: str, cancel: Cancel) -> Features:
    """Ask the binary.

    :raises Unavailable: it cannot be run, or is something else.
    """
    return ask(binary, cancel, program="crun", by_version=from_version)


def from_version(text: str) -> Features:
    """A crun without ``features``: all it can be built with or without stands as ``+WORD`` below its version."""
    lines = version_lines(text)
    built = {word for line in text.splitlines() for word in line.split() if word.startswith("+")}
    return Features(version=lines["version"], oci_version=lines.get("spec", "1.0.0"), cgroup_v1=True,
                    cgroup_v2="+EBPF" in built, systemd_cgroup="+SYSTEMD" in built,
                    seccomp="+SECCOMP" in built, apparmor="+APPARMOR" in built, checkpoint="+CRIU" in built)
