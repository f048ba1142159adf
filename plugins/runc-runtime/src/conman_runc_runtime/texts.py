"""What runc says, and what that means: when a container's command cannot be started, and of its version."""

from __future__ import annotations

from conman_kernel.slots.runtime import Features

NOT_FOUND = 127
NOT_EXECUTABLE = 126
FAILED = 125

_TABLE: tuple[tuple[str, int], ...] = (
    ("executable file not found", NOT_FOUND),
    ("no such file or directory", NOT_FOUND),
    ("permission denied", NOT_EXECUTABLE),
    ("is a directory", NOT_EXECUTABLE),
    ("not a directory", NOT_EXECUTABLE),
    ("exec format error", NOT_EXECUTABLE),
    ("operation not permitted", NOT_EXECUTABLE),
    ("text file busy", NOT_EXECUTABLE),
)


def exit_code(message: str) -> int:
    """Sort runc's words (1.0 to 1.3) by what they say of the command.

    Only what stands behind ``exec: "COMMAND":`` (or ``exec /command:``) is about the command: a mount source that is
    missing says "no such file or directory", too, and is a failure like others (125). A working directory
    that cannot be entered counts as not executable, as with podman.
    """
    lowered = message.lower()
    if "chdir to cwd" in lowered:
        return NOT_EXECUTABLE
    start = max(lowered.rfind('exec: "'), lowered.rfind("exec /"))
    if start < 0:
        return FAILED
    return next((code for text, code in _TABLE if text in lowered[start:]), FAILED)


def from_version(text: str) -> Features:
    """What a runc too old for ``features`` (1.0) can do: all of it, seccomp where it names its libseccomp.

    That ``criu`` is installed stands for checkpoints, of which runc says nothing.
    """
    from conman_kernel.support.oci_features import version_lines
    from conman_kernel.support.oci_runtime import find_program

    lines = version_lines(text)
    return Features(version=lines["version"], oci_version=lines.get("spec", "1.0.0"), cgroup_v1=True, cgroup_v2=True,
                    systemd_cgroup=True, seccomp="libseccomp" in lines, apparmor=True, checkpoint=bool(find_program("criu")))
