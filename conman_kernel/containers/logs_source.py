"""A log as one run of bytes across its files: blocks of whole records, and how many bytes went by unread."""

from __future__ import annotations

import os
from collections import deque
from typing import Sequence

from ..cancel import Cancel
from . import logs_seek
from .logs_files import Segment, open_segments
from .logs_seek import CHUNK


class Source:
    """Reads on from where it was opened. Close it.

    :param path: of the current file; it need not be there.
    :param follow: what is written later is wanted, too. Else the log is what it is now.
    :param tail: only the last so many lines; None: all.
    :param streams: whose lines ``tail`` counts.
    :param since: RFC 3339 UTC with nine digits and Z, as records have it: nothing before; empty: all.
    :param until: nothing after.
    """

    def __init__(self, path: str, *, follow: bool, tail: int | None, streams: Sequence[int], since: str, until: str,
                 cancel: Cancel) -> None:
        self._path = path
        self._follow = follow
        self._since = since.encode()
        self._until = until.encode()
        self._rest: list[bytes] = []
        self._files: deque[Segment] = deque(open_segments(path))
        self._position = 0
        self._index = 0
        self._skip = 0
        self._whole = (0, 0)
        self._last = False
        self.over = False
        """Nothing comes any more: everything was read that is wanted."""
        self._ends = -1 if follow or not self._files else self._files[-1].size
        try:
            self._seek(tail, streams, cancel)
        except BaseException:
            self.close()
            raise

    def _seek(self, tail: int | None, streams: Sequence[int], cancel: Cancel) -> None:
        files = tuple(self._files)
        if not files:
            return
        begin = (0, 0)
        if tail is not None:
            end = logs_seek.first_after(files, self._until, or_at=False, cancel=cancel) if self._until \
                else (len(files) - 1, files[-1].size)
            found = logs_seek.last_lines(files, tail, streams, end, cancel)
            begin = found.begin
            self._skip = found.skip
            self._whole = found.until
        if self._since:
            begin = max(begin, logs_seek.first_after(files, self._since, or_at=True, cancel=cancel))
        self._index = begin[0]
        for _ in range(begin[0]):
            os.close(self._files.popleft().fd)
        self._position = begin[1]

    def next(self) -> bytes | int | None:
        """What comes next.

        :returns: whole records; or how many bytes of log are gone that were to come here; or None: nothing now.
        """
        while not self.over:
            if not self._files:
                self._files.extend(open_segments(self._path) if self._follow else ())
                if not self._files:
                    return None
            file = self._files[0]
            limit = self._ends - self._position if self._ends >= 0 and len(self._files) == 1 else CHUNK
            data = os.pread(file.fd, max(0, min(CHUNK, limit)), self._position)
            if data:
                block = self._block(file, data)
                if block:
                    return block
                continue
            missed = self._onward(file)
            if missed is None:
                return None
            if missed:
                return missed
        return None

    def _block(self, file: Segment, data: bytes) -> bytes:
        end = data.rfind(b"\n") + 1
        begin = self._position - sum(map(len, self._rest))
        self._position += len(data)
        if not end:
            self._rest.append(data)
            return b""
        block = b"".join((*self._rest, data[:end])) if self._rest else data if end == len(data) else data[:end]
        self._rest = [data[end:]] if end < len(data) else []
        if self._skip:
            block = self._without(block, begin)
        return self._within(block) if block else block

    def _without(self, block: bytes, begin: int) -> bytes:
        """The block without the other stream's records that lie before the last lines."""
        index, place = self._whole
        cut = len(block) if self._index < index else min(max(0, place - begin), len(block))
        if self._index > index or not cut:
            self._skip = 0
            return block
        name = b"stdout" if self._skip == 1 else b"stderr"
        kept = [line for line in block[:cut].split(b"\n") if line[:64].split(b" ", 2)[1:2] != [name]]
        return b"\n".join(kept) + block[cut:]

    def _within(self, block: bytes) -> bytes:
        """The block's part that is in the window of time."""
        if self._since:
            block = block[logs_seek.cut(block, self._since, or_at=True):]
            if block:
                self._since = b""
        if self._until and block:
            cut = logs_seek.cut(block, self._until, or_at=False)
            if cut < len(block):
                self.over = True
                block = block[:cut]
        return block

    def _onward(self, file: Segment) -> int | None:
        """At the end of a file: go to the next one, where there is one.

        :returns: how many bytes lie between; None where there is nothing more by now.
        """
        if len(self._files) == 1:
            if not self._follow:
                self.over = True
                return None
            if file.size < self._position:
                self._position, self._rest = 0, []  # somebody truncated it
                return 0
            if not self._rotated(file):
                return None
            if not self._last:
                self._last = True  # something may have come between the last look at it and its end
                return 0
            newer = open_segments(self._path, after=file)
            if not newer:
                return None
            self._files.extend(newer)
        self._files.popleft()
        missed = self._files[0].start - file.start - self._position
        os.close(file.fd)
        self._position, self._rest, self._last = 0, [], False
        self._index += 1
        return max(0, missed)

    def _rotated(self, file: Segment) -> bool:
        try:
            return os.stat(self._path).st_ino != file.inode
        except FileNotFoundError:
            return False  # on its way, or removed by somebody: what is written goes to the file that we have

    def close(self) -> None:
        """Close the files. May be called twice."""
        while self._files:
            os.close(self._files.popleft().fd)
