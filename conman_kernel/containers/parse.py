"""The small languages of the command line, shared with the library: sizes, limits, users' words for namespaces and
signals.

Each function takes one text and returns a value, or raises :class:`InvalidInput` with one line that quotes the text.
Mounts and devices are in :mod:`.parse_mounts`, environments in :mod:`.parse_env`.
"""

from __future__ import annotations

from typing import Iterable

from ..errors import InvalidInput
from ..oci.runtime.capabilities import normalize
from ..oci.runtime.options import UNSET, Ulimit
from ..oci.runtime.process import signal_number
from ..record import Record
from .sizes import decimal

_MAX = (1 << 63) - 1
ULIMITS = frozenset(("as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc",
                     "rss", "rtprio", "rttime", "sigpending", "stack"))


def cpus(text: str) -> float:
    """``--cpus``: how many processors' time, ``0.5``, ``2``; at least 0.01."""
    value = decimal(text.strip())
    if value is None or not 0.01 <= value <= 1 << 20:
        raise InvalidInput(f"invalid number of CPUs {text!r}: at least 0.01, such as 0.5")
    return value


def integer(text: str, what: str, least: int, most: int) -> int:
    """A whole number between two bounds, both included."""
    try:
        value = int(text.strip()) if len(text) < 24 and "_" not in text else None
    except ValueError:
        value = None
    if value is None or not least <= value <= most:
        raise InvalidInput(f"invalid {what} {text!r}: a whole number from {least} to {most}")
    return value


def pids_limit(text: str) -> int:
    """``--pids-limit``: at least 1; 0 and -1 are unlimited and give 0."""
    return max(0, integer(text, "pids limit", -1, 1 << 22))


def oom_score_adj(text: str) -> int:
    """``--oom-score-adj``."""
    return integer(text, "OOM score adjustment", -1000, 1000)


def cpuset(text: str) -> str:
    """``0-3,7``: a list of numbers and ranges, as the kernel takes it."""
    for part in text.split(","):
        ends = part.split("-")
        numbers = all(e.isascii() and e.isdigit() and len(e) < 8 for e in ends)
        if len(ends) > 2 or not numbers or int(ends[0]) > int(ends[-1]):
            raise InvalidInput(f"invalid set of CPUs or nodes {text!r}: such as 0-3,7")
    return text


def ulimit(text: str) -> Ulimit:
    """``nofile=1024:2048``, ``nproc=100``, ``core=-1``; ``host`` leaves all limits as the caller's."""
    if text == "host":
        return Ulimit("host", 0, 0)
    name, equals, value = text.partition("=")
    soft_text, colon, hard_text = value.partition(":")
    name = name.strip().lower().removeprefix("rlimit_")
    if not equals or name not in ULIMITS:
        raise InvalidInput(f"invalid ulimit {text!r}: NAME=SOFT[:HARD], with a name such as nofile, nproc, core, stack")
    numbers = [-1 if t in ("-1", "unlimited") else integer(t, f"limit in ulimit {text!r}, value", 0, _MAX)
               for t in ((soft_text, hard_text) if colon else (soft_text,))]
    soft, hard = numbers[0], numbers[-1]
    if hard >= 0 and (soft < 0 or soft > hard):
        raise InvalidInput(f"invalid ulimit {text!r}: the soft limit is above the hard one")
    return Ulimit(name, soft, hard)


def signal(text: str) -> int:
    """``SIGTERM``, ``term``, ``15``, ``SIGRTMIN+3`` -> its number."""
    number = signal_number(text.strip())
    if not number:
        raise InvalidInput(f"invalid signal {text!r}: a name such as SIGTERM or a number from 1 to 64")
    return number


def capability(text: str) -> str:
    """``net_raw`` -> ``CAP_NET_RAW``; ``all`` -> ``ALL``."""
    return normalize(text)


def key_value(text: str, what: str) -> tuple[str, str]:
    """``KEY=VALUE``; the value may be empty or absent."""
    key, _, value = text.partition("=")
    if not key or "\0" in text:
        raise InvalidInput(f"invalid {what} {text!r}: KEY=VALUE")
    return key, value


def label(text: str) -> tuple[str, str]:
    """``--label KEY[=VALUE]``."""
    return key_value(text, "label")


def annotation(text: str) -> tuple[str, str]:
    """``--annotation KEY=VALUE``."""
    if "=" not in text:
        raise InvalidInput(f"invalid annotation {text!r}: KEY=VALUE")
    return key_value(text, "annotation")


def sysctl(text: str) -> tuple[str, str]:
    """``--sysctl net.core.somaxconn=128``. Slashes are taken as dots; whether it may be set is checked with the
    spec."""
    key, equals, value = text.partition("=")
    name = key.strip().replace("/", ".")
    if not equals or not name.isascii() or not name.replace(".", "").replace("_", "").replace("-", "").isalnum():
        raise InvalidInput(f"invalid sysctl {text!r}: NAME=VALUE, such as net.core.somaxconn=128")
    if ".." in name or name.startswith(".") or name.endswith("."):
        raise InvalidInput(f"invalid sysctl {text!r}: the name has an empty part")
    return name, value.strip()


