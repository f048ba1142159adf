"""Where a driver's snapshots lie and what is known of each: a folder apiece, whole once its ``meta`` is there.

::

    state_dir/lock                flock: shared by who adds a child, exclusive for who removes a parent
    state_dir/s/a<id>/{meta,...}  an active snapshot (or view); <id> is made from the key
    state_dir/s/c<id>/{meta,...}  a committed one; <id> is made from the name
    state_dir/trash/              renamed out of sight, being deleted

What else lies in a snapshot's folder is its driver's affair. ``meta`` is written aside and renamed, last of all; a folder
without it is half made: it is not reported, and is cleared when its key is used again or removed. Ids are short, as overlayfs
takes one page of folder names.
"""

from __future__ import annotations

import fcntl
import json
import os
from typing import Collection, Literal

from ..cancel import Cancel
from ..errors import AlreadyExists, InvalidState, NotFound, Unavailable
from ..record import Record

_ID = 20
_HEX = frozenset("0123456789abcdef")
_RETRY = 0.01


class Meta(Record):
    """What is known of a snapshot.

    :param key: its key while active.
    :param name: its name once committed, else ``""``. A commit that was killed halfway has written it, too: whether a snapshot is
        committed, :func:`is_committed` says of its folder, and never this.
    :param parent: the name of its parent, or None.
    :param view: it is read-only.
    :param created: seconds since the epoch.
    :param chain: ids (:func:`short`) of its ancestors, nearest first; None while the parent is not committed.
    """

    key: str
    name: str
    parent: str | None
    view: bool
    created: float
    chain: tuple[str, ...] | None = ()


class Place(Record):
    """Where one snapshot lies, as a form is handed it.

    :param folder: the snapshot's own folder, 0700; a form may keep more in it.
    :param tree: the folder of its files, in ``folder``. A view of a parent has none.
    :param view: it is a view.
    :param parent: the name of its parent, or None.
    :param lower: the trees of its ancestors, nearest first; None while the parent is not committed, which can only be
        where the form's layers are independent.
    """

    folder: str
    tree: str
    view: bool
    parent: str | None
    lower: tuple[str, ...] | None


