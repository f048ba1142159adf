"""Transports that images can be written to."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable, Iterator

import pytest

from ....cancel import Cancel
from ....errors import AlreadyExists, Cancelled, DigestMismatch, NotFound
from ....slots.transport import WriteRequest
from .bench import IMAGE, OTHER, PATIENCE, Source, facts, put_blob, put_manifest, writable

Fresh = Callable[[], str]
"""Makes locations where nothing is yet."""


class Writing:
    """``WritableTransport`` and ``ImageWriter``, of those that have ``write``."""

    def test_what_is_written_can_be_read(self, source: Source, fresh: Fresh) -> None:
        """Put, commit, close: then the location resolves to the same image, and but for ``plain_layers`` with the digest that it
        had: a copy is the same image."""
        writable(source.transport)
        location = fresh()
        source.write(location, IMAGE)
        assert source.facts(location) == facts(IMAGE)

    def test_the_writer_says_what_it_can_hold(self, source: Source, fresh: Fresh) -> None:
        """``plain_layers`` and ``indexes`` are bools, known before anything is put: the kernel converts by them."""
        writer = writable(source.transport).write(WriteRequest(fresh(), Cancel(PATIENCE)))
        said: tuple[object, object] = (writer.plain_layers, writer.indexes)
        writer.close()
        assert all(isinstance(one, bool) for one in said)

    def test_a_blob_is_put_once(self, source: Source, fresh: Fresh) -> None:
        """``put_blob``: ``written`` where "its bytes were sent", with ``progress`` up to its size; asked again it may be
        ``exists``. The image is whole either way."""
        location = fresh()
        writer = writable(source.transport).write(WriteRequest(location, Cancel(PATIENCE)))
        seen: list[int] = []
        for _ in range(2):
            for digest, data in _blobs():
                seen.clear()
                answer = writer.put_blob(put_blob(IMAGE, digest, data, progress=seen.append))
                assert answer in ("exists", "mounted", "written")
                assert answer != "written" or (seen and seen[-1] == len(data) and seen == sorted(seen))
        writer.put_manifest(put_manifest(IMAGE))
        writer.commit(Cancel(PATIENCE))
        writer.close()
        writer.close()
        assert source.facts(location) == facts(IMAGE)

    def test_blobs_come_from_threads(self, source: Source, fresh: Fresh) -> None:
        """"Blobs may come from several threads at once": a push sends several layers side by side."""
        location = fresh()
        writer = writable(source.transport).write(WriteRequest(location, Cancel(PATIENCE)))
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda pair: writer.put_blob(put_blob(IMAGE, *pair)), _blobs()))
        writer.put_manifest(put_manifest(IMAGE))
        writer.commit(Cancel(PATIENCE))
        writer.close()
        assert source.facts(location) == facts(IMAGE)

    def test_what_is_not_committed_is_not_there(self, source: Source, fresh: Fresh, scratch: Path) -> None:
        """``close``: "what was not committed is removed where that can be done": a save that broke leaves no half of a file, and
        nobody finds an image there. It may be called twice."""
        location = fresh()
        before = _below(scratch)
        writer = writable(source.transport).write(WriteRequest(location, Cancel(PATIENCE)))
        for digest, data in _blobs():
            writer.put_blob(put_blob(IMAGE, digest, data))
        writer.close()
        writer.close()
        with pytest.raises(NotFound):
            source.descriptor(location)
        assert _below(scratch) == before
        source.write(location, OTHER)
        assert source.facts(location) == facts(OTHER)

    def test_a_source_that_lies_is_told(self, source: Source, fresh: Fresh, scratch: Path) -> None:
        """``put_blob``: DigestMismatch where ``open`` says so; what came before it is not kept as if it were whole."""
        location = fresh()
        before = _below(scratch)
        writer = writable(source.transport).write(WriteRequest(location, Cancel(PATIENCE)))
        digest, data = max(_blobs(), key=lambda pair: len(pair[1]))

        def lie(offset: int) -> Iterator[bytes]:
            yield data[offset:offset + 1000]
            raise DigestMismatch("the source lied")

        with pytest.raises(DigestMismatch):
            writer.put_blob(put_blob(IMAGE, digest, data)._replace(open=lie))
        writer.close()
        with pytest.raises(NotFound):
            source.descriptor(location)
        assert _below(scratch) == before

    def test_a_token_that_fires_ends_the_writing(self, source: Source, fresh: Fresh, scratch: Path) -> None:
        """Ctrl-C in the middle of a blob: Cancelled, and after ``close`` nothing is left."""
        location = fresh()
        before = _below(scratch)
        writer = writable(source.transport).write(WriteRequest(location, Cancel(PATIENCE)))
        digest, data = max(_blobs(), key=lambda pair: len(pair[1]))
        cancel = Cancel(PATIENCE)

        def chunks(offset: int) -> Iterator[bytes]:
            for at in range(offset, len(data), 100_000):
                yield data[at:at + 100_000]
                cancel.cancel()
                cancel.check()

        with pytest.raises(Cancelled):
            writer.put_blob(put_blob(IMAGE, digest, data, cancel=cancel)._replace(open=chunks))
        writer.close()
        with pytest.raises(NotFound):
            source.descriptor(location)
        assert _below(scratch) == before

    def test_what_is_there_is_kept_or_replaced_whole(self, source: Source, fresh: Fresh) -> None:
        """``write`` where an image is: AlreadyExists, and that is as it was; or the new one is there, whole. Never half of
        each."""
        writable(source.transport)
        location = fresh()
        source.write(location, IMAGE)
        try:
            source.write(location, OTHER)
        except AlreadyExists:
            assert source.facts(location) == facts(IMAGE)
        else:
            assert source.facts(location) == facts(OTHER)


def _blobs() -> list[tuple[str, bytes]]:
    return [(digest, data) for digest, data in IMAGE.blobs.items() if digest not in IMAGE.media_types]


def _below(folder: Path) -> list[str]:
    return sorted(os.path.join(top, name) for top, folders, files in os.walk(folder) for name in [*folders, *files]
                  if "plugin-" not in top and "plugin-" not in name)
