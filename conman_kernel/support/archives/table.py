"""A tar's table of members: names to places in the file, read once, bounded. Nothing is ever extracted."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Mapping, NamedTuple

from ...errors import InvalidInput, NotFound
from . import headers

if TYPE_CHECKING:
    from ...cancel import Cancel

MAX_MEMBERS = 100_000
MAX_HEADER = 1 << 20
"""Bytes of one extended header; real ones have some hundred."""

MAX_NAME = 4096
MAX_NAMES = 32 << 20
"""Bytes of all names together: what the table may take of memory."""

MAX_LINKS = 40
"""Links followed for one name, as the kernel has it."""


class Place(NamedTuple):
    """Where a member's bytes are: offset and size. ``link``: the member that a link leads to; ``sparse``: not stored plainly."""

    start: int
    size: int
    link: str = ""
    sparse: bool = False


class Table:
    """The members of one archive: regular files, and links among them. Of several with one name the last counts."""

    def __init__(self, places: Mapping[str, Place], shown: str) -> None:
        self._places = places
        self._shown = shown

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def holds(self, name: str) -> bool:
        """Whether :meth:`find` finds it."""
        try:
            self.find(name)
        except (NotFound, InvalidInput):
            return False
        return True

    def find(self, name: str) -> tuple[str, Place]:
        """The file that a name means, links followed within the archive.

        :returns: the file's own name, and its place.
        :raises NotFound: there is none; the archive is not complete.
        :raises InvalidInput: links lead in a circle, or it is stored with holes.
        """
        asked, name = name, clean(name)
        for _ in range(MAX_LINKS):
            place = self._places.get(name)
            if place is None:
                raise NotFound(f"{self._shown} has no {asked[:300]}", hint="the archive is not complete")
            if place.sparse:
                raise InvalidInput(f"{self._shown} stores {asked[:300]} with holes, which is not supported",
                                   hint="pack it again without tar's option --sparse")
            if not place.link:
                return name, place
            name = place.link
        raise InvalidInput(f"{self._shown}: the links at {asked[:300]} lead in a circle")


def clean(name: str) -> str:
    """A name as tables have it: ``./a//b`` is ``a/b``. Empty where it leads outside the archive."""
    parts: list[str] = []
    for part in name.split("/"):
        if part == "..":
            if not parts:
                return ""
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def read_table(fd: int, end: int, shown: str, cancel: Cancel) -> Table:
    """Read the headers of an uncompressed tar.

    :param end: the file's size in bytes.
    :param shown: names the archive in messages.
    :raises InvalidInput: no tar, truncated, damaged, or beyond a limit of this module.
    """
    return Table(_Reader(fd, end, shown, cancel).members(), shown)


