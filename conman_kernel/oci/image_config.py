"""The image configuration (OCI image-spec v1.1, ``config.md``; Docker image configuration v1).

Read as Go reads it: ``null`` and an absent key are the same, unknown keys are accepted, a command may be one string.
"""

from __future__ import annotations

from typing import Mapping

from ..errors import InvalidInput
from ..record import Record
from . import digest as digests
from .documents import as_object, get_bool, get_list, get_map, get_str, get_string_map, get_strings, parse_object
from .manifest import MAX_LAYERS
from .platform import Platform, normalise


class History(Record):
    """One step of how the image was made (OCI image-spec, ``config.md``, history).

    :param created: as the document says (RFC 3339), maybe empty.
    :param created_by: the instruction or command; ``comment`` and ``author`` as they are.
    :param empty_layer: the step has no layer.
    """

    created: str
    created_by: str
    author: str
    comment: str
    empty_layer: bool


class ImageConfig(Record):
    """What an image says about how to run it. Empty where it says nothing.

    :param created: RFC 3339, as the document says it; see :func:`created_seconds`.
    :param architecture: of Go, as ``os`` and ``variant`` are; :attr:`platform` has them in one.
    :param user: ``name|uid[:group|gid]``. ``env``: ``NAME=value`` each. ``working_dir``: absolute.
    :param entrypoint: the command line's beginning; ``cmd``: the rest of it, or all; ``shell``: of ``RUN`` in a build.
    :param stop_signal: a name or number, as it is written.
    :param volumes: paths, sorted; ``exposed_ports`` likewise (``8080/tcp``).
    :param healthcheck: Docker's ``Healthcheck`` object as it stands (durations in nanoseconds), or None.
    :param diff_ids: digests of the uncompressed layers, lowest first. ``history``: the oldest step first.
    """

    created: str
    author: str
    architecture: str
    os: str
    variant: str
    user: str
    env: tuple[str, ...]
    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    working_dir: str
    labels: Mapping[str, str]
    stop_signal: str
    volumes: tuple[str, ...]
    exposed_ports: tuple[str, ...]
    shell: tuple[str, ...]
    healthcheck: Mapping[str, object] | None
    diff_ids: tuple[str, ...]
    history: tuple[History, ...]

    @property
    def platform(self) -> Platform:
        """What the image runs on, in Go's names."""
        return normalise(Platform(self.os, self.architecture, self.variant))


def parse_config(data: bytes, what: str) -> ImageConfig:
    """Parse an image configuration.

    :param data: verified bytes.
    :param what: names it in error messages, such as ``the configuration of docker.io/library/alpine:latest``.
    :raises InvalidInput: no JSON object, a key of another type, a ``rootfs`` that is not of layers, a bad diffID.
    """
    obj = parse_object(data, what)
    run = get_map(obj, "config", what)
    healthcheck = get_map(run, "Healthcheck", what)
    return ImageConfig(
        created=get_str(obj, "created", what), author=get_str(obj, "author", what),
        architecture=get_str(obj, "architecture", what), os=get_str(obj, "os", what),
        variant=get_str(obj, "variant", what),
        user=get_str(run, "User", what), env=get_strings(run, "Env", what),
        entrypoint=_words(run, "Entrypoint", what), cmd=_words(run, "Cmd", what),
        working_dir=get_str(run, "WorkingDir", what), labels=get_string_map(run, "Labels", what),
        stop_signal=get_str(run, "StopSignal", what),
        volumes=tuple(sorted(get_map(run, "Volumes", what))),
        exposed_ports=tuple(sorted(get_map(run, "ExposedPorts", what))),
        shell=_words(run, "Shell", what), healthcheck=healthcheck or None,
        diff_ids=_diff_ids(get_map(obj, "rootfs", what), what),
        history=tuple(_history(item, f"{what}: history") for item in get_list(obj, "history", what)))


def created_seconds(created: str) -> int:
    """Seconds since the epoch of an RFC 3339 time; 0 where it is empty or malformed (the date is only ever shown)."""
    date, _, rest = created.upper().replace(" ", "T").partition("T")
    clock, sign, zone = rest.rstrip("Z"), 0, "0:0"
    for mark, value in (("+", 1), ("-", -1)):
        if mark in clock:
            clock, _, zone = clock.partition(mark)
            sign = value
    try:
        year, month, day = (int(part) for part in date.split("-"))
        hour, minute, second = (int(part) for part in clock.partition(".")[0].split(":"))
        zone_hour, zone_minute = (int(part) for part in zone.split(":"))
    except ValueError:
        return 0
    # Days since 1970-01-01 in the proleptic Gregorian calendar, counted from 1 March so that leap days come last.
    year -= month <= 2
    days = 365 * year + year // 4 - year // 100 + year // 400 + (153 * ((month + 9) % 12) + 2) // 5 + day - 1 - 719468
    return days * 86400 + hour * 3600 + minute * 60 + second - sign * (zone_hour * 3600 + zone_minute * 60)


def _words(obj: Mapping[str, object], key: str, what: str) -> tuple[str, ...]:
    value = obj.get(key)
    if isinstance(value, str):
        return (get_str(obj, key, what),)
    return get_strings(obj, key, what)


def _diff_ids(rootfs: Mapping[str, object], what: str) -> tuple[str, ...]:
    kind = get_str(rootfs, "type", what)
    if kind != "layers":
        raise InvalidInput(f"{what}: 'rootfs.type' is {kind[:100]!r}, not 'layers'")
    found = get_strings(rootfs, "diff_ids", what)
    if len(found) > MAX_LAYERS:
        raise InvalidInput(f"{what} has {len(found)} layers, more than the {MAX_LAYERS} that can be stacked")
    for diff_id in found:
        try:
            digests.parse(diff_id)
        except InvalidInput as error:
            raise InvalidInput(f"{what}: 'rootfs.diff_ids': {error.message}", hint=error.hint) from None
    return found


def _history(value: object, what: str) -> History:
    obj = as_object(value, what)
    return History(get_str(obj, "created", what), get_str(obj, "created_by", what), get_str(obj, "author", what),
                   get_str(obj, "comment", what), get_bool(obj, "empty_layer", what))
