"""From the command line of ``run`` and ``create`` to the one record that the kernel takes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import InvalidInput
from ..oci.runtime.options import UNSET, ContainerOptions

if TYPE_CHECKING:
    from ..oci.runtime.options import HealthCheck, MountOption
    from .values import Values

_HEALTH = ("health-cmd", "health-interval", "health-timeout", "health-start-period", "health-retries", "health-on-failure")


def container_record(values: Values) -> ContainerOptions:
    """Everything that outlives the command.

    :raises InvalidInput: one of the values is malformed; the message quotes it.
    :raises NotFound: a file of variables or labels does not exist.
    """
    options = ContainerOptions(
        command=values.arguments[1:],
        name=values.text("name"),
        workdir=values.text("workdir"),
        user=values.text("user"),
        groups=values.many("group-add"),
        terminal=values.flag("tty"),
        stdin_open=values.flag("interactive"),
        remove=values.flag("rm"),
        init=values.flag("init"),
        read_only=values.flag("read-only"),
        privileged=values.flag("privileged"),
        publish_all=values.flag("publish-all"),
        no_hosts=values.flag("no-hosts"),
        cidfile=_absolute(values.text("cidfile")),
        pidfile=_absolute(values.text("pidfile")),
        dns_search=values.many("dns-search"),
        dns_options=values.many("dns-option"),
    )
    changes: dict[str, object] = {}
    for part in (_process, _identity, _files, _limits, _security, _namespaces):
        part(values, changes)
    return options._replace(**changes) if changes else options  # type: ignore[arg-type]


def _absolute(path: str) -> str:
    return os.path.abspath(path) if path else ""


def _process(values: Values, changes: dict[str, object]) -> None:
    if values.given("entrypoint"):
        changes["entrypoint"] = entrypoint(values.text("entrypoint"))
    if values.given("env") or values.given("env-file"):
        changes["env"] = environment(values)
    if values.flag("no-healthcheck") or any(values.given(name) for name in _HEALTH):
        changes["health"] = health(values)
    if values.given("restart"):
        from ..containers.restart import parse_policy

        changes["restart"], changes["restart_tries"] = parse_policy(values.text("restart"))
    if values.given("stop-signal"):
        from ..containers.parse import signal

        changes["stop_signal"] = signal(values.text("stop-signal"))
    if values.given("stop-timeout"):
        seconds = values.integer("stop-timeout") or 0
        if seconds < 0 and seconds != UNSET:
            raise InvalidInput(f'invalid argument "{seconds}" for "--stop-timeout" flag: must not be negative')
        changes["stop_timeout"] = seconds


def environment(values: Values) -> tuple[tuple[str, str], ...]:
    """``--env-file``, then ``--env``: the later one of a name wins. Names alone take this process's own value."""
    if not values.given("env") and not values.given("env-file"):
        return ()
    from ..containers.parse_env import env, env_file

    pairs: list[tuple[str, str]] = []
    for path in values.many("env-file"):
        pairs += env_file(path, os.environ)
    for text in values.many("env"):
        pairs += env(text, os.environ)
    return tuple(pairs)


def entrypoint(text: str) -> tuple[str, ...]:
    """``--entrypoint``: one word, or a JSON array of them; empty removes the image's.

    :raises InvalidInput: it begins like an array and is none of strings.
    """
    if not text.startswith("["):
        return (text,) if text else ()
    import json

    try:
        words: object = json.loads(text)
    except ValueError:
        words = None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise InvalidInput(f"invalid entrypoint {text!r}: a command or a JSON array of strings")
    return tuple(words)


def health(values: Values) -> HealthCheck:
    """What ``--health-*`` and ``--no-healthcheck`` say; the rest is the image's."""
    from ..containers import parse_health
    from ..oci.runtime.options import HealthCheck

    if values.flag("no-healthcheck"):
        if values.given("health-cmd"):
            raise InvalidInput("cannot specify both --no-healthcheck and --health-cmd")
        return HealthCheck(test=("NONE",))
    check = HealthCheck()
    if values.given("health-cmd"):
        check = check._replace(test=parse_health.command(values.text("health-cmd")))
    if values.given("health-interval"):
        check = check._replace(interval=parse_health.interval(values.text("health-interval")))
    if values.given("health-timeout"):
        check = check._replace(timeout=parse_health.positive(values.text("health-timeout"), "healthcheck-timeout"))
    if values.given("health-start-period"):
        check = check._replace(start_period=parse_health.start_period(values.text("health-start-period")))
    if values.given("health-retries"):
        check = check._replace(retries=parse_health.retries(values.integer("health-retries") or 0))
    if values.given("health-on-failure"):
        check = check._replace(on_failure=values.text("health-on-failure"))
    return check


def _identity(values: Values, changes: dict[str, object]) -> None:
    if values.given("log-driver"):
        from ..containers.parse import log_driver

        changes["log_driver"] = log_driver(values.text("log-driver"))
    if values.given("log-opt"):
        from ..containers.parse import log_opts

        changes["log_size"], changes["log_files"] = log_opts(values.many("log-opt"))
    if values.given("hostname"):
        from ..containers.parse import hostname

        changes["hostname"] = hostname(values.text("hostname"))
    if values.given("label") or values.given("label-file"):
        from ..containers.parse import label

        changes["labels"] = tuple(label(text) for text in (*_label_lines(values), *values.many("label")))
    if values.given("annotation"):
        from ..containers.parse import annotation

        changes["annotations"] = tuple(annotation(text) for text in values.many("annotation"))


