"""What crun says when a container's command cannot be started, and what that means. Data, and the one function that
reads it."""

from __future__ import annotations

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
