"""Changes to an image's configuration as people write them: ``CMD ["sh"]``, ``ENV A=b``. Pure.

Source: the instructions of a Dockerfile, in the reduced form of ``podman commit --change``: one instruction, ``KEY VALUE`` or
``KEY=VALUE``; ``ENV`` and ``LABEL`` take one pair, and everything after its ``=`` is the value.
"""

from __future__ import annotations

import json
import re
from typing import Callable, Mapping, NoReturn, Sequence

from ..errors import InvalidInput
from .runtime.process import signal_number

Run = dict[str, object]
"""The ``config`` object of an image configuration, being changed."""

_SHELL = ("/bin/sh", "-c")
_UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


def with_changes(run: Mapping[str, object], changes: Sequence[str]) -> Run:
    """A configuration's ``config`` object with changes applied in order.

    :param run: as the document has it; it is not changed.
    :raises InvalidInput: a change that is none, naming it; podman's words.
    """
    changed = dict(run)
    for change in changes:
        key, value = _split(change)
        apply = _INSTRUCTIONS.get(key)
        if apply is None:
            _refuse(change, f"invalid instruction {key}")
        if not value:
            _refuse(change, "must be formatted as KEY VALUE")
        try:
            apply(changed, value)
        except ValueError as error:
            _refuse(change, str(error))
    return changed


def _split(change: str) -> tuple[str, str]:
    for separator in (" ", "="):
        key, found, value = change.partition(separator)
        if found:
            return key.strip().upper(), value.strip()
    _refuse(change, "must be formatted as KEY VALUE")


def _refuse(change: str, why: str) -> NoReturn:
    raise InvalidInput(f'invalid change "{change}" - {why}', hint=f"a change begins with one of {' '.join(_INSTRUCTIONS)}")


def words(value: str) -> list[str]:
    """A command: a JSON list of strings as it is, anything else for the shell."""
    listed = _listed(value)
    return [*_SHELL, value] if listed is None else listed


def _listed(value: str) -> list[str] | None:
    try:
        found: object = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return [str(item) for item in found] if isinstance(found, list) and all(isinstance(item, str) for item in found) else None


def _cmd(run: Run, value: str) -> None:
    run["Cmd"] = words(value)


def _entrypoint(run: Run, value: str) -> None:
    run["Entrypoint"] = words(value)


def _env(run: Run, value: str) -> None:
    name, _, text = value.partition("=")
    if not name or "\0" in value:
        raise ValueError("ENV must be formatted NAME=VALUE")
    run["Env"] = [*(item for item in _strings(run.get("Env")) if item.partition("=")[0] != name), f"{name}={text}"]


def _expose(run: Run, value: str) -> None:
    port, slash, protocol = value.partition("/")
    if not (port.isascii() and port.isdigit()):
        raise ValueError(f'EXPOSE port must be an integer: "{port}" is none')
    if not 1 <= int(port) <= 65535:
        raise ValueError("EXPOSE port must be a valid port number")
    if (protocol if slash else "tcp") not in ("tcp", "udp", "sctp"):
        raise ValueError("EXPOSE protocol must be tcp, udp or sctp")
    run["ExposedPorts"] = {**_object(run.get("ExposedPorts")), f"{int(port)}/{protocol or 'tcp'}": {}}


def _label(run: Run, value: str) -> None:
    name, equals, text = value.partition("=")
    if not equals or not name:
        raise ValueError("LABEL must be formatted key=value")
    run["Labels"] = {**_object(run.get("Labels")), name: text}


def _onbuild(run: Run, value: str) -> None:
    run["OnBuild"] = [*_strings(run.get("OnBuild")), value]


def _stopsignal(run: Run, value: str) -> None:
    if not signal_number(value):
        raise ValueError("STOPSIGNAL must be given a valid signal")
    run["StopSignal"] = value


def _user(run: Run, value: str) -> None:
    run["User"] = value


def _volume(run: Run, value: str) -> None:
    listed = _listed(value)
    run["Volumes"] = {**_object(run.get("Volumes")), **{path: {} for path in (value.split() if listed is None else listed)}}


def _workdir(run: Run, value: str) -> None:
    run["WorkingDir"] = value


def _healthcheck(run: Run, value: str) -> None:
    options: dict[str, object] = {}
    rest = value
    while rest.startswith("--"):
        option, _, rest = rest.partition(" ")
        rest = rest.lstrip()
        name, equals, text = option[2:].partition("=")
        key = {"interval": "Interval", "timeout": "Timeout", "start-period": "StartPeriod", "retries": "Retries"}.get(name)
        if key is None or not equals:
            raise ValueError(f"HEALTHCHECK does not know {option}")
        options[key] = _retries(text) if key == "Retries" else _nanoseconds(text)
    kind, _, command = rest.partition(" ")
    if kind.upper() == "NONE" and not command and not options:
        run["Healthcheck"] = {"Test": ["NONE"]}
        return
    if kind.upper() != "CMD" or not command.strip():
        raise ValueError("HEALTHCHECK must be NONE or [OPTIONS] CMD COMMAND")
    listed = _listed(command.strip())
    run["Healthcheck"] = {"Test": ["CMD-SHELL", command.strip()] if listed is None else ["CMD", *listed], **options}


def _retries(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"--retries={text} is no number")
    return int(text)


def _nanoseconds(text: str) -> int:
    parts = re.findall(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f'"{text}" is no duration, such as 30s')
    return int(sum(float(number) * _UNITS[unit] for number, unit in parts))


def _strings(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, (list, tuple)) else []


def _object(value: object) -> dict[str, object]:
    return dict(value) if isinstance(value, Mapping) else {}


_INSTRUCTIONS: Mapping[str, Callable[[Run, str], None]] = {
    "CMD": _cmd, "ENTRYPOINT": _entrypoint, "ENV": _env, "EXPOSE": _expose, "HEALTHCHECK": _healthcheck, "LABEL": _label,
    "ONBUILD": _onbuild, "STOPSIGNAL": _stopsignal, "USER": _user, "VOLUME": _volume, "WORKDIR": _workdir,
}
