"""Storage drivers that break one promise each, and the kit's tests that must see it. Run by test_broken.py; not collected by itself."""

from __future__ import annotations

import os
import stat
import time

import pytest

from conman_kernel.errors import AlreadyExists, InvalidState, NotFound
from conman_kernel.slots.provider import NoOptions, provider
from conman_kernel.slots.storage import API, KeyRequest, Mount, PrepareRequest, Usage, Whiteouts
from conman_kernel.support.snapshots import FolderDriver
from conman_kernel.testing.folder_storage import FolderStorage
from conman_kernel.testing.kits import StorageContract

KIT = StorageContract


class RootOf0700(FolderStorage):
    """An empty snapshot's root is private."""

    def prepare(self, request):
        made = super().prepare(request)
        if request.parent is None and made.layer_path:
            os.chmod(made.layer_path, 0o700)
        return made


class ForgetsItsParent(FolderStorage):
    """A child is empty."""

    def prepare(self, request):
        return super().prepare(request._replace(parent=None))


class TakesAKeyTwice(FolderStorage):
    """The second one throws the first away."""

    def prepare(self, request):
        try:
            return super().prepare(request)
        except AlreadyExists:
            super().remove(request)
            return super().prepare(request)


class WritableViews(FolderStorage):
    """A view is mounted for writing."""

    def mounts(self, request):
        return tuple(Mount(m.type, m.source, tuple("rw" if o == "ro" else o for o in m.options)) for m in super().mounts(request))


class KeepsTheKey(FolderStorage):
    """After a commit the key is there, too."""

    def commit(self, request):
        parent = self.stat(request).parent
        super().commit(request)
        super().prepare(type(self.prepared[0])(request.key, parent, request.cancel))


class ReplacesNames(FolderStorage):
    """The last commit of a name wins."""

    def commit(self, request):
        try:
            super().commit(request)
        except AlreadyExists:
            super().remove(request._replace(key=request.name))
            super().commit(request)


class SharesTrees(FolderStorage):
    """Children write into their parents."""

    def mounts(self, request):
        parent = self.stat(request).parent
        source = str(self.tree(parent)) if parent else super().mounts(request)[0].source
        return (Mount("bind", source, ("bind", "ro" if self.stat(request).kind == "view" else "rw")),)


class RemoveIsStrict(FolderStorage):
    """Nothing there is an error."""

    def remove(self, request):
        self.stat(request)
        super().remove(request)


class RemovesParents(FolderStorage):
    """A parent goes below its children."""

    def remove(self, request):
        try:
            super().remove(request)
        except InvalidState:
            import shutil

            shutil.rmtree(self.tree(request.key).parent)


class WalkTellsHalf(FolderStorage):
    """Views are not told."""

    def walk(self, cancel):
        return (info for info in super().walk(cancel) if info.kind != "view")


class ParentlessStat(FolderStorage):
    """The parent is not told, and the time is none."""

    def stat(self, request):
        return super().stat(request)._replace(parent=None, created=0.0)


class ConstantUsage(FolderStorage):
    """Everything takes a page."""

    def usage(self, request):
        self.stat(request)
        return Usage(4096, 1)


class LazyLiar(FolderStorage):
    """It holds every layer, it says."""

    def acquire(self, request):
        return True


class Leaks(FolderStorage):
    """A descriptor stays open for each object."""

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self.kept = os.open("/dev/null", os.O_RDONLY)


class Prints(FolderStorage):
    """It tells what it does."""

    def prepare(self, request):
        os.write(1, b"preparing\n")
        return super().prepare(request)


class WritesElsewhere(FolderStorage):
    """A file lies beside its state."""

    def prepare(self, request):
        made = super().prepare(request)
        open(os.path.join(os.path.dirname(self._places.folder), "..", "note"), "w").close()
        return made


class DeafToTokens(FolderStorage):
    """It goes on for seconds, whatever the token says."""

    def prepare(self, request):
        end = time.monotonic() + (3 if request.cancel.cancelled else 0)
        while time.monotonic() < end:
            os.listdir("/")
        return super().prepare(request)


class RaisesKeyError(FolderStorage):
    """What is not there is an error of Python's."""

    def mounts(self, request):
        try:
            return super().mounts(request)
        except NotFound:
            raise KeyError(request.key) from None


class CommitsInTwoSteps(FolderStorage):
    """It empties the tree's folder of what is in it, and puts it back: a crash between the two loses it."""

    def commit(self, request):
        tree = self.layer(request)
        for name in os.listdir(tree):
            os.rename(f"{tree}/{name}", f"{tree}/../{name}.moved")
        for name in [n for n in os.listdir(f"{tree}/..") if n.endswith(".moved")]:
            os.rename(f"{tree}/../{name}", f"{tree}/{name[:-6]}")
        FolderDriver.commit(self, request)


class IgnoresWhiteouts(FolderStorage):
    """What deletes is taken for what is: the form is the other one than it says."""

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self.whiteouts = Whiteouts.OVERLAY


class CommitsViews(FolderStorage):
    """A view becomes a snapshot of its own."""

    def view(self, request):
        return super().prepare(request)


class CommitsNothing(FolderStorage):
    """What is not there is committed without a word."""

    def commit(self, request):
        try:
            super().commit(request)
        except NotFound:
            return


