"""The runtime as data. The program is the package ``plain_oci`` beside this one, run by the Python that runs conman."""

from __future__ import annotations

import os
import sys

from conman_kernel.cancel import Cancel
from conman_kernel.slots.runtime import Features, RuntimeCommands, Template

VERSION = "plain-oci 0.1"
# Isolated and without site-packages: nothing but its own folder and the standard library is ever imported.
_BOOT = "import sys; sys.path.insert(0, sys.argv.pop(1)); from plain_oci.program import main; main()"


class PlainRuntime:
    """See conman_kernel.slots.runtime, `Runtime`."""

    def __init__(self) -> None:
        python = os.path.realpath(sys.executable)
        script = os.path.join(os.path.dirname(sys.executable), "plain-oci")  # for people; it does the same, a little later
        self.binary = script if os.path.exists(script) else python
        folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        self._start: Template = (python, "-I", "-S", "-c", _BOOT, folder, "--root", "{root}")

    def commands(self, *, systemd_cgroup: bool) -> RuntimeCommands:
        """See the slot. There are no cgroups, so systemd's are none either."""
        start = self._start
        console: tuple[str, ...] = ("--console-socket", "{console_socket}")
        pid_file: tuple[str, ...] = ("--pid-file", "{pid_file}")
        return RuntimeCommands(
            create=(*start, "create", "--bundle", "{bundle}", pid_file, console, "{id}"),
            start=(*start, "start", "{id}"),
            state=(*start, "state", "{id}"),
            kill=(*start, "kill", "{id}", "{signal}"),
            delete=(*start, "delete", "{id}"),
            force_delete=(*start, "delete", "--force", "{id}"),
            exec=(*start, "exec", "--detach", "--process", "{process}", pid_file, console, "{id}"))

    def exit_code(self, message: str) -> int:
        """See the slot."""
        if "command not found: " in message:
            return 127
        return 126 if "command not executable: " in message else 125

    def features(self, cancel: Cancel) -> Features:
        """See the slot. It is what this version can do, on every host."""
        return Features(version=VERSION, oci_version="1.0.2", cgroup_v1=False, cgroup_v2=False, systemd_cgroup=False,
                        seccomp=False, apparmor=False, checkpoint=False)
