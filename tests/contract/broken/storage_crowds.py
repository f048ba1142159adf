"""Storage drivers that break a promise where there is much, many at once, or something odd. Run by test_broken.py; not collected by
itself."""

from __future__ import annotations

import os
import shutil
import threading

from conman_kernel.cancel import Cancel
from conman_kernel.errors import Cancelled, InvalidState, NotFound, Unavailable
from conman_kernel.slots.storage import KeyRequest, Mount
from conman_kernel.testing.folder_storage import FolderStorage
from conman_kernel.testing.kits import StorageContract

from .storage_drivers import contract

KIT = StorageContract


class ForgetsDeletions(FolderStorage):
    """What a container deleted is there again, empty."""

    def commit(self, request):
        parent, tree = self.stat(request).parent, self.layer(request)
        for name in set(os.listdir(self.tree(parent))) - set(os.listdir(tree)) if parent else ():
            open(f"{tree}/{name}", "w").close()
        super().commit(request)


class ReadsNamesAsText(FolderStorage):
    """What cannot be printed is no name."""

    def commit(self, request):
        tree = self.layer(request)
        for name in os.listdir(tree):
            if not name.isprintable() and os.path.isfile(f"{tree}/{name}"):
                os.unlink(f"{tree}/{name}")
        super().commit(request)


class FewNames(FolderStorage):
    """It reads a folder's first names, and there its buffer ends."""

    def prepare(self, request):
        made = super().prepare(request)
        for top, _, files in os.walk(made.layer_path or "") if request.parent else ():
            for name in sorted(files)[15:]:
                os.unlink(f"{top}/{name}")
        return made


class ColonsSeparate(FolderStorage):
    """A colon ends a path."""

    def mounts(self, request):
        return tuple(Mount(m.type, m.source.partition(":")[0], m.options) for m in super().mounts(request))


class FullDiskIsAnError(FolderStorage):
    """Of Python's, as the system said it."""

    def prepare(self, request):
        try:
            return super().prepare(request)
        except Unavailable as error:
            raise OSError(str(error)) from None


class ParentsFirst(FolderStorage):
    """Its layers are independent, it says, and asks for the parent."""

    def __init__(self, state_dir):
        super().__init__(state_dir, independent=True)

    def prepare(self, request):
        if request.parent and request.parent not in self.names("committed"):
            raise NotFound(f"there is no {request.parent}")
        return super().prepare(request)


class OneAtATime(FolderStorage):
    """Whoever finds somebody at work gives up."""

    def prepare(self, request):
        lock = f"{os.path.dirname(self._places.folder)}.lock"
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            raise Unavailable("somebody else is at work") from None
        try:
            threading.Event().wait(0.2)
            return super().prepare(request)
        finally:
            os.unlink(lock)


class ListsThenAsks(FolderStorage):
    """What goes between its list and its question is an error."""

    def walk(self, cancel):
        found = list(super().walk(cancel))
        threading.Event().wait(0.01)
        return iter([self.stat(KeyRequest(info.name, cancel)) for info in found])


class LooksThenRemoves(FolderStorage):
    """Who comes between its look at the children and its removal has no parent."""

    def remove(self, request):
        if request.key not in self.names("committed"):
            return super().remove(request)
        if any(info.parent == request.key for info in self.walk(request.cancel)):
            raise InvalidState(f"{request.key} has children")
        threading.Event().wait(0.1)
        shutil.rmtree(self.tree(request.key).parent)


class KeepsHalf(FolderStorage):
    """What was cancelled stays as it is."""

    def prepare(self, request):
        try:
            return super().prepare(request)
        except Cancelled:
            super().prepare(request._replace(parent=None, cancel=Cancel()))
            raise


TABLE: dict[type[FolderStorage], tuple[str, ...]] = {
    ForgetsDeletions: ("test_a_container_deletes_what_its_image_has",),
    ReadsNamesAsText: ("test_odd_names_are_names",),
    FewNames: ("test_a_big_tree_is_kept",),
    ColonsSeparate: ("test_the_state_folder_may_have_any_name[a:b]",),
    FullDiskIsAnError: ("test_a_full_disk_is_unavailable",),
    ParentsFirst: ("test_layers_may_come_before_their_parents",),
    OneAtATime: ("test_threads_do_not_meet", "test_processes_do_not_meet"),
    ListsThenAsks: ("test_listing_beside_changes",),
    LooksThenRemoves: ("test_a_parent_stays_or_a_child_is_refused",),
    KeepsHalf: ("test_a_token_that_fires_in_the_middle",),
}
"""A broken driver, and the tests that must fail on it."""

NOT_SHOWN = ()
"""Tests of the kit for which no broken driver is here yet."""

for one in TABLE:
    globals()[f"Test{one.__name__}"] = contract(one)
