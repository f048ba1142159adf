"""Which plugins are installed: entry-point metadata, read without importing any of them, and cached.

The scan costs some 40 ms; its result lies in a file below ``--root`` and holds as long as no folder of ``sys.path`` changed.
The same file remembers which plugins passed pluggy's checks, so that a sound plugin is checked once per installation.
"""

from __future__ import annotations

import json
import os
import sys
import zlib
from _thread import allocate_lock, get_ident
from typing import TYPE_CHECKING

from .record import Record
from .store.layout import Layout

if TYPE_CHECKING:
    from importlib.metadata import Distribution

FORMAT = 2


class EntryPoint(Record):
    """One plugin as its distribution declares it.

    :param group: the slot's entry-point group.
    :param name: the plugin's name.
    :param value: ``module`` (or ``module:attribute``) to load.
    :param distribution: name of the distribution that ships it.
    :param version: of that distribution.
    """

    group: str
    name: str
    value: str
    distribution: str
    version: str


class Discovery:
    """The installed plugins of one interpreter. Lazy; reads nothing until asked. Thread-safe.

    :param remember: write what the scan finds, for the next command.
    """

    def __init__(self, layout: Layout, *, remember: bool = True) -> None:
        self._layout = layout
        self._remember = remember
        self._entries: tuple[EntryPoint, ...] | None = None
        self._unreadable: tuple[str, ...] = ()
        self._verified: set[str] = set()
        self._key = ""
        self._looking = allocate_lock()

    @property
    def entries(self) -> tuple[EntryPoint, ...]:
        """Every installed plugin, sorted by group and name; two of one name both appear."""
        return self._looked()

    @property
    def unreadable(self) -> tuple[str, ...]:
        """Folders of metadata that speak of conman and cannot be read, by name, sorted; their plugins are not there."""
        self._looked()
        return self._unreadable

    def find(self, group: str, name: str) -> tuple[EntryPoint, ...]:
        """The plugins of that name in that slot: none, one, or a conflict."""
        return tuple(e for e in self.entries if e.group == group and e.name == name)

    def is_verified(self, entry: EntryPoint) -> bool:
        """True where pluggy's checks were passed by this very installation."""
        return f"{entry.group}/{entry.name}" in self._verified

    def set_verified(self, entry: EntryPoint) -> None:
        """Remember that pluggy's checks were passed."""
        with self._looking:
            self._verified.add(f"{entry.group}/{entry.name}")
            self._write_cache()

    def _looked(self) -> tuple[EntryPoint, ...]:
        with self._looking:
            if self._entries is None:
                self._key = _environment_key()
                self._entries = self._read_cache()
                if self._entries is None:
                    self._entries, self._unreadable = _scan()
                    self._write_cache()
            return self._entries

    def _path(self) -> str:
        return f"{self._layout.plugin_cache}.{zlib.crc32(chr(0).join(_folders()).encode()):08x}"

    def _read_cache(self) -> tuple[EntryPoint, ...] | None:
        try:
            with open(self._path(), encoding="utf-8") as stream:
                data: object = json.load(stream)
            if not isinstance(data, dict) or data.get("key") != self._key:
                return None
            entries = tuple(EntryPoint(*row) for row in data["entries"])
            verified, unreadable = set(data["verified"]), tuple(map(str, data["unreadable"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None  # none yet, or not what was written here: the scan says it anew
        if not all(isinstance(field, str) for entry in entries for field in entry):
            return None
        self._verified, self._unreadable = verified, unreadable
        return entries

    def _write_cache(self) -> None:
        if not self._remember or not os.path.isdir(self._layout.root):
            return  # nothing is made for a command that only looks
        temporary = f"{self._path()}.{os.getpid()}.{get_ident()}"
        try:
            # 0600 whatever the umask: who may write it chooses what is imported here next time.
            with open(temporary, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as stream:
                json.dump({"key": self._key, "entries": self._entries, "verified": sorted(self._verified),
                           "unreadable": self._unreadable}, stream)
            os.rename(temporary, self._path())
        except OSError:
            # A store that cannot be written (full, read-only) only costs the scan again.
            if os.path.exists(temporary):
                os.unlink(temporary)


def _folders() -> list[str]:
    return [os.path.abspath(folder) for folder in sys.path if folder]


def _environment_key() -> str:
    """What the scan depends on: the interpreter and the change times of the folders it looks through."""
    parts = [str(FORMAT), sys.version]
    for folder in _folders():
        try:
            parts.append(f"{folder}={os.stat(folder).st_mtime_ns}")
        except OSError:
            parts.append(f"{folder}=")
    return "\n".join(parts)


def _scan() -> tuple[tuple[EntryPoint, ...], tuple[str, ...]]:
    """The plugins, and the folders of metadata that cannot be read and may hold some."""
    from importlib import metadata

    found: set[EntryPoint] = set()
    seen: set[str] = set()
    unreadable: set[str] = set()
    for distribution in metadata.distributions():
        try:
            name, entries = _entries_of(distribution)
        except (OSError, ValueError, TypeError, LookupError, AttributeError):
            # The standard library's words for broken metadata: one such folder starves no other plugin.
            unreadable.update(_speaks_of_conman(distribution))
            continue
        canonical = name.lower().replace("_", "-").replace(".", "-")
        if not name and entries:
            unreadable.update(_speaks_of_conman(distribution))
        elif name and canonical not in seen:  # else shadowed by an earlier folder of sys.path
            seen.add(canonical)
            found.update(entries)
    return tuple(sorted(found)), tuple(sorted(unreadable))


def _speaks_of_conman(distribution: Distribution) -> tuple[str, ...]:
    """The name of a folder of broken metadata, where it is one of a plugin's; else nothing."""
    folder = os.path.basename(str(getattr(distribution, "_path", "")))
    try:
        text = distribution.read_text("entry_points.txt") or ""
    except (OSError, ValueError):
        text = ""
    return (folder,) if folder and (folder.startswith("conman") or "[conman." in text) else ()


def _entries_of(distribution: Distribution) -> tuple[str, list[EntryPoint]]:
    fields = distribution.metadata
    name, version = (str(fields[field] or "") if field in fields else "" for field in ("Name", "Version"))
    return name, [EntryPoint(point.group, point.name, point.value, name, version)
                  for point in distribution.entry_points if point.group.startswith("conman.")]