def short(name: str) -> str:
    """A short folder name for a key or chainID; digests and container ids keep their first 80 bits."""
    text = name[7:] if name.startswith("sha256:") else name
    if len(text) == 64 and _HEX.issuperset(text):
        return text[:_ID]
    from hashlib import blake2b

    return blake2b(name.encode(), digest_size=_ID // 2).hexdigest()


def empty_tree(path: str) -> None:
    """Make the tree of a snapshot without a parent, or the one that a copy of its parent goes into: an empty folder, 0755
    root:root, of the epoch.

    :raises OSError: it cannot be made, or is there.
    """
    os.mkdir(path)
    os.chmod(path, 0o755)
    os.utime(path, ns=(0, 0))


def is_committed(folder: str) -> bool:
    """True for the folder of a committed snapshot. Its place says so, as ``meta`` is renewed just before the rename."""
    return os.path.basename(folder).startswith("c")


class Records:
    """The folders and their ``meta``. Safe for several processes and threads; holds nothing open.

    :param state_dir: made, 0700, with the first snapshot.
    :ivar folder: where the snapshots' folders lie.
    """

    def __init__(self, state_dir: str) -> None:
        self._state = state_dir
        self.folder = os.path.join(state_dir, "s")
        self._trash = os.path.join(state_dir, "trash")

    def active(self, key: str) -> str:
        """The folder of an active snapshot, which need not exist."""
        return f"{self.folder}/a{short(key)}"

    def committed(self, name: str) -> str:
        """The folder of a committed snapshot, which need not exist."""
        return f"{self.folder}/c{short(name)}"

    def read(self, folder: str) -> Meta | None:
        """A snapshot's ``meta``; None where it is absent or half made.

        :raises Unavailable: it cannot be read or is damaged.
        """
        try:
            with open(folder + "/meta", "rb") as file:
                data = json.loads(file.read())
            if data.get("chain") is not None:
                data["chain"] = tuple(data["chain"])
            return Meta(**data)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise Unavailable(f"cannot read the record of snapshot {folder}: {error}") from error

    def write(self, folder: str, meta: Meta) -> None:
        """Write a snapshot's ``meta``, whole or not at all."""
        fd = os.open(folder + "/meta.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            data = json.dumps(meta._asdict()).encode()
            while data:
                data = data[os.write(fd, data):]
        finally:
            os.close(fd)
        os.rename(folder + "/meta.new", folder + "/meta")

    def find(self, name: str) -> tuple[str, Meta]:
        """Folder and record of the snapshot with this key or name.

        :raises NotFound: there is none.
        """
        for folder in (self.active(name), self.committed(name)):
            meta = self.read(folder)
            if meta is not None and name == (meta.name if is_committed(folder) else meta.key):
                return folder, meta
        raise NotFound(f"no snapshot {name}")

    def find_active(self, key: str) -> tuple[str, Meta]:
        """As :meth:`find`, for active snapshots and views alone."""
        folder = self.active(key)
        meta = self.read(folder)
        if meta is None or meta.key != key:
            raise NotFound(f"no active snapshot {key}", hint="conman system check tells what became of it")
        return folder, meta

    def chain(self, name: str | None) -> tuple[str, ...] | None:
        """Ids from the committed snapshot ``name`` down to the first layer, ``()`` for None; None where it is not there."""
        if name is None:
            return ()
        meta = self.read(self.committed(name))
        if meta is None or meta.name != name or meta.chain is None:
            return None
        return (short(name), *meta.chain)

    def start(self, key: str) -> str:
        """Make the folder of a new active snapshot; a half-made one of that key is cleared first.

        :raises AlreadyExists: the key, or a committed snapshot of that name, is there.
        """
        folder = self.active(key)
        if self.read(self.committed(key)) is not None:
            raise AlreadyExists(f"snapshot {key} exists")
        for _ in range(2):
            try:
                os.mkdir(folder, 0o700)
                return folder
            except FileNotFoundError:
                self._make()
            except FileExistsError:
                if self.read(folder) is not None:
                    break
                self.discard(folder)
        else:
            os.mkdir(folder, 0o700)
            return folder
        raise AlreadyExists(f"snapshot {key} exists")

    def publish(self, folder: str, meta: Meta) -> None:
        """Turn the active snapshot in ``folder`` into the committed one ``meta`` describes.

        :raises AlreadyExists: there is one of that name.
        """
        target = self.committed(meta.name)
        if self.read(target) is not None:
            raise AlreadyExists(f"snapshot {meta.name} exists")
        self.write(folder, meta)
        try:
            os.rename(folder, target)
        except OSError as error:
            if not os.path.isdir(target):
                raise
            self.write(folder, meta._replace(name=""))
            raise AlreadyExists(f"snapshot {meta.name} exists") from error

    def all(self) -> list[tuple[str, Meta]]:
        """Every whole snapshot: folder and record."""
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return []
        found = ((folder, self.read(folder)) for folder in (f"{self.folder}/{name}" for name in names))
        return [(folder, meta) for folder, meta in found if meta is not None]

    def refuse_if_parent(self, name: str) -> None:
        """Call with the lock held exclusively.

        :raises InvalidState: a snapshot has ``name`` as its parent.
        """
        child = next((meta for _, meta in self.all() if meta.parent == name), None)
        if child is not None:
            raise InvalidState(f"snapshot {name} is the parent of {child.name or child.key}")

    def discard(self, folder: str) -> str:
        """Rename a folder out of sight, in one step; returns where it lies now, ``""`` where it was not there."""
        aside = f"{self._trash}/{os.path.basename(folder)}-{os.getpid()}-{os.urandom(4).hex()}"
        for _ in range(2):
            try:
                os.rename(folder, aside)
                return aside
            except FileNotFoundError:
                if not os.path.lexists(folder):
                    return ""
                os.makedirs(self._trash, 0o700, exist_ok=True)
        raise Unavailable(f"cannot move {folder} to {self._trash}")

    def trash(self) -> list[str]:
        """What lies out of sight and is not deleted yet, by whatever process."""
        try:
            return [f"{self._trash}/{name}" for name in os.listdir(self._trash)]
        except FileNotFoundError:
            return []

    def left(self, keep: Collection[str]) -> list[str]:
        """Folders of snapshots without a whole ``meta``, and what lies out of sight, where no living process is at work on it.

        :param keep: keys that are being made.
        """
        making = {f"a{short(key)}" for key in keep}
        try:
            names = [name for name in os.listdir(self.folder) if name not in making]
        except FileNotFoundError:
            names = []
        found = [f"{self.folder}/{name}" for name in sorted(names)]
        return [path for path in found if not self._whole(path) and os.path.lexists(path)] + [
            path for path in sorted(self.trash()) if not _remover_lives(path)]

    def _whole(self, folder: str) -> bool:
        try:
            return self.read(folder) is not None
        except Unavailable:
            return False

    def damaged(self, folder: str) -> bool:
        """True where a snapshot's ``meta`` is there and says nothing; never of what lies out of sight."""
        return os.path.dirname(folder) == self.folder and os.path.lexists(folder + "/meta") and not self._whole(folder)

    def lock(self, how: Literal["shared", "exclusive"], cancel: Cancel) -> int:
        """Take the lock; returns a descriptor to close. Tried until it is free or ``cancel`` fires."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        try:
            fd = os.open(self._state + "/lock", flags, 0o600)
        except FileNotFoundError:
            self._make()
            fd = os.open(self._state + "/lock", flags, 0o600)
        operation = fcntl.LOCK_SH if how == "shared" else fcntl.LOCK_EX
        try:
            while True:
                try:
                    fcntl.flock(fd, operation | fcntl.LOCK_NB)
                    return fd
                except BlockingIOError:
                    cancel.wait_readable(timeout=_RETRY)
        except BaseException:
            os.close(fd)
            raise

    def _make(self) -> None:
        os.makedirs(self.folder, 0o700, exist_ok=True)
        os.chmod(self._state, 0o700)


def _remover_lives(path: str) -> bool:
    # discard() put its pid into the name; one that was given to another process by now only delays the clearing.
    pid = path.rpartition("-")[0].rpartition("-")[2]
    return pid.isdigit() and os.path.exists(f"/proc/{pid}") and int(pid) != os.getpid()
