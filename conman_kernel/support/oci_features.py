"""What an OCI runtime can do, asked of the binary: its ``features`` document, or what its version stands for.

The document: https://github.com/opencontainers/runtime-spec/blob/main/features.md
"""

from __future__ import annotations

import json
import os
from typing import Callable, Mapping

from ..cancel import Cancel
from ..errors import Unavailable
from ..slots.runtime import Features

_MAX_BYTES = 1 << 20


def ask(binary: str, cancel: Cancel, *, program: str, by_version: Callable[[str], Features]) -> Features:
    """Ask a binary by ``--version``, then by ``features``, which old ones do not have.

    :param program: what it should be, for messages.
    :param by_version: what a binary can do by the words of its ``--version``. A ``features`` document is taken over that,
        but it says nothing of checkpoints.
    :raises Unavailable: it cannot be run, or is something else.
    """
    code, text = query([binary, "--version"], cancel)
    if code != 0 or "version" not in text:
        raise Unavailable(f"{binary} --version says {text.strip()[:200]!r} and exits with {code}: is it {program}?")
    known = by_version(text)
    found, output = query([binary, "features"], cancel)
    try:
        document = json.loads(output) if found == 0 else None
    except ValueError:
        document = None
    return from_document(document, known) if isinstance(document, dict) else known


def from_document(document: Mapping[str, object], known: Features) -> Features:
    """The runtime-spec's features document as a record.

    :param known: gives the version, and whether it checkpoints.
    """
    newest = document.get("ociVersionMax")
    return known._replace(
        oci_version=newest if isinstance(newest, str) else "1.0.0",
        cgroup_v1=_enabled(document, "linux", "cgroup", "v1"), cgroup_v2=_enabled(document, "linux", "cgroup", "v2"),
        systemd_cgroup=_enabled(document, "linux", "cgroup", "systemd"),
        seccomp=_enabled(document, "linux", "seccomp", "enabled"),
        apparmor=_enabled(document, "linux", "apparmor", "enabled"))


def version_lines(text: str) -> dict[str, str]:
    """``NAME version 1.1.5`` and the ``key: value`` lines below it; the first line under ``version``."""
    first, *rest = text.splitlines() or [""]
    values = {key.strip(): value.strip() for key, colon, value in (line.partition(":") for line in rest) if colon}
    values["version"] = first.strip()
    return values


def query(argv: list[str], cancel: Cancel) -> tuple[int, str]:
    """Run a command without input and collect what it prints on both streams.

    :returns: exit code and output, at most about 1 MiB; a command that prints more is killed.
    :raises Unavailable: it cannot be run at all.
    :raises Cancelled, DeadlineExceeded: by ``cancel``; it is killed.
    """
    import subprocess

    try:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except OSError as error:
        raise Unavailable(f"cannot run {argv[0]}: {error.strerror}") from error
    assert process.stdout is not None
    chunks: list[bytes] = []
    with process:
        try:
            fd = process.stdout.fileno()
            while sum(map(len, chunks)) < _MAX_BYTES:
                cancel.wait_readable(fd)
                chunk = os.read(fd, 65536)
                if not chunk:
                    break
                chunks.append(chunk)
            else:
                process.kill()
        except BaseException:
            process.kill()
            raise
    return process.returncode, b"".join(chunks).decode("utf-8", "replace")


def _enabled(document: Mapping[str, object], *path: str) -> bool:
    value: object = document
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value is True
