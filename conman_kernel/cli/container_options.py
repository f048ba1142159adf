"""The options of ``run`` and ``create``, as data. :mod:`.container_record` turns them into a record."""

from __future__ import annotations

from .access import AUTH_FILE, TLS_VERIFY
from .declare import ARRAY, EXPLAIN_OPTIONS, FLAG, INTEGER, LIST, TEXT, Option
from .pulling import POLICIES

NETWORK_NOTE = ("A container is in the network bridge, unless --network names another, none or host; "
                "containers.network changes what is the default.")

_PROCESS: tuple[Option, ...] = (
    Option("--entrypoint", "Replace the image's entrypoint; a JSON array for several words", metavar="COMMAND"),
    Option("--env", "Set an environment variable; NAME alone takes this shell's value", ARRAY, "-e", "NAME=VALUE"),
    Option("--env-file", "Read environment variables from this file", LIST, metavar="FILE"),
    Option("--workdir", "Working folder inside the container", TEXT, "-w", "FOLDER"),
    Option("--user", "User, by name or number, with :GROUP where wanted", TEXT, "-u", "USER"),
    Option("--group-add", "Further groups of the user", LIST, metavar="GROUP"),
    Option("--attach", "Join only this stream of a run in the foreground: stdin, stdout or stderr; may be repeated", LIST, "-a",
           "STREAM"),
    Option("--health-cmd", "Check its health with this command: a line for the shell, or a JSON array; none: not at all",
           metavar="COMMAND"),
    Option("--health-interval", "Time between two checks; disable: only when asked (default: the image's, or 30s)",
           metavar="DURATION"),
    Option("--health-on-failure", "What is done once it is unhealthy: none, kill, restart or stop", metavar="ACTION",
           choices=("none", "kill", "restart", "stop")),
    Option("--health-retries", "Failures in a row that make it unhealthy (default: the image's, or 3)", INTEGER, metavar="COUNT"),
    Option("--health-start-period", "Time from its start in which failures do not count (default: the image's, or 0s)",
           metavar="DURATION"),
    Option("--health-timeout", "Time that a check may take (default: the image's, or 30s)", metavar="DURATION"),
    Option("--no-healthcheck", "Do not check its health, whatever the image says", FLAG),
    Option("--init",
           "Run an init as pid 1 that passes signals on and reaps (catatonit, tini, docker-init or dumb-init)", FLAG),
    Option("--interactive", "Keep standard input open", FLAG, "-i"),
    Option("--tty", "Give the container a terminal", FLAG, "-t"),
    Option("--restart", "Start it again when it ends by itself: no, on-failure[:COUNT], always or unless-stopped",
           metavar="POLICY"),
    Option("--stop-signal", "Signal that stops the container", metavar="SIGNAL"),
    Option("--stop-timeout", "Seconds between the stop signal and SIGKILL", INTEGER, metavar="SECONDS"),
)

_IDENTITY: tuple[Option, ...] = (
    Option("--name", "Name of the container", metavar="NAME"),
    Option("--hostname", "Host name inside the container", TEXT, "-h", "NAME"),
    Option("--label", "Label of the container", ARRAY, "-l", "KEY=VALUE"),
    Option("--label-file", "Read labels from this file", LIST, metavar="FILE"),
    Option("--annotation", "Annotation of the container", LIST, metavar="KEY=VALUE"),
    Option("--cidfile", "Write the container's id to this file, which must not exist", metavar="FILE"),
    Option("--pidfile", "Write the process id to this file", metavar="FILE"),
    Option("--rm", "Remove the container when it ends", FLAG),
    Option("--replace", "Remove a container of the same name first", FLAG),
)

_FILES: tuple[Option, ...] = (
    Option("--volume", "Mount a volume, or a folder or file of the host: [NAME|SOURCE:]TARGET[:ro,nocopy,U,...]", ARRAY, "-v",
           "MOUNT"),
    Option("--volumes-from", "Mount what another container has of volumes and binds: CONTAINER[:ro]", ARRAY, metavar="CONTAINER"),
    Option("--image-volume", "What becomes of the image's VOLUME: bind (anonymous volumes), tmpfs or ignore", metavar="MODE"),
    Option("--mount", "Mount: type=bind|volume,source=...,target=...[,ro], type=tmpfs|devpts,target=...", ARRAY, metavar="MOUNT"),
    Option("--tmpfs", "Mount a tmpfs: TARGET[:size=64m,mode=1777,...]", ARRAY, metavar="TARGET"),
    Option("--read-only", "Make the root file system read-only; /run, /tmp and /var/tmp get a tmpfs", FLAG),
    Option("--shm-size", "Size of /dev/shm", metavar="SIZE"),
    Option("--device", "Give a device of the host: SOURCE[:TARGET][:rwm], or by its CDI name: VENDOR/CLASS=NAME", LIST,
           metavar="DEVICE"),
)

