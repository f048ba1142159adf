"""One recording: a file that is readable after every line, whatever comes next."""

from __future__ import annotations

import codecs
import errno
import os
import re
import time
from typing import TYPE_CHECKING

from . import asciicast

if TYPE_CHECKING:
    from conman_kernel.slots.attach import End
    from conman_kernel.slots.provider import Log

_STRANGE = re.compile(r"[^A-Za-z0-9_.-]")
_NAME_LENGTH = 80
_TRIES = 1000
"""How many sessions of one container may begin in one second."""


class Recording:
    """Implements :class:`conman_kernel.support.joined.tap.Tap`. What goes wrong stops the recording, never the session.

    Each event is one write(2) of one line: a crash leaves all lines before it. Characters are decoded across pieces, each stream
    for itself; what is no UTF-8 becomes U+FFFD.

    :param folder: made where it is missing, for its owner alone.
    :param name: of the container; the file is ``NAME-TIME.cast``.
    :param keys: record input.
    :param lines: the output is no terminal's: line feeds become what a terminal shows for them, carriage return and line feed.
    :param log: told at the end where the file is, or why there is none.
    :param seen: what is logged as a warning is seen by a person, and is in no output of the container's.
    """

    def __init__(self, folder: str, name: str, header: asciicast.Header, *, keys: bool, lines: bool, log: Log,
                 seen: bool) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")
        self._text = {code: decoder("replace") for code in (1, 2, asciicast.INPUT)}
        self._size = (header.height, header.width)
        self._keys = keys
        self._lines = lines
        self._log = log
        self._seen = seen
        self._written = 0
        self._failure = ""
        self._fd = -1
        self.path = ""
        try:
            _make(folder)
            self.path, self._fd = _new_file(folder, _STRANGE.sub("_", name)[:_NAME_LENGTH])
        except OSError as error:
            self._failure = f"cannot record in {folder}: {error.strerror}"
        self._began = time.monotonic()
        self._write(asciicast.first_line(header, time.time()))

    def output(self, data: bytes, stream: int) -> None:
        """See the protocol."""
        self._record(asciicast.OUTPUT, self._text[stream].decode(data))

    def input(self, data: bytes) -> None:
        """See the protocol."""
        if self._keys:
            self._record(asciicast.INPUT, self._text[asciicast.INPUT].decode(data))

    def resize(self, *, rows: int, columns: int) -> None:
        """See the protocol."""
        if (rows, columns) != self._size:
            self._size = (rows, columns)
            self._record(asciicast.RESIZE, asciicast.size(rows, columns))

    def end(self, end: End | None) -> None:
        """See the protocol. Says where the recording is."""
        for key, decoder in self._text.items():
            self._record(asciicast.INPUT if key == asciicast.INPUT else asciicast.OUTPUT, decoder.decode(b"", True))
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
        say = self._log.warning if self._seen else self._log.info
        if self._failure:
            say = self._log.warning
            say("%s", self._failure)
        if self._written:
            say("this session was recorded in %s", self.path)

    def _record(self, code: str, text: str) -> None:
        if text and self._fd >= 0:
            if self._lines and code == asciicast.OUTPUT:
                text = text.replace("\n", "\r\n")
            self._write(asciicast.event(time.monotonic() - self._began, code, text))

    def _write(self, line: bytes) -> None:
        """Write a whole line, or none of it and no further one."""
        if self._fd < 0:
            return
        left = memoryview(line)
        try:
            while left:
                left = left[os.write(self._fd, left):]
            self._written += len(line)
        except OSError as error:
            self._failure = f"the recording {self.path} stopped early: {error.strerror}"
            fd, self._fd = self._fd, -1
            try:
                os.ftruncate(fd, self._written)
            except OSError as second:
                self._failure += f"; its last line may be incomplete: {second.strerror}"
            os.close(fd)


def _make(folder: str) -> None:
    """Make a folder and those above it that are missing, each for its owner alone."""
    if not os.path.isdir(folder):
        _make(os.path.dirname(folder))
        os.makedirs(folder, mode=0o700, exist_ok=True)


def _new_file(folder: str, name: str) -> tuple[str, int]:
    """A file of our own: its path, and a descriptor to write.

    :raises OSError: it cannot be made.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    for number in range(_TRIES):
        path = f"{folder}/{name}-{stamp}{f'-{number}' if number else ''}.cast"
        try:
            return path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            continue
    raise FileExistsError(errno.EEXIST, "too many recordings of this second", folder)
