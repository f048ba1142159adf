"""The OCI ``process`` of a container and of an exec (runtime-spec, config.md, "Process")."""

from __future__ import annotations

from typing import Mapping

from ...errors import InvalidInput, Unavailable
from ...record import Record
from .capabilities import SYS_RESOURCE, capability_sets, names_of
from .options import ContainerOptions, Ulimit
from .request import HostFacts, ImageParts, SpecRequest, User

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
INIT_TARGET = "/run/conman-init"
DEFAULT_ULIMITS = (Ulimit("nofile", 1048576, 1048576), Ulimit("nproc", 4194304, 4194304))
DEFAULT_STOP_SIGNAL = 15
UNLIMITED = (1 << 64) - 1
UMASK = 0o022


def process_args(options: ContainerOptions, image: ImageParts) -> list[str]:
    """The command line: entrypoint, then command. A caller's own entrypoint discards the image's CMD (docker's rule).

    :raises InvalidInput: nothing to run.
    """
    args = command_line(options, image)
    if not args:  # an empty word is a command that is not found: the runtime says so
        raise InvalidInput("no command or entrypoint provided, and no CMD or ENTRYPOINT from image",
                           hint="give a command after the image")
    return args


def command_line(options: ContainerOptions, image: ImageParts) -> list[str]:
    """As :func:`process_args`; empty where there is nothing to run."""
    if options.entrypoint is not None:
        return [*options.entrypoint, *options.command]
    return [*image.entrypoint, *(options.command or image.cmd)]


def process_env(request: SpecRequest) -> list[str]:
    """The environment, later words over earlier ones: conman's defaults, the image's, the caller's; then HOME and
    HOSTNAME where nobody set them. ``container=conman`` tells programs such as systemd that they are in a container."""
    values: dict[str, str] = {"PATH": DEFAULT_PATH}
    if request.options.terminal:
        values["TERM"] = "xterm"
    values["container"] = "conman"
    for item in request.image.env:
        key, _, value = item.partition("=")
        if key:
            values[key] = value
    values.update(request.options.env)
    values.setdefault("HOME", request.user.home)
    values.setdefault("HOSTNAME", request.hostname)
    return [f"{key}={value}" for key, value in values.items()]


def working_dir(options: ContainerOptions, image: ImageParts) -> str:
    """The absolute folder in which the process starts. The caller makes it where it is missing.

    :raises InvalidInput: it is not absolute.
    """
    path = options.workdir or image.working_dir or "/"
    if not path.startswith("/"):
        if options.workdir:
            raise InvalidInput(f"the working directory {path!r} is not an absolute path")
        path = "/" + path
    return path


def stop_signal(options: ContainerOptions, image: ImageParts) -> int:
    """The number of the signal that asks the container to end; the image's words are believed only if they are one."""
    if options.stop_signal:
        return options.stop_signal
    return signal_number(image.stop_signal) or DEFAULT_STOP_SIGNAL


def signal_number(text: str) -> int:
    """``SIGTERM``, ``term``, ``15``, ``SIGRTMIN+3`` -> its number; 0 where there is no such signal."""
    if not text:
        return 0
    if text.isascii() and text.isdigit():
        return int(text) if len(text) < 4 and 0 < int(text) <= 64 else 0
    import signal

    name = text.upper() if text.upper().startswith("SIG") else "SIG" + text.upper()
    members = signal.Signals.__members__
    if name in members:
        return int(members[name])
    base, sign, offset = name.partition("-" if name.startswith("SIGRTMAX") else "+")
    if base not in ("SIGRTMIN", "SIGRTMAX") or not sign or not (offset.isascii() and offset.isdigit()):
        return 0
    number = int(members[base]) + (int(offset) if sign == "+" else -int(offset))
    return number if members["SIGRTMIN"] <= number <= members["SIGRTMAX"] else 0


def rlimits(asked: tuple[Ulimit, ...], facts: HostFacts) -> list[dict[str, object]]:
    """OCI rlimits: podman's defaults for nofile and nproc, never above what the caller itself may have, and what was
    asked.

    :raises Unavailable: more was asked than the caller may give away.
    """
    hard = {limit.name: limit.hard for limit in facts.rlimits}
    if any(limit.name == "host" for limit in asked):
        return []
    limits: dict[str, Ulimit] = {}
    may_raise = bool(facts.effective & SYS_RESOURCE)
    for default in DEFAULT_ULIMITS:
        most = hard.get(default.name, -1)
        value = default.hard if may_raise or most == -1 else min(default.hard, most)
        limits[default.name] = Ulimit(default.name, value, value)
    for limit in asked:
        check_ulimit(limit, facts)
        limits[limit.name] = limit
    return [{"type": "RLIMIT_" + limit.name.upper(), "hard": UNLIMITED if limit.hard < 0 else limit.hard,
             "soft": UNLIMITED if limit.soft < 0 else limit.soft} for limit in limits.values()]