def _label_lines(values: Values) -> list[str]:
    lines: list[str] = []
    for path in values.many("label-file"):
        try:
            with open(path, encoding="utf-8") as file:
                lines += [line.strip() for line in file]
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise InvalidInput(f"label file {path} cannot be read: {why}") from None
    return [line for line in lines if line and not line.startswith("#")]


def _files(values: Values, changes: dict[str, object]) -> None:
    if values.given("volume") or values.given("mount") or values.given("tmpfs"):
        from ..containers.parse_mounts import mount, tmpfs, volume

        mounts: list[MountOption] = [volume(_from_here(text)) for text in values.many("volume")]
        mounts += [mount(text) for text in values.many("mount")]
        mounts += [tmpfs(text) for text in values.many("tmpfs")]
        changes["mounts"] = tuple(mounts)
    if values.given("volumes-from"):
        changes["volumes_from"] = values.many("volumes-from")
    if values.given("image-volume"):
        changes["image_volumes"] = values.text("image-volume")
    if values.given("device"):
        from ..containers.parse_mounts import device, is_named

        given = values.many("device")
        changes["devices"] = tuple(device(text) for text in given if not is_named(text))
        changes["named_devices"] = tuple(dict.fromkeys(text for text in given if is_named(text)))
    if values.given("shm-size"):
        from ..containers.sizes import size

        changes["shm_size"] = size(values.text("shm-size"))


def _from_here(text: str) -> str:
    """A source that begins with a dot is a path below the working folder, which only the command line knows."""
    source, colon, rest = text.partition(":")
    return os.path.abspath(source) + colon + rest if colon and source.split("/")[0] in (".", "..") else text


def _limits(values: Values, changes: dict[str, object]) -> None:
    changes.update(limits(values))
    if values.given("ulimit"):
        from ..containers.parse import ulimit

        changes["ulimits"] = tuple(ulimit(text) for text in values.many("ulimit"))
    if values.given("oom-score-adj"):
        from ..containers.parse import oom_score_adj

        changes["oom_score_adj"] = oom_score_adj(values.text("oom-score-adj"))


def limits(values: Values) -> dict[str, object]:
    """The limits that are given on a command line, by the names of :class:`ContainerOptions`; what ``update`` changes.

    :raises InvalidInput: one of the values is malformed; the message quotes it.
    """
    found: dict[str, object] = {}
    if any(values.given(name) for name in ("memory", "memory-swap", "memory-reservation")):
        from ..containers.sizes import size

        for name in ("memory", "memory-swap", "memory-reservation"):
            if values.given(name):
                found[name.replace("-", "_")] = size(values.text(name))
    if values.given("cpus"):
        from ..containers.parse import cpus

        found["cpus"] = 0.0 if values.text("cpus") == "0" else cpus(values.text("cpus"))
    if values.given("cpu-shares"):
        found["cpu_shares"] = values.integer("cpu-shares")
    for name in ("cpuset-cpus", "cpuset-mems"):
        if values.given(name):
            from ..containers.parse import cpuset

            found[name.replace("-", "_")] = cpuset(values.text(name)) if values.text(name) else ""
    if values.given("pids-limit"):
        from ..containers.parse import pids_limit

        found["pids_limit"] = pids_limit(values.text("pids-limit"))
    return found


def _security(values: Values, changes: dict[str, object]) -> None:
    for name in ("cap-add", "cap-drop"):
        if values.given(name):
            from ..containers.parse import capability

            changes[name.replace("-", "_")] = tuple(capability(text) for text in values.many(name))
    if values.given("security-opt"):
        from ..containers.parse import security_opts

        changes.update(security_opts(values.many("security-opt"))._asdict())
    if values.given("sysctl"):
        from ..containers.parse import sysctl

        changes["sysctls"] = tuple(sysctl(text) for text in values.many("sysctl"))


def _networks(values: Values, changes: dict[str, object]) -> None:
    modes, others = values.many("network"), ("ip", "ip6", "mac-address", "network-alias")
    if modes in (("none",), ("host",)) and not any(values.given(name) for name in others):  # these words need no more
        changes["network"] = modes[0]
        return
    from ..containers.parse_network import address, alias, mac, networks

    changes["network"], changes["networks"] = networks(
        modes,
        addresses=[address(values.text(name), what) for name, what in (("ip", "ip4"), ("ip6", "ip6")) if values.given(name)],
        mac=mac(values.text("mac-address")) if values.given("mac-address") else "",
        aliases=[alias(text) for text in values.many("network-alias")])


def _namespaces(values: Values, changes: dict[str, object]) -> None:
    if any(values.given(name) for name in ("network", "ip", "ip6", "mac-address", "network-alias")):
        _networks(values, changes)
    if values.given("publish"):
        from ..containers.parse_network import published

        changes["ports"] = published(values.many("publish"))
    if values.given("expose"):
        from ..containers.parse_network import expose

        changes["expose"] = tuple(expose(text) for text in values.many("expose"))
    for kind in ("pid", "ipc", "uts", "cgroupns"):
        if values.given(kind):
            from ..containers.parse import namespace

            changes[kind] = namespace(kind, values.text(kind))
    if values.given("add-host"):
        from ..containers.parse import add_host

        changes["add_hosts"] = tuple(add_host(text) for text in values.many("add-host"))
    if values.given("dns"):
        from ..containers.parse import dns

        changes["dns"] = tuple(dns(text) for text in values.many("dns"))
