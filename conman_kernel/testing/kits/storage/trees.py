"""What lies in a snapshot: every kind of entry, every kind of deletion, big, deep and oddly named trees, hostile layers."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path
from typing import Iterator

import pytest

from ....cancel import Cancel
from ....errors import ConmanError, InvalidInput, Unavailable
from ....slots.storage import KeyRequest
from ....worker.client import Worker
from ...hostile import links, names, nodes
from ...hostile.cases import Accepted, Case, What, d, f, s
from ...hostile.verdicts import disagreements
from ...images import Entry, device, directory, fifo, file, hardlink, layer, opaque, symlink, whiteout
from ...trees import read_tree
from .bench import PATIENCE, Store, chain

A, B, C = chain(0xA), chain(0xB), chain(0xC)
_CAPABILITY = b"\1\0\0\2\0\4\0\0" + bytes(12)

NAMES = ("a\nb", "a\\b", "a:b", "a,b", "a b", "-rf", "*", "~", "é", "\udcff\udcfe", "n" * 255, ".wh", "'\"`$(x)")
"""Names that a file may have, and that programs get wrong."""

HOSTILE = [*names.CASES, *links.CASES, *nodes.CASES]


class Trees:
    """Trees are kept as they are."""

    def test_every_kind_of_entry_is_kept(self, store: Store) -> None:
        """An image holds more than files: owners, special modes, times, extended attributes, capabilities, hard links, symlinks,
        devices and FIFOs. All of it is there in the committed snapshot, and in a child of it."""
        store.layer(A, None, layer(_everything(_keeps_user_attributes(store.state))))
        wanted = store.tree(A)
        assert wanted["bin/su"].mode == 0o4755 and wanted["bin/su"].links == ("bin/login", "bin/su")
        assert dict(wanted["bin/ping"].xattrs)["security.capability"] == _CAPABILITY
        assert wanted["dev/null"].device == (1, 3) and wanted["dev/sda"].kind == "block" and wanted["run/pipe"].kind == "fifo"
        assert (wanted["home/f"].uid, wanted["home/f"].gid, wanted["home/f"].mtime) == (1000, 50, 1_234_567_890 * 10**9)
        assert wanted["lib"].target == "usr/lib" and wanted["tmp"].mode == 0o1777 and wanted["home"].mode == 0o2750
        store.prepare("k", A)
        with store.shown("k") as target:
            (target / "new").touch()
            found = read_tree(str(target))
        del found["new"]
        assert {**found, ".": None} == {**wanted, ".": None}

    def test_what_a_container_makes_is_kept(self, store: Store) -> None:
        """The same, written through the mount: sockets, holes, attributes and links too. ``commit`` and the next start find
        them."""
        store.make(A, files={"f": "one"})
        store.prepare("k", A)
        with store.shown("k") as target:
            os.mknod(target / "null", 0o600 | 0o020000, os.makedev(1, 3))
            os.mkfifo(target / "p")
            os.link(target / "f", target / "g")
            os.symlink("nowhere", target / "s")
            os.setxattr(target / "f", "security.capability", _CAPABILITY)
            os.setxattr(target, "trusted.kit", b"root")
            with open(target / "holes", "wb") as sparse:
                sparse.truncate(64 << 20)
                sparse.seek(32 << 20)
                sparse.write(b"middle")
            os.chown(target / "s", 7, 8, follow_symlinks=False)
            os.utime(target / "f", ns=(5, 123_456_789))
            wanted = read_tree(str(target))
        store.commit("k", B)
        assert store.tree(B) == wanted
        store.prepare("child", B)
        with store.shown("child") as target:
            assert {**read_tree(str(target)), ".": None} == {**wanted, ".": None}
            assert os.stat(target / "holes").st_blocks * 512 < 16 << 20, "holes were filled with zeros"

    def test_whiteouts_delete(self, store: Store) -> None:
        """A layer deletes files, folders and links of those below, and may make them anew: in the form of the driver, whichever
        it is (OCI image-spec, layer.md, whiteouts)."""
        store.layer(A, None, layer([file("f"), directory("d"), file("d/x"), symlink("s", "f"), file("back", b"1"), directory("e"),
                                    file("e/y"), file("kept", b"1")]))
        store.layer(B, A, layer([whiteout("f"), whiteout("d"), whiteout("s"), whiteout("back"), directory("e"), whiteout("e/y")]))
        store.layer(C, B, layer([file("back", b"3"), directory("d"), file("d/z", b"3"), file("f", b"3")]))
        _agree(store, B, {"e": d(), "kept": f(b"1")})
        _agree(store, C, {"e": d(), "kept": f(b"1"), "back": f(b"3"), "d": d(), "d/z": f(b"3"), "f": f(b"3")})
        _agree(store, A, {"f": f(), "d": d(), "d/x": f(), "s": s("f"), "back": f(b"1"), "e": d(), "e/y": f(),
                          "kept": f(b"1")})

    def test_opaque_folders_hide_what_lies_below(self, store: Store) -> None:
        """An opaque whiteout empties a folder of all below, whatever the order in the layer, and layers above add to it again."""
        store.layer(A, None, layer([directory("d", mode=0o700), file("d/x"), directory("d/e"), file("d/e/y"), file("kept")]))
        store.layer(B, A, layer([directory("d", mode=0o711), file("d/new", b"2"), opaque("d")]))
        store.layer(C, B, layer([directory("d"), file("d/more", b"3")]))
        _agree(store, B, {"d": d(0o711), "d/new": f(b"2"), "kept": f()})
        _agree(store, C, {"d": d(0o755), "d/new": f(b"2"), "d/more": f(b"3"), "kept": f()})

    def test_a_container_deletes_what_its_image_has(self, store: Store) -> None:
        """Deletions through the mount are kept after a commit: files, whole folders, a folder made anew that is empty then, a
        file in place of a folder and the other way round."""
        store.make(A, files={"f": "1", "d/x": "1", "e/y": "1", "swap/in": "1", "file": "1", "kept": "1"})
        store.prepare("k", A)
        with store.shown("k") as target:
            (target / "f").unlink()
            for folder, inner in (("d", "x"), ("e", "y"), ("swap", "in")):
                (target / folder / inner).unlink()
                (target / folder).rmdir()
            (target / "e").mkdir()
            (target / "swap").write_text("now a file")
            (target / "file").unlink()
            (target / "file").mkdir()
        store.commit("k", B)
        _agree(store, B, {"e": d(), "swap": f(b"now a file"), "file": d(), "kept": f(b"1")})
        store.make(C, B, {"e/again": "3"})
        _agree(store, C, {"e": d(), "e/again": f(b"3"), "swap": f(b"now a file"), "file": d(), "kept": f(b"1")})

    def test_odd_names_are_names(self, store: Store) -> None:
        """Line ends, commas, bytes that are no UTF-8, 255 bytes: an image may hold any of them."""
        store.make(A, files={name: name.encode(errors="surrogateescape").hex() for name in NAMES})
        store.make(B, A, {"dir/" + name: "2" for name in NAMES})
        with store.looked_at(B) as target:
            assert sorted(os.listdir(target)) == sorted([*NAMES, "dir"]) and sorted(os.listdir(target / "dir")) == sorted(NAMES)
            assert all((target / name).read_text() == name.encode(errors="surrogateescape").hex() for name in NAMES)

    def test_a_deep_tree_is_kept_and_removed(self, store: Store) -> None:
        """A container can nest folders so deeply that no path of its bottom fits a system call (4096 bytes): that must keep
        nobody from copying, measuring or removing it."""
        store.prepare("k")
        with store.shown("k") as target, _nested(target, 200) as bottom:
            os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, dir_fd=bottom))
        assert store.driver.usage(KeyRequest("k", Cancel(PATIENCE))).inodes >= 200
        store.commit("k", A)
        store.prepare("child", A)
        with store.shown("child") as target, _nested(target, 200, make=False) as bottom:
            assert os.listdir(bottom) == ["bottom"]
        store.remove("child")
        store.remove(A)
        assert store.names() == {}

    def test_a_big_tree_is_kept(self, store: Store) -> None:
        """Some thousand files in some hundred folders: what is right for three files must be so for an image."""
        blob = layer([entry for number in range(100) for entry in _folder(number, 20)], compress=False)
        store.layer(A, None, blob)
        store.prepare("k", A)
        with store.shown("k") as target:
            found = read_tree(str(target), content=False)
            assert len(found) == 1 + 100 * 21
            assert (target / "d42/f7").read_bytes() == b"42/7" * 50
            (target / "d42/f7").unlink()
        store.commit("k", B)
        with store.looked_at(A) as target:
            assert (target / "d42/f7").exists()
        with store.looked_at(B) as target:
            assert len(os.listdir(target / "d42")) == 19

    @pytest.mark.parametrize("name", ["a:b", "a,b", "a\\b", "a b", "é"])
    def test_the_state_folder_may_have_any_name(self, store: Store, name: str) -> None:
        """``--root`` is the user's choice: characters that mean something in mount options must not break a mount."""
        context = store.context
        state = store.state.parent / name
        renamed = type(context)(name=context.name, options=context.options, state_dir=str(state), run_dir=f"{state}-run",
                                log=context.log)
        other = Store(store.provider, renamed, store.scratch)
        other.make(A, files={"f": "1"})
        other.make(B, A, {"g": "2"})
        other.prepare("k", B)
        with other.shown("k") as target:
            assert sorted(os.listdir(target)) == ["f", "g"]
            (target / "h").touch()
        other.clear()
        other.close()


