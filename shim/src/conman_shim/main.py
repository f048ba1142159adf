"""The entry: leave the launcher, then wait for the configuration. Nothing heavy is imported before the fork."""

from __future__ import annotations

import os
import sys

CONTROL = 3
"""The descriptor of the control channel."""


def main() -> None:
    """Run one shim (PROTOCOL.md, "Start"). Never returns."""
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")
    os.umask(0o022)
    _close_strangers()
    from .channel import Channel
    from .config import read_config
    from .spawn import prepare
    from .supervisor import Supervisor

    channel = Channel(CONTROL)
    channel.send(b"ready", version=1, pid=os.getpid())
    prepare()
    try:
        config = read_config(channel)
    except ValueError as error:
        channel.send(b"error", stage=b"config", text=str(error).encode())
        os._exit(1)
    if config is None:
        os._exit(0)
    try:
        code = Supervisor(channel, config).run()
    except BaseException:  # noqa: BLE001 - the outermost: said to the kernel, written to a file, then the end
        channel.send(b"error", stage=b"defect", text=repr(sys.exc_info()[1]).encode())
        _leave_traceback(config.error_log)
        os._exit(2)
    os._exit(code)


def _close_strangers() -> None:
    """Whatever the launcher's own parents left inheritable must not reach a container."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > CONTROL:
            try:
                os.close(int(name))
            except OSError:
                continue  # the descriptor that listed the folder


def _leave_traceback(path: bytes) -> None:
    if not path:
        return
    os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
    sys.stderr = os.fdopen(2, "w", closefd=False)
    kind, value, trace = sys.exc_info()
    if kind is not None and value is not None:
        sys.__excepthook__(kind, value, trace)
    sys.stderr.flush()
