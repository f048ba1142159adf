"""The kernel's own checks of the store: its folders, the room it has, the index, what killed commands have left."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Iterator

from ..cancel import Cancel
from ..images import leases
from ..processes import alive, boot_id
from ..slots.doctor import Finding

if TYPE_CHECKING:
    from .examine import Subject

LITTLE = 1 << 30
"""Bytes of free room below which a pull is likely to fail."""

_GONE_WITH_A_REBOOT = ("tmpfs", "ramfs")
_WRITES_BACK = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs")


def folders(subject: Subject, cancel: Cancel) -> Iterator[Finding]:
    """Root and run root: two folders, apart, nobody else's."""
    root, run_root = subject.layout.root, subject.layout.run_root
    real, real_run = os.path.realpath(subject.host.path(root)), os.path.realpath(subject.host.path(run_root))
    if real == real_run:
        yield Finding("error", root, "root and run_root are one folder: what a reboot clears and what lasts get into each "
                      "other's way",
                      "set run_root to a folder of its own on a tmpfs, such as /run/conman")
    elif real.startswith(real_run + "/") or real_run.startswith(real + "/"):
        yield Finding("error", run_root, f"root ({root}) and run_root lie within each other: clearing one takes the other along",
                      "set run_root to a folder of its own on a tmpfs, such as /run/conman")
    for path in dict.fromkeys((root, run_root)):
        yield from _folder(subject, path)
    kind = subject.host.file_system(run_root)
    if kind and kind not in _GONE_WITH_A_REBOOT:
        yield Finding("note", run_root, f"run_root lies on {kind}, which outlives a reboot: what a reboot should clear is "
                      f"found by "
                      "the boot id instead", "put run_root on a tmpfs")
    kind = subject.host.file_system(root)
    if kind in _GONE_WITH_A_REBOOT:
        yield Finding("note", root, f"root lies on {kind}: images and containers are gone with a reboot, and take memory "
                      f"until then")
    if kind in _WRITES_BACK:
        yield Finding("warning", root, f"root lies on {kind}: locks and SQLite's index are not safe there with other hosts",
                      "put root on a local disk")


def _folder(subject: Subject, path: str) -> Iterator[Finding]:
    state = subject.host.stat(path)
    if state is None:
        above = subject.host.nearest(path)
        if not os.access(subject.host.path(above), os.W_OK):
            yield Finding("error", path, f"it does not exist, and cannot be made in {above}",
                          "make it, or choose another with --root and --run-root")
        return
    if not stat.S_ISDIR(state.st_mode):
        yield Finding("error", path, "it is no folder", "move it away, or choose another with --root and --run-root")
        return
    if state.st_uid != subject.host.uid:
        yield Finding("error", path, f"it belongs to user {state.st_uid}, who can exchange everything in it",
                      f"chown {subject.host.uid} {path}")
    if state.st_mode & 0o022:
        yield Finding("error", path, f"others can write it (mode {stat.S_IMODE(state.st_mode):o}), and so choose what root runs",
                      f"chmod 700 {path}")
    elif state.st_mode & 0o077:
        yield Finding("warning", path, f"others can look into it (mode {stat.S_IMODE(state.st_mode):o}): set-user-id programs of "
                      "images are within their reach", f"chmod 700 {path}")


def room(subject: Subject, cancel: Cancel) -> Iterator[Finding]:
    """Free bytes and inodes."""
    for path, what in ((subject.layout.root, "the next pull"), (subject.layout.run_root, "the next start")):
        space = subject.host.space(path)
        if space is None:
            continue
        if space.size and (space.free == 0 or (path == subject.layout.root and space.free < LITTLE)):
            yield Finding("warning", path, f"{space.free >> 20} MiB of {space.size >> 20} are free: {what} may fail",
                          "conman system df shows what takes it, conman system prune gives it back")
        if space.inodes and space.free_inodes * 100 < space.inodes:
            yield Finding("warning", path, f"{space.free_inodes} of {space.inodes} inodes are free: {what} may fail, with "
                          f"bytes left",
                          "conman system prune, or a file system with more inodes")


def index(subject: Subject, cancel: Cancel) -> Iterator[Finding]:
    """The index can be read, is of a known schema, and sound as far as a quick look tells."""
    if not subject.host.exists(subject.layout.index):
        return
    with subject.index.read() as db:
        wrong = [str(row[0]) for row in db.execute("PRAGMA quick_check(5)") if row[0] != "ok"]
    if wrong:
        yield Finding("error", subject.layout.index, f"the index is damaged: {'; '.join(wrong)[:200]}", "conman system check "
                      "--repair")


def leftovers(subject: Subject, cancel: Cancel) -> Iterator[Finding]:
    """What killed commands have left: rows and leases that nobody upholds."""
    if not subject.host.exists(subject.layout.index):
        return
    with subject.index.read() as db:
        dead = leases.dead(db)
        rows = db.execute("SELECT name, state, owner_pid, owner_start, pid, pid_start, shim_pid, shim_start, boot_id FROM "
                          "containers "
                          "WHERE state NOT IN ('created', 'exited')").fetchall()
    if dead:
        yield Finding("note", "leases", f"{len(dead)} of killed commands ({'; '.join(sorted(set(dead.values())))[:120]})",
                      "the next pull or prune clears them; conman system check tells more")
    now = boot_id()
    stale = [row[0] for row in rows if row[8] != now or not any(alive(row[n], row[n + 1]) for n in (2, 4, 6) if row[n])]
    if stale:
        yield Finding("note", "containers", f"nobody guards {', '.join(sorted(stale)[:5])}{' ...' if len(stale) > 5 else ''} "
                      f"any more",
                      "the next conman ps settles them; conman system check tells more")
    stray = [name for name in subject.host.names(subject.layout.ingest) if not name.startswith(".")]
    if stray:
        yield Finding("note", subject.layout.ingest, f"{len(stray)} partial downloads", "the next pull goes on with them; "
                      "conman system prune removes those that nobody is at work on")


CHECKS = (("folders", folders), ("room", room), ("index", index), ("leftovers", leftovers))
"""In the order in which they are told."""
