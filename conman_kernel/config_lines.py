"""Where in a file a value of the configuration is written: the line that :class:`~.config.ConfigValue` leaves out.

The configuration is read on every command, and hardly anybody asks for lines: so they are looked up when they are asked for.
The TOML parser tells no lines; a statement is found as the fewest lines from its first on that parse by themselves.
"""

from __future__ import annotations

from typing import Iterator, Mapping

from .config import ConfigValue

_Path = tuple[str, ...]


class Lines:
    """Looks values up in their files; each file is read once.

    ::

        Lines().origin(config.entry("storage.driver"))   # '/etc/conman/conman.toml:12'
    """

    def __init__(self) -> None:
        self._files: dict[str, dict[_Path, int]] = {}

    def origin(self, value: ConfigValue) -> str:
        """The value's origin with its line, ``FILE:LINE`` or ``FILE:LINE [machine."GLOB"]``; as it is where no file set it."""
        file, glob = _split(value.origin)
        if file in ("built in", "command line") or file.startswith("environment "):
            return value.origin
        path = (*(("machine", glob) if glob else ()), *_path(value.key))
        line = self._lines(file).get(path, 0)
        if not line:
            return value.origin
        return f'{file}:{line} [machine."{glob}"]' if glob else f"{file}:{line}"

    def _lines(self, file: str) -> dict[_Path, int]:
        if file not in self._files:
            try:
                with open(file, encoding="utf-8") as stream:
                    self._files[file] = dict(_statements(stream.read().splitlines()))
            except (OSError, UnicodeDecodeError):
                self._files[file] = {}  # it changed since it was read: its name is all that is still true
        return self._files[file]


def _split(origin: str) -> tuple[str, str]:
    file, mark, rest = origin.partition(' [machine."')
    return (file, rest.removesuffix('"]')) if mark else (origin, "")


def _path(key: str) -> _Path:
    """The tables and the key that a dotted name stands for; a registry's host and a plugin's name may hold dots."""
    if key.startswith('registry."'):
        host, _, name = key.removeprefix('registry."').rpartition('".')
        return ("registry", host, name)
    if key.startswith("plugin."):
        plugin, _, name = key.removeprefix("plugin.").rpartition(".")
        return ("plugin", plugin, name)
    return tuple(key.split(".", 1))


def _statements(lines: list[str]) -> Iterator[tuple[_Path, int]]:
    """Every value of a document with the line where its statement begins."""
    import tomli

    table: _Path = ()
    first = 0
    while first < len(lines):
        found: Mapping[str, object] | None = None
        last = first
        while found is None and last < len(lines):
            last += 1
            try:
                found = tomli.loads("\n".join(lines[first:last]))
            except tomli.TOMLDecodeError:
                continue  # not whole yet: an array or a text over several lines
        paths = list(_leaves(found or {}))
        if lines[first].lstrip().startswith("["):
            table = paths[0][0] if paths else ()
        else:
            for path, _ in paths:
                yield (*table, *path), first + 1
        first = last


def _leaves(value: Mapping[str, object], above: _Path = ()) -> Iterator[tuple[_Path, object]]:
    for key, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            yield from _leaves(inner, (*above, key))
        else:
            yield (*above, key), inner