_LIMITS: tuple[Option, ...] = (
    Option("--memory", "Most memory, such as 512m", TEXT, "-m", "SIZE"),
    Option("--memory-swap", "Most memory and swap together; -1 for no limit", metavar="SIZE"),
    Option("--memory-reservation", "Memory that is kept under pressure", metavar="SIZE"),
    Option("--cpus", "Most CPUs, such as 1.5", metavar="COUNT"),
    Option("--cpu-shares", "Weight against other containers", INTEGER, "-c", "WEIGHT"),
    Option("--cpuset-cpus", "CPUs that may be used, such as 0-3", metavar="LIST"),
    Option("--cpuset-mems", "Memory nodes that may be used", metavar="LIST"),
    Option("--pids-limit", "Most processes; -1 or 0 for no limit", metavar="COUNT"),
    Option("--ulimit", "Resource limit: NAME=SOFT[:HARD]", LIST, metavar="LIMIT"),
    Option("--oom-score-adj", "Preference of the out-of-memory killer, -1000 to 1000", metavar="SCORE"),
)

_SECURITY: tuple[Option, ...] = (
    Option("--cap-add", "Add a capability, or all", LIST, metavar="CAPABILITY"),
    Option("--cap-drop", "Drop a capability, or all", LIST, metavar="CAPABILITY"),
    Option("--privileged", "All capabilities, all devices, nothing masked", FLAG),
    Option("--security-opt", "seccomp=FILE|unconfined, no-new-privileges, apparmor=PROFILE, mask=PATHS, unmask=PATHS",
           ARRAY,
           metavar="OPTION"),
    Option("--sysctl", "Set a namespaced kernel parameter", LIST, metavar="KEY=VALUE"),
)

_NAMESPACES: tuple[Option, ...] = (
    Option("--network", "A network, with :ip=,mac=,alias=,interface_name= where wanted, may be repeated; or bridge, none, host, "
           "container:NAME, ns:PATH", ARRAY, metavar="NETWORK", aliases=("--net",)),
    Option("--ip", "Its address in the one network it is in", metavar="ADDRESS"),
    Option("--ip6", "Its IPv6 address there", metavar="ADDRESS"),
    Option("--mac-address", "Its hardware address there", metavar="ADDRESS"),
    Option("--network-alias", "Another name of it in its networks", LIST, metavar="NAME", aliases=("--net-alias",)),
    Option("--no-hosts", "Leave the image's own /etc/hosts as it is", FLAG),
    Option("--expose", "A port that --publish-all is to publish, too", LIST, metavar="PORT[/PROTOCOL]"),
    Option("--publish-all", "Publish every exposed port on a free port of the host", FLAG, "-P"),
    Option("--pid", "Process namespace: private, host or container:NAME", metavar="MODE"),
    Option("--ipc", "IPC namespace: private, none, host or container:NAME", metavar="MODE"),
    Option("--uts", "Host name namespace: private, host or container:NAME", metavar="MODE"),
    Option("--cgroupns", "Cgroup namespace: private or host", metavar="MODE"),
    Option("--publish", "Publish a port: [[ADDRESS:][HOST_PORT]:]PORT[/tcp|udp|sctp]; ranges such as 8000-8010:80-90", LIST, "-p",
           "PORTS"),
    Option("--add-host", "Add a line to /etc/hosts; host-gateway stands for the host", LIST, metavar="NAME:ADDRESS"),
    Option("--dns", "Name server in resolv.conf", LIST, metavar="ADDRESS"),
    Option("--dns-search", "Search domain in resolv.conf", LIST, metavar="DOMAIN"),
    Option("--dns-option", "Option in resolv.conf", LIST, metavar="OPTION", aliases=("--dns-opt",)),
)

_OUTPUT: tuple[Option, ...] = (
    Option("--log-driver", "cri (a file in CRI format) or none", metavar="DRIVER"),
    Option("--log-opt", "max-size=SIZE: rotate the log at this size; max-file=NUMBER: so many files are kept", LIST,
           metavar="KEY=VALUE"),
)

PULL_OPTIONS: tuple[Option, ...] = (
    Option("--arch", "Architecture of the image, instead of this machine's", metavar="ARCH"),
    Option("--os", "Operating system of the image, instead of this machine's", metavar="OS"),
    Option("--platform", "Platform of the image, such as linux/arm64", metavar="OS/ARCH[/VARIANT]"),
    Option("--quiet", "Print no progress while pulling", FLAG, "-q"),
    Option("--variant", "Variant of the image's architecture", metavar="VARIANT"),
)
"""What every verb that pulls takes."""

IMAGE_OPTIONS: tuple[Option, ...] = (
    Option("--pull", "When to pull: missing, always, never or newer", metavar="POLICY", default="missing",
           choices=POLICIES),
    *PULL_OPTIONS, AUTH_FILE, TLS_VERIFY)

OPTIONS: tuple[Option, ...] = tuple(sorted(
    _PROCESS + _IDENTITY + _FILES + _LIMITS + _SECURITY + _NAMESPACES + _OUTPUT + IMAGE_OPTIONS + EXPLAIN_OPTIONS,
    key=lambda option: option.long))
"""What both ``run`` and ``create`` take."""
