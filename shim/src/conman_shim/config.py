"""What this shim is told about its container (PROTOCOL.md, "Configuration"). Everything stays bytes, as it came."""

from __future__ import annotations

from .channel import Channel

VERSION = 1


class Config:
    """The configuration, by the names of the protocol."""

    def __init__(self, records: list[bytes]) -> None:
        """
        :param records: ``key=value``; a repeated key is a list. Unknown keys are ignored.
        :raises ValueError: a needed one is missing, or the version is not ours.
        """
        found: dict[bytes, list[bytes]] = {}
        for record in records:
            key, equals, value = record.partition(b"=")
            if not equals:
                raise ValueError(f"a record without '=': {record[:80]!r}")
            found.setdefault(key, []).append(value)

        def one(key: bytes, default: bytes | None = None) -> bytes:
            values = found.get(key)
            if values:
                return values[-1]
            if default is None:
                raise ValueError(f"the configuration has no {key.decode()}")
            return default

        if one(b"version") != b"%d" % VERSION:
            raise ValueError(f"version {one(b'version').decode('ascii', 'replace')} of the protocol is not known here")
        self.id = one(b"id")
        self.create = found.get(b"create", [])
        if not self.create:
            raise ValueError("the configuration has no create")
        self.cleanup = found.get(b"cleanup", [])
        self.pid_file = one(b"pid_file")
        self.exit_file = one(b"exit_file")
        self.lock = one(b"lock")
        self.socket = one(b"socket")
        self.console_socket = one(b"console_socket", b"")
        self.log_driver = one(b"log_driver", b"cri")
        self.log_path = one(b"log_path", b"")
        self.log_size = int(one(b"log_size", b"0"))
        self.log_files = int(one(b"log_files", b"2"))
        self.terminal = one(b"terminal", b"0") == b"1"
        self.stdin = one(b"stdin", b"0") == b"1"
        self.stdin_once = one(b"stdin_once", b"0") == b"1"
        self.sessions = int(one(b"sessions", b"32"))
        self.rows = int(one(b"rows", b"0"))
        self.columns = int(one(b"columns", b"0"))
        self.cgroup = found.get(b"cgroup", [])
        self.oom_files = found.get(b"oom_files", [])
        self.durable = one(b"durable", b"0") == b"1"
        self.error_log = one(b"error_log", b"")
        self.health = found.get(b"health", [])
        if self.health:
            self._read_health(found)
        self.env: dict[bytes, bytes] | None = None
        if found.get(b"own_env") == [b"1"]:
            pairs = (entry.partition(b"=") for entry in found.get(b"env", []))
            self.env = {key: value for key, _, value in pairs}
        if self.terminal and not self.console_socket:
            raise ValueError("a terminal needs a console_socket")
        if self.log_driver not in (b"cri", b"none"):
            raise ValueError(f"log driver {self.log_driver.decode('utf-8', 'replace')} is not known here")
        if self.log_driver == b"cri" and not self.log_path:
            raise ValueError("the log driver cri needs a log_path")

    def _read_health(self, found: dict[bytes, list[bytes]]) -> None:
        for key in (b"health_pid_file", b"health_file"):
            if key not in found:
                raise ValueError(f"the configuration has no {key.decode()}")
        self.health_pid_file, self.health_file = found[b"health_pid_file"][-1], found[b"health_file"][-1]
        self.health_interval = int(found.get(b"health_interval", [b"0"])[-1])
        self.health_timeout = int(found.get(b"health_timeout", [b"30000"])[-1])
        self.health_retries = int(found.get(b"health_retries", [b"3"])[-1])
        self.health_start_period = int(found.get(b"health_start_period", [b"0"])[-1])
        self.health_paused = found.get(b"health_paused", [])
        self.health_changed = found.get(b"health_changed", [])


def read_config(channel: Channel) -> Config | None:
    """Wait for the configuration; None where the kernel went away before it was complete.

    :raises ValueError: it is wrong; the message says how.
    """
    records: list[bytes] = []
    while True:
        message = channel.receive(wait=True)
        if message is None:
            return None
        name, more = message
        if name != b"config":
            continue
        last = not more or more[-1] != b"more=1"
        records.extend(more if last else more[:-1])
        if last:
            return Config(records)
