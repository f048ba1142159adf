"""Every key of ``conman.toml``: type, default and one line of why. ``docs/configuration.md`` and the repo's
``conman.toml`` are tested against this table."""

from __future__ import annotations

from .record import Record

Value = str | int | float | bool | tuple[str, ...]
"""What a configuration key may hold."""


class Key(Record):
    """One key.

    :param name: dotted, as in ``conman config show``.
    :param default: its value where nothing sets it; the type is the default's.
    :param doc: one line of why one would set it.
    :param choices: the only values allowed; empty for any.
    :param least: the smallest number allowed.
    """

    name: str
    default: Value
    doc: str
    choices: tuple[str, ...] = ()
    least: int = 0

    @property
    def environment(self) -> str:
        """The variable that sets it: ``CONMAN_STORAGE_DRIVER`` for ``storage.driver``."""
        return "CONMAN_" + self.name.replace(".", "_").replace("-", "_").upper()


SCHEMA: tuple[Key, ...] = (
    Key("root", "/var/lib/conman", "What lasts: images, layers, containers, logs. Put it on a roomy disk."),
    Key("run_root", "/run/conman", "What a reboot clears: mounts, sockets, bundles. Must be on a tmpfs for that."),
    Key("log_level", "warning", "How much conman says on stderr about itself.", ("debug", "info", "warning", "error")),
    Key("short_names", ("docker.io/library",), "Where a name without a registry, such as alpine, is looked for, in order."),
    Key("keep_blobs", True, "Keep compressed layers after unpacking: pushing and saving stay exact, at the cost of disk."),
    Key("cgroup_manager", "auto", "Who makes cgroups; auto takes systemd where it runs this host on cgroup v2.",
        ("auto", "cgroupfs", "systemd")),
    Key("storage.driver", "overlay-storage", "Storage plugin for new layers and containers; old ones keep theirs."),
    Key("runtime.name", "runc-runtime", "Runtime plugin for new containers; old ones keep theirs."),
    Key("attach.name", "pty-attach", "I/O plugin that joins a person's terminal to a container."),
    Key("network.name", "cni-network", "Network plugin for new networks; old ones keep theirs."),
    Key("events.sinks", ("events-jsonl",), "Plugins that are told what happens to containers and images, in this order."),
    Key("spec.editors", ("cdi-devices",), "Plugins that may add to what the runtime is told of a container, in this order."),
    Key("shim.command", (), "Program and arguments to stand in for conman-shim; it must speak shim/PROTOCOL.md."),
    Key("pull.parallel", 3, "How many layers are downloaded at once.", least=1),
    Key("registries.tls_verify", True,
        "false: accept plain HTTP and unverified TLS from every registry. Prefer a registry table."),
    Key("containers.network", "bridge",
        "Network of new containers: none, host, or the name of a network; bridge is made when first needed."),
    Key("containers.pids_limit", 2048, "Most processes in one container; 0 for no limit."),
    Key("containers.shm_size", "64m", "Size of /dev/shm in a container."),
    Key("containers.stop_timeout", 10, "Seconds between the stop signal and SIGKILL."),
    Key("containers.log_driver", "cri", "Where output is kept: cri (a file in CRI format) or none.", ("cri", "none")),
    Key("containers.log_size", "0", "Size at which a log is rotated, such as 10m; 0: never, so that no output is lost unasked."),
    Key("containers.log_files", 2, "How many files a rotated log has, with the current one; the oldest goes.", least=1),
    Key("containers.detach_keys", "ctrl-p,ctrl-q", "Keys that leave a container's terminal; empty for none."),
    Key("containers.init_path", "", "Init binary for --init; empty: the first of catatonit, tini, docker-init, dumb-init found."),
    Key("containers.seccomp_profile", "", "Path of a seccomp profile for new containers; empty: conman's own."),
    Key("containers.apparmor_profile", "", "AppArmor profile for new containers; empty: none."),
)

TRANSPORTS: tuple[tuple[str, str], ...] = (
    ("docker", "registry-pull"),
    ("oci", "oci-archive"),
    ("oci-archive", "oci-archive"),
    ("docker-archive", "docker-archive"),
    ("dir", "dir-transport"),
)
"""The default ``[transports]`` table: scheme -> plugin."""

REGISTRY_KEYS: tuple[Key, ...] = (
    Key("insecure", False, "Allow plain HTTP and unverified TLS; loopback registries fall back to HTTP by themselves."),
    Key("ca", "", "PEM bundle that signs the registry's certificate."),
    Key("cert", "", "PEM certificate that shows the registry who you are."),
    Key("key", "", "PEM private key of it; empty: it is in the same file."),
    Key("mirrors", (), "Hosts (host[:port][/prefix]) asked in order before the registry itself."),
)
"""The keys of one ``[registry."host"]`` table."""