class Hostile:
    """What came with an image, or as a key, is hostile until it is shown to be none."""

    def test_hostile_layers_end_as_they_must(self, store: Store) -> None:
        """Layers that try to write beside the tree, through links, over devices, with names that are none: each ends as the tree
        that its case says, or is refused, by the kernel's worker in the folder (or on the mounts) that the driver gave it, and
        the driver removes what is left."""
        with Worker().kept() as worker:
            wrong = [line for case in HOSTILE for line in _run(store, case, worker)]
        assert wrong == [], "\n".join(wrong)
        assert store.names() == {}

    @pytest.mark.parametrize("key", ["../out", "/abs", "a/b", ".", "..", "", "a\nb", "é" * 40, "k" * 300, "-rf", "s", "lock",
                                     "trash"])
    def test_odd_keys_stay_inside(self, store: Store, key: str) -> None:
        """A key names a snapshot, never a place: whatever its characters, it works or is InvalidInput, and nothing is written
        outside of ``state_dir``."""
        before = _listing(store.state.parent)
        try:
            store.prepare(key)
        except InvalidInput:
            assert store.names() == {}
        else:
            store.write(key, {"f": "1"})
            assert store.names() == {key: "active"}
            store.prepare("other")
            store.remove(key)
            assert store.names() == {"other": "active"}
        assert _listing(store.state.parent) - {"state", "state-run"} == before - {"state", "state-run"}

    def test_a_full_disk_is_unavailable(self, store: Store) -> None:
        """A disk that is full gives :class:`Unavailable`, not OSError: the person reads one line. What was half made is not
        reported, and is removed when there is room again."""
        from ....mounts import mount_all, unmount
        from ....slots.storage import Mount
        from ..outcomes import not_offered

        small = store.scratch / "small"
        small.mkdir()
        mount_all([Mount("tmpfs", "tmpfs", ("size=16m", "mode=0700"))], str(small))
        try:
            context = type(store.context)(name="kit", options=store.context.options, state_dir=f"{small}/state",
                                          run_dir=f"{small}/run", log=store.context.log)
            if store.provider.probe(context) is not None:
                not_offered("work on tmpfs, where the kit fills a disk")
            _fill(Store(store.provider, context, store.scratch), small)
        finally:
            unmount(str(small))