def namespace(kind: str, text: str) -> str:
    """A namespace's mode, as ContainerOptions keeps it: ``own host none container:ID path:/...`` or empty.

    :param kind: ``pid ipc uts cgroupns userns``; for networks see :mod:`.parse_network`.
    """
    mode, colon, rest = text.partition(":")
    if text in ("", "host"):
        return text
    if text in ("private", "own") or (kind == "ipc" and text == "shareable"):
        return "own"
    if text == "none" and kind == "ipc":
        return "none"
    if mode == "container" and colon and rest and kind in ("pid", "ipc", "uts", "network"):
        return text
    if mode in ("ns", "path") and rest.startswith("/"):
        return "path:" + rest
    raise InvalidInput(f"invalid --{kind} {text!r}: private, host"
                       f"{', container:NAME' if kind in ('pid', 'ipc', 'uts') else ''} or ns:PATH")


def log_driver(text: str) -> str:
    """``--log-driver``: ``cri`` (which podman calls ``k8s-file`` and takes for ``json-file``, too), ``none``; empty: the
    configuration's."""
    known = {"": "", "cri": "cri", "k8s-file": "cri", "json-file": "cri", "none": "none"}
    if text not in known:
        raise InvalidInput(f"invalid log driver {text!r}", hint="there are cri (a file, also k8s-file) and none")
    return known[text]


def log_opts(texts: Iterable[str]) -> tuple[int, int]:
    """``--log-opt max-size=10m`` and ``max-file=3``.

    :returns: bytes (0: never rotate), files; -1 for what is not given.
    """
    from .sizes import LOG_FILES, log_size

    bytes_, files = UNSET, UNSET
    for text in texts:
        key, equals, value = text.partition("=")
        try:
            if key == "max-size" and equals:
                bytes_ = log_size(value)
            elif key == "max-file" and equals:
                files = integer(value, "number of files", 1, LOG_FILES)
            else:
                known = key in ("path", "tag", "mode", "compress", "labels", "env")
                raise InvalidInput("not supported" if known else "not known")
        except InvalidInput as error:
            raise InvalidInput(f"invalid log option {text!r}: {error.message}",
                               hint="there are max-size=SIZE and max-file=NUMBER") from None
    return bytes_, files


class SecurityOptions(Record):
    """``--security-opt``, taken apart: the fields of the same names in ContainerOptions."""

    seccomp: str = ""
    apparmor: str = ""
    no_new_privileges: bool = False
    masked_paths: tuple[str, ...] | None = None
    readonly_paths: tuple[str, ...] | None = None


def security_opts(texts: Iterable[str]) -> SecurityOptions:
    """``seccomp=unconfined|PATH``, ``apparmor=unconfined|NAME``, ``no-new-privileges[:true|false]``,
    ``mask=PATH[:PATH]``, ``unmask=ALL|PATH[:PATH]``; docker's older ``key:value``, too. ``label=...`` is taken and has
    no effect without SELinux."""
    from ..oci.runtime.linux import MASKED_PATHS, READONLY_PATHS

    result = SecurityOptions()
    for text in texts:
        cut = min((i for i in (text.find("="), text.find(":")) if i >= 0), default=len(text))
        key, value = text[:cut], text[cut + 1:]
        if key == "no-new-privileges" and value in ("", "true", "false"):
            result = result._replace(no_new_privileges=value != "false")
        elif key == "seccomp" and value:
            result = result._replace(seccomp=value)
        elif key == "apparmor" and value:
            result = result._replace(apparmor=value)
        elif key == "mask" and value.startswith("/"):
            masked = MASKED_PATHS if result.masked_paths is None else result.masked_paths
            result = result._replace(masked_paths=(*masked, *value.split(":")))
        elif key == "unmask" and value:
            gone = set(value.split(":"))
            both = [MASKED_PATHS if result.masked_paths is None else result.masked_paths,
                    READONLY_PATHS if result.readonly_paths is None else result.readonly_paths]
            kept = [tuple(p for p in paths if value.upper() != "ALL" and p not in gone) for paths in both]
            result = result._replace(masked_paths=kept[0], readonly_paths=kept[1])
        elif key != "label" or not value:
            raise InvalidInput(f"invalid security option {text!r}",
                               hint="there are seccomp=, apparmor=, no-new-privileges, mask= and unmask=")
    return result


def add_host(text: str) -> tuple[str, str]:
    """``--add-host NAME:ADDRESS`` (or ``NAME=ADDRESS``); an IPv6 address may stand in brackets, ``host-gateway`` is the host."""
    import ipaddress

    cut = min((i for i in (text.find(":"), text.find("=")) if i > 0), default=-1)
    name, address = (text[:cut], text[cut + 1:]) if cut > 0 else ("", "")
    if address == "host-gateway" and name and not any(c.isspace() or c == "#" for c in name):
        return name, address
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    try:
        ipaddress.ip_address(address)
    except ValueError:
        address = ""
    if not address or any(c.isspace() or c == "#" for c in name):
        raise InvalidInput(f"invalid host entry {text!r}: NAME:ADDRESS, such as db:192.0.2.7")
    return name, address


def dns(text: str) -> str:
    """``--dns``: an address."""
    import ipaddress

    try:
        ipaddress.ip_address(text)
    except ValueError as error:
        raise InvalidInput(f"invalid name server {text!r}: an IP address") from error
    return text


def hostname(text: str) -> str:
    """``--hostname``: what sethostname(2) and DNS both take."""
    plain = text.replace(".", "").replace("-", "").replace("_", "")
    if not text or len(text) > 64 or not text.isascii() or not plain.isalnum() or text[0] in ".-" or text[-1] in ".-":
        raise InvalidInput(f"invalid host name {text!r}: at most 64 letters, digits, dots and hyphens")
    return text
