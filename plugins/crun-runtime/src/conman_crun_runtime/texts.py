"""What crun says, and what that means: when a container's command cannot be started, and of its version."""

from __future__ import annotations

from conman_kernel.slots.runtime import Features

NOT_FOUND = 127
NOT_EXECUTABLE = 126
FAILED = 125

_ABOUT_COMMAND = ("executable file", "open executable", "exec container process", "find executable", "execve",
                  "exec `", "exec '")
_TABLE: tuple[tuple[str, int], ...] = (
    ("no such file or directory", NOT_FOUND),
    ("not found", NOT_FOUND),
    ("permission denied", NOT_EXECUTABLE),
    ("operation not permitted", NOT_EXECUTABLE),
    ("is a directory", NOT_EXECUTABLE),
    ("not a directory", NOT_EXECUTABLE),
    ("exec format error", NOT_EXECUTABLE),
    ("text file busy", NOT_EXECUTABLE),
)


def exit_code(message: str) -> int:
    """Sort crun's words (0.17 to 1.20) by what they say of the command.

    Only a line that speaks of the executable is about the command: a mount source that is missing says "No such file or
    directory", too, and is a failure like others (125). A working directory that cannot be entered counts as not
    executable, as with podman.
    """
    for line in message.lower().splitlines()[::-1]:
        if "chdir" in line or "working directory" in line:
            return NOT_EXECUTABLE
        if any(words in line for words in _ABOUT_COMMAND):
            return next((code for text, code in _TABLE if text in line), FAILED)
    return FAILED


def from_version(text: str) -> Features:
    """A crun without ``features`` (before 1.9): all it can be built with or without stands as ``+WORD`` below its version."""
    from conman_kernel.support.oci_features import version_lines

    lines = version_lines(text)
    built = {word for line in text.splitlines() for word in line.split() if word.startswith("+")}
    return Features(version=lines["version"], oci_version=lines.get("spec", "1.0.0"), cgroup_v1=True,
                    cgroup_v2="+EBPF" in built, systemd_cgroup="+SYSTEMD" in built,
                    seccomp="+SECCOMP" in built, apparmor="+APPARMOR" in built, checkpoint="+CRIU" in built)
