"""From prepare to remove: what each call of a storage driver does, and which errors it raises."""

from __future__ import annotations

import os

import pytest

from ....cancel import Cancel
from ....errors import AlreadyExists, InvalidState, NotFound
from ....slots.storage import KeyRequest
from ...trees import read_tree
from .bench import PATIENCE, Store, chain

A, B, C = chain(0xA), chain(0xB), chain(0xC)
MEGA = 1_000_000


class Preparing:
    """``prepare``, ``view`` and ``mounts``."""

    def test_a_new_snapshot_is_empty_and_roots(self, store: Store) -> None:
        """``prepare``: "an empty one is 0755 root:root". An image's first layer is unpacked into it, and need not list its
        root."""
        snapshot = store.prepare("k")
        assert snapshot.key == "k"
        with store.shown("k") as target:
            state = os.stat(target)
            assert (oct(state.st_mode & 0o7777), state.st_uid, state.st_gid, os.listdir(target)) == ("0o755", 0, 0, [])

    def test_a_prepared_tree_equals_its_parents(self, store: Store) -> None:
        """``prepare``: "the tree equals the parent's", the root's own mode and owner too. A container starts from its image."""
        store.prepare("k")
        store.write("k", {"a/b": "one", "c": "two"})
        with store.shown("k") as target:
            os.chmod(target, 0o711)
            os.chown(target, 3, 4)
            os.symlink("c", target / "d")
        store.commit("k", A)
        store.prepare("child", A)
        with store.shown("child") as target:
            assert _undated(target) == _undated_tree(store, A)

    def test_a_taken_key_is_refused(self, store: Store) -> None:
        """``prepare``, ``view``: AlreadyExists where "the key is taken", and who has it keeps it as it was: two commands that
        chose one name must not share a file system."""
        store.make(A)
        store.prepare("k")
        store.write("k", {"f": "mine"})
        for call in (store.prepare, store.view):
            for parent in (None, A):
                with pytest.raises(AlreadyExists):
                    call("k", parent)
        with store.shown("k") as target:
            assert (target / "f").read_text() == "mine"

    def test_a_committed_name_is_no_new_key(self, store: Store) -> None:
        """``prepare``: AlreadyExists where "a committed name of it is taken": else ``stat`` and ``remove`` would be ambiguous."""
        store.make(A, files={"f": "held"})
        with pytest.raises(AlreadyExists):
            store.prepare(A)
        assert store.names() == {A: "committed"}

    def test_a_missing_parent_is_not_found(self, store: Store) -> None:
        """``prepare``: NotFound where "the parent is not committed"; with ``independent_layers`` not before ``mounts`` and
        ``commit`` need it. An active snapshot is no parent. Nothing is left of what failed."""
        store.prepare("active")
        for parent in (B, "active"):
            if store.driver.independent_layers:
                store.prepare("k", parent)
                with pytest.raises(NotFound):
                    store.mounts("k")
                with pytest.raises(NotFound):
                    store.commit("k", C)
                assert store.names()["k"] == "active"
                store.remove("k")
            else:
                with pytest.raises(NotFound):
                    store.prepare("k", parent)
            with pytest.raises(NotFound):
                store.view("v", parent)
            assert store.names() == {"active": "active"}

    def test_mounts_may_be_asked_twice_and_change_nothing(self, store: Store) -> None:
        """``mounts``: "changes nothing; may be called twice"; NotFound for what is no active snapshot. Every start asks anew."""
        store.make(A, files={"f": "one"})
        store.prepare("k", A)
        before = store.names()
        assert store.mounts("k") == store.mounts("k") != ()
        assert store.names() == before
        for name in ("never", A):
            with pytest.raises(NotFound):
                store.mounts(name)

    def test_what_is_written_is_there_after_the_unmount(self, store: Store) -> None:
        """A container that is stopped and started finds its files; also by another command, with another driver object."""
        store.make(A, files={"old": "1", "gone": "1"})
        store.prepare("k", A)
        with store.shown("k") as target:
            (target / "new").write_text("2")
            (target / "old").write_text("changed")
            (target / "gone").unlink()
        for driver in (store.driver, store.again()):
            with store.shown("k", driver) as target:
                assert sorted(os.listdir(target)) == ["new", "old"]
                assert (target / "old").read_text() == "changed"

    def test_snapshots_of_one_parent_share_nothing(self, store: Store) -> None:
        """Two containers of one image do not see each other's files, and the image sees neither's."""
        store.make(A, files={"f": "image", "d/g": "image"})
        for key in ("one", "two"):
            store.prepare(key, A)
        store.write("one", {"f": "first", "d/h": "first"})
        with store.shown("two") as target:
            assert (target / "f").read_text() == "image" and os.listdir(target / "d") == ["g"]
        with store.looked_at(A) as target:
            assert (target / "f").read_text() == "image" and os.listdir(target / "d") == ["g"]

    def test_a_view_is_read_only(self, store: Store) -> None:
        """``view``: "a read-only look": an image that is mounted to be looked at must not change, and no layer is unpacked
        there."""
        store.make(A, files={"f": "one"})
        store.make(B, A, {"g": "two"})
        for parent, held in ((A, ["f"]), (B, ["f", "g"]), (None, [])):
            assert store.view("v", parent).layer_path is None
            with store.shown("v") as target:
                assert sorted(os.listdir(target)) == held
                for path in (target / "new", target / "f"):
                    with pytest.raises(OSError, match="Read-only"):
                        path.write_text("")
                with pytest.raises(OSError, match="Read-only"):
                    os.chmod(target, 0o700)
            assert store.names()["v"] == "view"
            store.remove("v")