def check_ulimit(limit: Ulimit, facts: HostFacts) -> None:
    """Can the caller give this limit to a container?

    :raises Unavailable: the hard limit lies above the caller's and it lacks CAP_SYS_RESOURCE.
    """
    own = next((have.hard for have in facts.rlimits if have.name == limit.name), -1)
    if own == -1 or facts.effective & SYS_RESOURCE or 0 <= limit.hard <= own:
        return
    asked = "unlimited" if limit.hard < 0 else str(limit.hard)
    raise Unavailable(f"cannot set ulimit {limit.name} to {asked}: the hard limit of this process is {own} "
                      "and it has no CAP_SYS_RESOURCE",
                      hint=f"ask for at most {limit.name}={own}, or raise the caller's limit")


def oom_score_adj(asked: int | None, facts: HostFacts) -> int | None:
    """The value to set, or None to inherit. Without CAP_SYS_RESOURCE it is never below the caller's own."""
    if asked is None:
        return None
    return asked if facts.effective & SYS_RESOURCE else max(asked, facts.oom_score_adj)


def _user(user: User) -> dict[str, object]:
    doc: dict[str, object] = {"uid": user.uid, "gid": user.gid, "umask": UMASK}
    if user.groups:
        doc["additionalGids"] = list(user.groups)
    return doc


def build_process(request: SpecRequest) -> dict[str, object]:
    """The container's own process.

    :raises InvalidInput, Unavailable: see the functions of this module.
    """
    options = request.options
    args = process_args(options, request.image)
    doc: dict[str, object] = {
        "user": _user(request.user),
        "args": [INIT_TARGET, "--", *args] if options.init else args,
        "env": process_env(request),
        "cwd": working_dir(options, request.image),
        "capabilities": capability_sets(uid=request.user.uid, add=options.cap_add, drop=options.cap_drop,
                                        privileged=options.privileged, host_bounding=request.facts.bounding),
        "rlimits": rlimits(options.ulimits, request.facts),
    }
    if options.terminal:
        doc["terminal"] = True
    if options.no_new_privileges:
        doc["noNewPrivileges"] = True
    if options.apparmor and options.apparmor != "unconfined" and not options.privileged:
        doc["apparmorProfile"] = options.apparmor
    score = oom_score_adj(options.oom_score_adj, request.facts)
    if score is not None:
        doc["oomScoreAdj"] = score
    return doc


class ExecRequest(Record):
    """One more process in a running container.

    :param base: ``process`` of the container's config.json.
    :param user: None: the container's own.
    :param workdir: empty: the container's own.
    :param host_bounding: the caller's bounding capabilities, for ``privileged``.
    :param keep_home: image or caller set HOME for the container; then another user keeps it, too (podman's rule).
    """

    base: Mapping[str, object]
    command: tuple[str, ...]
    user: User | None = None
    env: tuple[tuple[str, str], ...] = ()
    workdir: str = ""
    terminal: bool = False
    privileged: bool = False
    host_bounding: int = 0
    keep_home: bool = False


def _strings(value: object) -> list[str]:
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else []


def _exec_capabilities(request: ExecRequest, base: Mapping[str, object]) -> dict[str, list[str]]:
    have = base.get("capabilities")
    sets = {kind: _strings(names) for kind, names in have.items()} if isinstance(have, dict) else {}
    bounding = sorted(names_of(request.host_bounding)) if request.privileged else sets.get("bounding", [])
    if request.user is None and not request.privileged:
        return {kind: names for kind, names in sets.items() if names}
    result: dict[str, list[str]] = {"bounding": bounding}
    base_user = base.get("user")
    uid = request.user.uid if request.user is not None else (
        base_user.get("uid") if isinstance(base_user, dict) else 0)
    if uid == 0:
        result.update(effective=bounding, permitted=bounding)
    return {kind: names for kind, names in result.items() if names}


def build_exec(request: ExecRequest) -> dict[str, object]:
    """The OCI process document of an exec: the container's process with its own command, user, folder, additions.

    :raises InvalidInput: no command, or a folder that is not absolute.
    """
    if not request.command or not request.command[0]:
        raise InvalidInput("exec needs a command")
    if request.workdir and not request.workdir.startswith("/"):
        raise InvalidInput(f"the working directory {request.workdir!r} is not an absolute path")
    doc = dict(request.base)
    doc["args"] = list(request.command)
    values = dict(item.split("=", 1) for item in _strings(request.base.get("env")) if "=" in item)
    if request.user is not None:
        doc["user"] = _user(request.user)
        if not request.keep_home:
            values["HOME"] = request.user.home
    if request.terminal:
        values.setdefault("TERM", "xterm")
    values.update(request.env)
    doc["env"] = [f"{key}={value}" for key, value in values.items()]
    if request.workdir:
        doc["cwd"] = request.workdir
    doc["terminal"] = request.terminal
    doc["capabilities"] = _exec_capabilities(request, request.base)
    if request.privileged:
        doc.pop("noNewPrivileges", None)
        doc.pop("apparmorProfile", None)
    return doc