def _fill(store: Store, disk: Path) -> None:
    store.make(A, files={"f": "1" * 300_000})
    with pytest.raises(OSError, match="No space left"), open(disk / "filler", "wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))
    failed = 0
    for number in range(200):
        try:
            store.prepare(f"k{number}", A)
        except Unavailable:
            failed += 1
            assert f"k{number}" not in store.names()
            if failed == 3:
                break
    (disk / "filler").unlink()
    store.prepare("again", A)
    with store.shown("again") as target:
        assert (target / "f").stat().st_size == 300_000
    store.clear()
    store.close()


def _run(store: Store, case: Case, worker: Worker) -> Iterator[str]:
    parents: list[str] = []
    try:
        for number, made in enumerate(case.built()):
            name = chain(1000 + number)
            store.layer(name, parents[-1] if parents else None, made.blob, worker=worker, key="hostile")
            parents.append(name)
        if not isinstance(case.verdict, Accepted):
            yield f"{case.name}: was to be refused as {case.verdict.error.__name__}"
        else:
            with store.looked_at(parents[-1]) as target:
                yield from (f"{case.name}: {line}" for line in disagreements(str(target), case.verdict.tree))
    except ConmanError as error:
        if isinstance(case.verdict, Accepted) or not isinstance(error, case.verdict.error):
            yield f"{case.name}: {type(error).__name__}: {error}"
    store.remove("hostile")
    for name in reversed(parents):
        store.remove(name)


def _agree(store: Store, name: str, wanted: dict[str, What]) -> None:
    with store.looked_at(name) as target:
        assert disagreements(str(target), wanted) == []


def _listing(folder: Path) -> set[str]:
    return set(os.listdir(folder)) | {f"../{name}" for name in os.listdir(folder.parent)}


def _folder(number: int, files: int) -> list[Entry]:
    return [directory(f"d{number}"), *(file(f"d{number}/f{index}", b"%d/%d" % (number, index) * 50) for index in range(files))]


class _nested:
    """The descriptor of a folder below many others."""

    def __init__(self, top: Path, depth: int, *, make: bool = True) -> None:
        self._top, self._depth, self._make = top, depth, make
        self._fd = -1

    def __enter__(self) -> int:
        self._fd = os.open(self._top, os.O_RDONLY | os.O_DIRECTORY)
        for _ in range(self._depth):
            if self._make:
                os.mkdir("d" * 50, dir_fd=self._fd)
            inner = os.open("d" * 50, os.O_RDONLY | os.O_DIRECTORY, dir_fd=self._fd)
            os.close(self._fd)
            self._fd = inner
        return self._fd

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def _keeps_user_attributes(folder: Path) -> bool:
    while not folder.exists():
        folder = folder.parent
    try:
        os.setxattr(folder, "user.kit", b"1")
        os.removexattr(folder, "user.kit")
    except OSError:
        return False
    return True


def _everything(user: bool) -> list[Entry]:
    xattrs = (("user.note", b"n\0\xff"),) if user else ()
    return [
        directory("bin"), file("bin/su", b"#!" * 900, mode=0o4755), hardlink("bin/login", "bin/su"),
        file("bin/ping", b"p", mode=0o755)._replace(xattrs=(("security.capability", _CAPABILITY), *xattrs)),
        directory("usr"), directory("usr/lib")._replace(xattrs=xattrs), symlink("lib", "usr/lib"),
        file("usr/lib/a.so", b"a" * 5000), directory("dev"), device("dev/null", 1, 3),
        device("dev/sda", 8, 0, block=True, mode=0o660), directory("run"),
        fifo("run/pipe", mode=0o622), directory("tmp", mode=0o1777), directory("home", mode=0o2750, uid=1000, gid=50),
        Entry("home/f", tarfile.REGTYPE, 0o640, b"mine", uid=1000, gid=50, mtime=1_234_567_890), file("empty", mode=0o000),
        symlink("dangling", "/no/where"), symlink("up", "../../../etc/passwd"),
    ]