class Committing:
    """``commit``, and what is committed."""

    def test_commit_takes_the_key_and_gives_a_name(self, store: Store) -> None:
        """``commit``: "immutable under a name; the key is gone afterwards", and free again."""
        store.prepare("k")
        store.write("k", {"f": "one"})
        store.commit("k", A)
        assert store.names() == {A: "committed"}
        for call in (store.mounts, lambda key: store.driver.stat(KeyRequest(key, Cancel(PATIENCE)))):
            with pytest.raises(NotFound):
                call("k")
        with store.looked_at(A) as target:
            assert (target / "f").read_text() == "one"
        store.prepare("k", A)

    def test_a_taken_name_refuses_the_second(self, store: Store) -> None:
        """``commit``: AlreadyExists where "the name is taken", "the caller then removes its key": what was committed first stays,
        and the second is still an active snapshot. Two pulls of one image end like this."""
        store.make(A, files={"f": "first"})
        store.prepare("k")
        store.write("k", {"f": "second"})
        with pytest.raises(AlreadyExists):
            store.commit("k", A)
        assert store.names() == {A: "committed", "k": "active"}
        with store.looked_at(A) as target:
            assert (target / "f").read_text() == "first"
        with store.shown("k") as target:
            assert (target / "f").read_text() == "second"

    def test_what_is_not_there_is_not_committed(self, store: Store) -> None:
        """``commit``: NotFound where there is "no such key"."""
        with pytest.raises(NotFound):
            store.commit("never", A)
        assert store.names() == {}

    def test_a_view_is_not_committed(self, store: Store) -> None:
        """``commit``: InvalidState for a view: it may show its parent's own files, which must not get a second owner."""
        store.make(A)
        store.view("v", A)
        with pytest.raises(InvalidState):
            store.commit("v", B)
        assert store.names() == {A: "committed", "v": "view"}

    def test_a_committed_snapshot_never_changes(self, store: Store) -> None:
        """"A committed snapshot never changes", whatever is done in its children: overwriting, appending, deleting, new modes and
        names. It is the layer of every image that shares it."""
        store.prepare("k")
        store.write("k", {name: name * 10 for name in ("over", "append", "gone", "mode", "moved", "d/in")})
        with store.shown("k") as target:
            os.link(target / "append", target / "linked")
        store.commit("k", A)
        before = store.tree(A)
        store.prepare("c", A)
        with store.shown("c") as target:
            (target / "over").write_text("other")
            with open(target / "append", "a", encoding="ascii") as file:
                file.write("more")
            (target / "gone").unlink()
            os.chmod(target / "mode", 0o600)
            (target / "moved").rename(target / "to")
            (target / "d/in").unlink()
            (target / "d").rmdir()
            os.utime(target / "mode", (1, 1))
            os.chmod(target, 0o700)
        store.commit("c", B)
        assert store.tree(A) == before
        store.remove(B)
        assert store.tree(A) == before

    def test_a_chain_shows_every_layer(self, store: Store) -> None:
        """Images have many layers: each adds, replaces and deletes, and the top shows the sum."""
        parent: str | None = None
        for number in range(24):
            store.prepare("k", parent)
            with store.shown("k") as target:
                (target / f"own{number}").write_text(str(number))
                (target / "top").write_text(str(number))
                if number >= 3:
                    (target / f"own{number - 3}").unlink()
            store.commit("k", chain(number))
            parent = chain(number)
        with store.looked_at(chain(23)) as target:
            assert sorted(os.listdir(target)) == ["own21", "own22", "own23", "top"]
            assert (target / "top").read_text() == "23"

    def test_layers_may_come_before_their_parents(self, store: Store) -> None:
        """``independent_layers``: "a layer may be unpacked before (or beside) its parent: the parent need then exist only at
        ``commit``". The kernel then unpacks layers in the order in which they arrive."""
        from ...images import directory, file, layer, whiteout
        from ..outcomes import not_offered

        if not store.driver.independent_layers:
            not_offered("independent layers")
        store.unpack("second", A, layer([whiteout("gone"), directory("d"), file("d/new", b"2")]))
        store.unpack("first", None, layer([file("gone"), directory("d", mode=0o700), file("d/old", b"1"), file("kept")]))
        store.commit("first", A)
        store.commit("second", B)
        with store.looked_at(B) as target:
            assert sorted(os.listdir(target)) == ["d", "kept"] and sorted(os.listdir(target / "d")) == ["new", "old"]


