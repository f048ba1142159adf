"""Asking the binary what it can do: ``crun features`` (crun 1.9 and later), else what ``crun --version`` says it was
built with."""

from __future__ import annotations

import json
from typing import Mapping

from conman_kernel.cancel import Cancel
from conman_kernel.errors import Unavailable
from conman_kernel.slots.runtime import Features

_MAX_BYTES = 1 << 20


def run(argv: list[str], cancel: Cancel) -> tuple[int, str]:
    """Run a query and collect what it prints.

    :returns: exit code and output, at most 1 MiB.
    :raises Unavailable: it cannot be run at all.
    """
    import os
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


def version_lines(text: str) -> dict[str, str]:
    """``crun version 1.8.1`` and the ``key: value`` lines below it; the version under ``version``."""
    first, *rest = text.splitlines() or [""]
    values = {key.strip(): value.strip() for key, colon, value in (line.partition(":") for line in rest) if colon}
    values["version"] = first.strip()
    return values


def _enabled(document: Mapping[str, object], *path: str) -> bool:
    value: object = document
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value is True


def from_features(document: Mapping[str, object], version: str, *, criu: bool) -> Features:
    """The OCI runtime-spec's "features" document, as a record."""
    newest = document.get("ociVersionMax")
    return Features(
        version=version, oci_version=newest if isinstance(newest, str) else "1.0.0",
        cgroup_v1=_enabled(document, "linux", "cgroup", "v1"), cgroup_v2=_enabled(document, "linux", "cgroup", "v2"),
        systemd_cgroup=_enabled(document, "linux", "cgroup", "systemd"),
        seccomp=_enabled(document, "linux", "seccomp", "enabled"),
        apparmor=_enabled(document, "linux", "apparmor", "enabled"),
        checkpoint=criu)


def from_version(text: str) -> Features:
    """A crun without ``features``: all it can be built with or without stands as ``+WORD`` below its version."""
    lines = version_lines(text)
    built = {word for line in text.splitlines() for word in line.split() if word.startswith("+")}
    return Features(version=lines["version"], oci_version=lines.get("spec", "1.0.0"), cgroup_v1=True,
                    cgroup_v2="+EBPF" in built, systemd_cgroup="+SYSTEMD" in built,
                    seccomp="+SECCOMP" in built, apparmor="+APPARMOR" in built, checkpoint="+CRIU" in built)


def ask(binary: str, cancel: Cancel) -> Features:
    """Ask the binary.

    :raises Unavailable: it cannot be run, or is something else.
    """
    code, text = run([binary, "--version"], cancel)
    if code != 0 or "version" not in text:
        raise Unavailable(f"{binary} --version says {text.strip()[:200]!r} and exits with {code}: is it crun?")
    found, output = run([binary, "features"], cancel)
    try:
        document = json.loads(output) if found == 0 else None
    except ValueError:
        document = None
    if not isinstance(document, dict):
        return from_version(text)
    return from_features(document, version_lines(text)["version"], criu="+CRIU" in text.split())
