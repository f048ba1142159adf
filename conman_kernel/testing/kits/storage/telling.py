"""What a storage driver tells of its snapshots, and of itself."""

from __future__ import annotations

import os
import time

import pytest

from ....cancel import Cancel
from ....errors import NotFound
from ....oci.descriptor import Descriptor
from ....slots.storage import AcquireRequest, KeyRequest, Whiteouts
from .bench import PATIENCE, Store, chain

A, B, C = chain(0xA), chain(0xB), chain(0xC)
MEGA = 1_000_000


class Telling:
    """``stat``, ``walk``, ``usage``, ``layer``, ``acquire``, ``close``, and what is said of the driver as a whole."""

    def test_stat_tells_parent_kind_and_age(self, store: Store) -> None:
        """``stat``: name, parent, kind, and ``created`` in seconds since the epoch; NotFound otherwise. ``system df`` shows
        it."""
        before = time.time() - 2
        store.make(A)
        store.prepare("k", A)
        store.view("v", A)
        store.prepare("alone")
        for driver in (store.driver, store.again()):
            for name, parent, kind in ((A, None, "committed"), ("k", A, "active"), ("v", A, "view"), ("alone", None, "active")):
                info = driver.stat(KeyRequest(name, Cancel(PATIENCE)))
                assert (info.name, info.parent, info.kind) == (name, parent, kind)
                assert before <= info.created <= time.time() + 2
            with pytest.raises(NotFound):
                driver.stat(KeyRequest("never", Cancel(PATIENCE)))

    def test_walk_tells_every_snapshot_once(self, store: Store) -> None:
        """``walk``: "every whole snapshot", with what ``stat`` says of it. Collection removes by that list."""
        assert store.names() == {}
        store.make(A)
        store.make(B, A)
        store.prepare("k", B)
        store.view("v", A)
        assert store.names() == {A: "committed", B: "committed", "k": "active", "v": "view"} == store.names(store.again())
        told = {info.name: info for info in store.driver.walk(Cancel(PATIENCE))}
        assert all(store.driver.stat(KeyRequest(name, Cancel(PATIENCE))) == info for name, info in told.items())

    def test_usage_counts_what_a_snapshot_takes(self, store: Store) -> None:
        """``usage``: "bytes on disk and inodes" of the snapshot itself; it grows with what is written, and NotFound otherwise."""
        store.prepare("k")
        before = store.driver.usage(KeyRequest("k", Cancel(PATIENCE)))
        with store.shown("k") as target:
            (target / "f").write_bytes(os.urandom(MEGA))
            (target / "d").mkdir()
        after = store.driver.usage(KeyRequest("k", Cancel(PATIENCE)))
        assert after.inodes == before.inodes + 2
        assert MEGA <= after.size - before.size <= MEGA * 1.2
        store.commit("k", A)
        assert store.driver.usage(KeyRequest(A, Cancel(PATIENCE))).size >= MEGA
        with pytest.raises(NotFound):
            store.driver.usage(KeyRequest("never", Cancel(PATIENCE)))

    def test_layer_shows_what_a_snapshot_holds(self, store: Store) -> None:
        """``layer``: "with OVERLAY only what differs from its parent, with APPLIED the whole tree", or None; NotFound otherwise.
        ``commit`` and ``diff`` read it."""
        from ...images import directory, file, layer, whiteout

        store.layer(A, None, layer([directory("d"), file("d/x", b"1"), file("f", b"1")]))
        store.layer(B, A, layer([whiteout("f"), file("g", b"2")]))
        store.prepare("k", B)
        store.write("k", {"h": "3"})
        whole = store.driver.whiteouts is Whiteouts.APPLIED
        for name, own, all_of_it in ((A, {"d", "f"}, {"d", "f"}), (B, {"f", "g"}, {"d", "g"}), ("k", {"h"}, {"d", "g", "h"})):
            folder = store.driver.layer(KeyRequest(name, Cancel(PATIENCE)))
            if folder is not None:
                assert set(os.listdir(folder)) == (all_of_it if whole else own)
        with pytest.raises(NotFound):
            store.driver.layer(KeyRequest("never", Cancel(PATIENCE)))

    def test_acquire_keeps_its_word(self, store: Store) -> None:
        """``acquire``: True only where "the driver now holds ``chain_id`` committed": the kernel then never downloads the
        layer."""
        layer = Descriptor("application/vnd.oci.image.layer.v1.tar", "sha256:" + "0" * 64, 1)
        told: object = store.driver.acquire(AcquireRequest(A, None, layer, Cancel(PATIENCE)))
        assert isinstance(told, bool) and told == (store.names().get(A) == "committed")

    def test_the_driver_says_what_it_is(self, store: Store) -> None:
        """``whiteouts`` is one of the enumeration that the worker knows, ``independent_layers`` a bool; the same every time. The
        two go together: who applies whiteouts needs what lies below."""
        said: tuple[object, object] = (store.driver.whiteouts, store.driver.independent_layers)
        assert said in ((Whiteouts.APPLIED, False), (Whiteouts.OVERLAY, False), (Whiteouts.OVERLAY, True))
        assert said == (store.again().whiteouts, store.again().independent_layers)

    def test_close_gives_everything_back_and_may_be_called_twice(self, store: Store) -> None:
        """``close``: "give descriptors back; may be called twice". A program opens and closes many."""
        store.make(A)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            driver = store.provider.open(store.context)
            store.names(driver)
            with store.looked_at(A, driver) as target:
                os.listdir(target)
            driver.close()
            driver.close()
        assert len(os.listdir("/proc/self/fd")) == before, "descriptors are left open after five drivers were closed"

    def test_it_prints_nothing(self, store: Store, capfd: pytest.CaptureFixture[str]) -> None:
        """"Report to ``context.log``; never print": what a command prints may be parsed."""
        store.make(A, files={"f": "one"})
        store.prepare("k", A)
        store.remove("k")
        with pytest.raises(NotFound):
            store.mounts("never")
        store.again().close()
        assert capfd.readouterr() == ("", "")

    def test_nothing_outside_its_folders_is_written(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """"Nothing outside ``state_dir`` is written", but for ``run_dir``: a store can be moved, and removed, as one folder."""
        import tempfile

        elsewhere = store.scratch / "elsewhere"
        elsewhere.mkdir()
        for name in ("TMPDIR", "HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
            monkeypatch.setenv(name, str(elsewhere))
        monkeypatch.setattr(tempfile, "tempdir", None)
        monkeypatch.chdir(elsewhere)
        monkeypatch.setattr(tempfile, "mkdtemp", lambda **more: _made(store.scratch / os.urandom(4).hex()))
        store.make(A, files={"f": "one"})
        store.make(B, A, {"g": "two"})
        store.prepare("k", B)
        store.remove("k")
        assert os.listdir(elsewhere) == []
        assert set(os.listdir(store.state.parent)) <= {"state", "state-run"}


def _made(path: object) -> str:
    os.mkdir(str(path))
    return str(path)