class Removing:
    """``remove``."""

    def test_what_is_not_there_is_removed_without_a_word(self, store: Store) -> None:
        """``remove``: "nothing there is no error": clean-up runs again after a crash, and two may run at once."""
        store.make(A)
        store.prepare("k", A)
        store.view("v", A)
        for name in ("k", "k", "v", "v", A, A, "never"):
            store.remove(name)
        assert store.names() == {}

    def test_a_removed_snapshot_is_gone(self, store: Store) -> None:
        """After ``remove`` the name is free, nobody reports it, and nothing of its content comes back."""
        store.make(A, files={"f": "old"})
        store.prepare("k", A)
        store.write("k", {"g": "old"})
        store.remove("k")
        store.remove(A)
        for call in (store.driver.stat, store.driver.usage, store.driver.layer):
            for name in (A, "k"):
                with pytest.raises(NotFound):
                    call(KeyRequest(name, Cancel(PATIENCE)))
        store.prepare("k")
        with store.shown("k") as target:
            assert os.listdir(target) == []
        store.commit("k", A)

    @pytest.mark.parametrize("child", ["committed", "active", "view"])
    def test_a_parent_is_not_removed(self, store: Store, child: str) -> None:
        """``remove``: InvalidState for "a committed snapshot that others have as parent", and it is as it was: an image's layer
        must not go below a container."""
        store.make(A, files={"f": "held"})
        before = store.tree(A)
        if child == "committed":
            store.make(B, A)
        else:
            (store.prepare if child == "active" else store.view)(B, A)
        with pytest.raises(InvalidState):
            store.remove(A)
        assert set(store.names()) == {A, B} and store.tree(A) == before
        store.remove(B)
        store.remove(A)
        assert store.names() == {}


def _undated(target: object) -> dict[str, object]:
    found: dict[str, object] = dict(read_tree(str(target)))
    found["."] = read_tree(str(target))["."]._replace(mtime=0, links=())
    return found


def _undated_tree(store: Store, name: str) -> dict[str, object]:
    with store.looked_at(name) as target:
        return _undated(target)