class _Reader:
    def __init__(self, fd: int, end: int, shown: str, cancel: Cancel) -> None:
        self._fd, self._end, self._shown, self._cancel = fd, end, shown, cancel
        self._at = 0
        self._name = self._link = b""
        self._pax: Mapping[str, bytes] = {}
        self._letters = 0

    def members(self) -> dict[str, Place]:
        found: dict[str, Place] = {}
        seen = 0
        while (header := self._next()) is not None:
            self._cancel.check()
            seen += 1
            if seen > 4 * MAX_MEMBERS or len(found) >= MAX_MEMBERS:
                raise InvalidInput(f"{self._shown} has more than the {MAX_MEMBERS} members that are accepted")
            if not self._extension(header):
                self._member(header, found)
        return found

    def _next(self) -> headers.Header | None:
        if self._at >= self._end and self._at:
            return None  # without the zeros that are to end it: tar takes that too
        block = self._read(self._at, headers.BLOCK, "")
        if not block.strip(b"\0"):
            return None
        try:
            header = headers.parse(block)
        except ValueError as error:
            if self._at:
                raise InvalidInput(f"{self._shown} is damaged: {error}, in the header at byte {self._at}") from None
            raise InvalidInput(f"{self._shown} is not a tar archive: {error}") from None
        self._at += headers.BLOCK
        return header

    def _extension(self, header: headers.Header) -> bool:
        """Take what a header says of the one that follows it. :returns: False for a member's own header."""
        if header.kind not in (headers.LONG_NAME, headers.LONG_LINK, headers.PAX, headers.PAX_GLOBAL):
            return False
        if header.size > MAX_HEADER:
            raise InvalidInput(f"a header of {self._shown} has {header.size} bytes, more than {MAX_HEADER}")
        data = self._read(self._at, header.size, "an extended header")
        self._skip(header.size)
        if header.kind == headers.LONG_NAME:
            self._name = data.partition(b"\0")[0]
        elif header.kind == headers.LONG_LINK:
            self._link = data.partition(b"\0")[0]
        elif header.kind == headers.PAX:
            try:
                self._pax = headers.parse_pax(data)
            except ValueError as error:
                raise InvalidInput(f"{self._shown} is damaged: {error}") from None
        return True

    def _member(self, header: headers.Header, found: dict[str, Place]) -> None:
        pax, long_name, long_link = self._pax, self._name, self._link
        self._pax, self._name, self._link = {}, b"", b""
        try:
            size = headers.pax_size(pax)
        except ValueError as error:
            raise InvalidInput(f"{self._shown} is damaged: {error}") from None
        stored = header.size if size is None or header.kind in b"123456" else size
        raw = pax.get("path") or long_name or header.name
        link = pax.get("linkpath") or long_link or header.link
        sparse = header.kind == headers.SPARSE or any(key.startswith("GNU.sparse.") for key in pax)
        if header.kind == headers.SPARSE:
            self._skip_map()
        start = self._at
        if start + stored > self._end:
            shown = raw[:100].decode("utf-8", "backslashreplace")
            raise InvalidInput(f"{self._shown} ends within its member {shown!r}", hint="it is truncated")
        self._skip(stored)
        name = self._clean(pax.get("GNU.sparse.name") or raw)
        if not name or raw.endswith(b"/"):
            return
        if header.kind in (headers.HARD_LINK, headers.SYMLINK):
            target = self._target(header.kind, name, link)
            if target:
                found[name] = Place(0, 0, link=target)
            else:
                found.pop(name, None)
        elif header.kind in headers.FILES or sparse:
            found[name] = Place(start, stored, sparse=sparse)
        else:
            found.pop(name, None)  # a folder or device in a file's place: tar would have replaced it

    def _target(self, kind: bytes, name: str, link: bytes) -> str:
        text = self._decoded(link)
        if kind == headers.SYMLINK:
            text = "" if text.startswith("/") else name.rpartition("/")[0] + "/" + text
        return clean(text)

    def _clean(self, raw: bytes) -> str:
        return clean(self._decoded(raw))

    def _decoded(self, raw: bytes) -> str:
        self._letters += len(raw)
        if len(raw) > MAX_NAME or self._letters > MAX_NAMES:
            raise InvalidInput(f"{self._shown} has names longer than the {MAX_NAME} bytes each ({MAX_NAMES} together) "
                               "that are accepted")
        return raw.decode("utf-8", "surrogateescape")

    def _skip_map(self) -> None:
        """Step over the further blocks of an old GNU sparse map, the first of which follows a header at once."""
        block = self._read(self._at - headers.BLOCK, headers.BLOCK, "a map")
        more = block[482]
        while more:
            self._cancel.check()
            more = self._read(self._at, headers.BLOCK, "a map")[504]
            self._at += headers.BLOCK

    def _skip(self, size: int) -> None:
        self._at += size + -size % headers.BLOCK

    def _read(self, at: int, size: int, what: str) -> bytes:
        try:
            data = os.pread(self._fd, size, at) if at + size <= self._end else b""
        except OSError as error:
            raise InvalidInput(f"cannot read {self._shown}: {error.strerror}") from None
        if len(data) == size:
            return data
        if not at:
            what = f"it has {self._end} bytes" if self._end else "it is empty"
            raise InvalidInput(f"{self._shown} is not a tar archive: {what}")
        raise InvalidInput(f"{self._shown} ends within {what or 'a header'}", hint="it is truncated")