class NamesAreKeys(FolderStorage):
    """A committed name can be prepared: the committed one goes."""

    def prepare(self, request):
        super().remove(_key(request))
        return super().prepare(request)


class MakesUpParents(FolderStorage):
    """A parent that is not there is taken for an empty one."""

    def prepare(self, request):
        try:
            return super().prepare(request)
        except NotFound:
            return super().prepare(request._replace(parent=None))


class LayerOfNothing(FolderStorage):
    """``layer`` answers with a folder that is none."""

    def layer(self, request):
        return "/nonexistent"


class Undecided(FolderStorage):
    """Independent, and whiteouts applied: it cannot be both."""

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self.independent_layers = True


class ForgetsAtUnmount(FolderStorage):
    """Each mount begins with the parent's tree."""

    def mounts(self, request):
        info = self.stat(request)
        if info.kind == "active" and info.parent:
            self.remove(request)
            self.prepare(PrepareRequest(request.key, info.parent, request.cancel))
        return super().mounts(request)


class PathsForKeys(FolderStorage):
    """A key becomes a path."""

    def prepare(self, request):
        os.makedirs(f"{os.path.dirname(self._places.folder)}/keys/{request.key}", exist_ok=True)
        return super().prepare(request)


class ShallowCopies(FolderStorage):
    """It finds no room for what a system call cannot name, and drops attributes."""

    def prepare(self, request):
        import shutil

        made = super().prepare(request._replace(parent=None))
        if request.parent and made.layer_path:
            shutil.copytree(self.tree(request.parent), made.layer_path, symlinks=True, dirs_exist_ok=True,
                            copy_function=shutil.copyfile, ignore=lambda folder, names: [n for n in names if not _plain(folder, n)])
        return made


class QuietLeftovers(FolderStorage):
    """It tells of nothing that a crash left."""

    def leftovers(self, request):
        return ()


def _key(request):
    return KeyRequest(request.key, request.cancel)


def _plain(folder, name):
    return stat.S_IFMT(os.lstat(os.path.join(folder, name)).st_mode) in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)


TABLE: dict[type[FolderStorage], tuple[str, ...]] = {
    RootOf0700: ("test_a_new_snapshot_is_empty_and_roots",),
    ForgetsItsParent: ("test_a_prepared_tree_equals_its_parents", "test_a_chain_shows_every_layer"),
    TakesAKeyTwice: ("test_a_taken_key_is_refused",),
    WritableViews: ("test_a_view_is_read_only",),
    KeepsTheKey: ("test_commit_takes_the_key_and_gives_a_name",),
    ReplacesNames: ("test_a_taken_name_refuses_the_second", "test_one_of_many_wins_a_name"),
    SharesTrees: ("test_snapshots_of_one_parent_share_nothing", "test_a_committed_snapshot_never_changes"),
    RemoveIsStrict: ("test_what_is_not_there_is_removed_without_a_word",),
    RemovesParents: ("test_a_parent_is_not_removed",),
    WalkTellsHalf: ("test_walk_tells_every_snapshot_once",),
    ParentlessStat: ("test_stat_tells_parent_kind_and_age",),
    ConstantUsage: ("test_usage_counts_what_a_snapshot_takes",),
    LazyLiar: ("test_acquire_keeps_its_word",),
    Leaks: ("test_close_gives_everything_back_and_may_be_called_twice",),
    Prints: ("test_it_prints_nothing",),
    WritesElsewhere: ("test_nothing_outside_its_folders_is_written",),
    DeafToTokens: ("test_a_token_that_has_fired_ends_the_call[cancelled-prepare]",),
    RaisesKeyError: ("test_mounts_may_be_asked_twice_and_change_nothing", "test_commit_takes_the_key_and_gives_a_name"),
    CommitsInTwoSteps: ("test_killed_in_the_middle_it_is_whole_or_absent[commit]",),
    IgnoresWhiteouts: ("test_whiteouts_delete", "test_opaque_folders_hide_what_lies_below", "test_hostile_layers_end_as_they_must",),
    CommitsViews: ("test_a_view_is_not_committed",),
    CommitsNothing: ("test_what_is_not_there_is_not_committed",),
    NamesAreKeys: ("test_a_committed_name_is_no_new_key",),
    MakesUpParents: ("test_a_missing_parent_is_not_found",),
    LayerOfNothing: ("test_layer_shows_what_a_snapshot_holds", "test_a_removed_snapshot_is_gone",),
    Undecided: ("test_the_driver_says_what_it_is",),
    ForgetsAtUnmount: ("test_what_is_written_is_there_after_the_unmount",),
    PathsForKeys: ("test_odd_keys_stay_inside",),
    ShallowCopies: ("test_every_kind_of_entry_is_kept", "test_what_a_container_makes_is_kept", "test_a_deep_tree_is_kept_and_removed",),
    QuietLeftovers: ("test_what_a_crash_left_is_told_and_cleared",),
}
"""A broken driver, and the tests that must fail on it."""

NOT_SHOWN = ()
"""Tests of the kit for which no broken driver is here yet."""


def contract(broken):
    class Broken(StorageContract):
        @pytest.fixture
        def provider(self):
            return provider(api=API, summary="broken", options=NoOptions, open=lambda context: broken(context.state_dir))

    return Broken


for one in TABLE:
    globals()[f"Test{one.__name__}"] = contract(one)
