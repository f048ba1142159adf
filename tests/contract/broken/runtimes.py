"""Runtimes that break one promise each, by a lie about runc, and the kit's tests that must see it. Run by test_broken.py; not
collected by itself."""

from __future__ import annotations

import pytest

from conman_kernel.slots.provider import NoOptions, PluginContext, provider
from conman_kernel.slots.runtime import API
from conman_kernel.testing.kits import RuntimeContract

KIT = RuntimeContract


class SoundRuntime:
    """Breaks nothing: runc."""

    def __init__(self, runc):
        self.runc = runc

    @property
    def binary(self):
        return self.runc.binary

    def commands(self, *, systemd_cgroup):
        return self.runc.commands(systemd_cgroup=systemd_cgroup)

    def exit_code(self, message):
        return self.runc.exit_code(message)

    def features(self, cancel):
        return self.runc.features(cancel)


class NoKill(SoundRuntime):
    """A command is missing that every container needs."""

    def commands(self, **how):
        return super().commands(**how)._replace(kill=())


class PlacesOfItsOwn(SoundRuntime):
    """A command has a place that nobody fills in."""

    def commands(self, **how):
        tables = super().commands(**how)
        return tables._replace(start=(*tables.start, ("--note", "{note}")))


class RelativeBinary(SoundRuntime):
    """The shim would have to search for it."""

    binary = "runc"


class TwoLines(SoundRuntime):
    """Its version is all that it prints."""

    def features(self, cancel):
        return super().features(cancel)._replace(version="1.1\ncommit: none")


class StartsAtOnce(SoundRuntime):
    """What is created runs."""

    def commands(self, **how):
        tables = super().commands(**how)
        return tables._replace(create=tables.run)


class KeepsOutput(SoundRuntime):
    """The process's output goes nowhere."""

    def commands(self, **how):
        tables = super().commands(**how)
        return tables._replace(create=_shell('exec "$@" >/dev/null', tables.create))


class DeletesAnything(SoundRuntime):
    """What runs is deleted without force."""

    def commands(self, **how):
        tables = super().commands(**how)
        return tables._replace(delete=tables.force_delete)


class ForceFails(SoundRuntime):
    """It removes by force, and says that it could not."""

    def commands(self, **how):
        tables = super().commands(**how)
        return tables._replace(force_delete=_shell('"$@"; exit 1', tables.force_delete))


class AlwaysFailed(SoundRuntime):
    """Every failure is the same."""

    def exit_code(self, message):
        return 125


class AlwaysNotFound(SoundRuntime):
    """Every failure is the command's."""

    def exit_code(self, message):
        return 127


class ExecsNothing(SoundRuntime):
    """Another process is never there."""

    def commands(self, **how):
        return super().commands(**how)._replace(exec=("/bin/true",))


class NoConsole(SoundRuntime):
    """The terminal goes to nobody."""

    def commands(self, **how):
        tables = super().commands(**how)
        return tables._replace(create=tuple(part for part in tables.create if "{console_socket}" not in part))


class RunCreates(SoundRuntime):
    """``run`` does half of it."""

    def commands(self, **how):
        tables = super().commands(**how)
        return tables._replace(run=tables.create)


class NeverPauses(SoundRuntime):
    """``pause`` and ``resume`` do nothing, with success."""

    def commands(self, **how):
        return super().commands(**how)._replace(pause=("/bin/true",), resume=("/bin/true",))


class NoFilter(SoundRuntime):
    """It declares seccomp and takes the profile out."""

    def commands(self, **how):
        tables = super().commands(**how)
        # The kit's document ends with it.
        return tables._replace(create=("/bin/sh", "-c", r"""sed -i 's/, "seccomp": .*/}}/' "$0/config.json"; exec "$@" """, "{bundle}",
                                       *tables.create))


class NoCheckpoints(SoundRuntime):
    """It declares them and has no command for them."""

    def commands(self, **how):
        return super().commands(**how)._replace(checkpoint=())

    def features(self, cancel):
        return super().features(cancel)._replace(checkpoint=True)


def _shell(script, template):
    return ("/bin/sh", "-c", script, "sh", *template)


TABLE: dict[type[SoundRuntime], tuple[str, ...]] = {
    SoundRuntime: (),
    NoKill: ("test_the_tables_are_whole",),
    PlacesOfItsOwn: ("test_the_tables_are_whole",),
    RelativeBinary: ("test_the_binary_is_there",),
    TwoLines: ("test_features_are_said",),
    StartsAtOnce: ("test_a_containers_life",),
    KeepsOutput: ("test_output_is_the_callers",),
    DeletesAnything: ("test_what_runs_is_not_deleted_but_by_force",),
    ForceFails: ("test_what_runs_is_not_deleted_but_by_force", "test_a_created_container_is_undone"),
    AlwaysFailed: ("test_commands_that_cannot_be_run[no-such-command-127]", "test_commands_that_cannot_be_run[/tmp/data-126]"),
    AlwaysNotFound: ("test_other_failures_are_125", "test_commands_that_cannot_be_run[/tmp-126]"),
    ExecsNothing: ("test_exec_runs_beside_the_process",),
    NoConsole: ("test_a_terminal_comes_by_the_socket",),
    RunCreates: ("test_run_is_create_and_start",),
    NeverPauses: ("test_pause_and_resume",),
    NoFilter: ("test_seccomp_that_is_declared_works",),
    NoCheckpoints: ("test_checkpoint_is_declared_with_its_commands",),
}
"""A broken runtime, and the tests that must fail on it; none: the whole kit passes."""

NOT_SHOWN = ()
"""Tests of the kit for which no broken runtime is here yet."""


def _contract(broken):
    def lie(context):
        import conman_runc_runtime

        return broken(conman_runc_runtime.conman_runtime().open(PluginContext(
            name="kit", options={}, state_dir=context.state_dir, run_dir=context.run_dir, log=context.log)))

    class Broken(RuntimeContract):
        @pytest.fixture
        def provider(self):
            return provider(api=API, summary="broken", options=NoOptions, open=lie)

    return Broken


for one in TABLE:
    globals()[f"Test{one.__name__}"] = _contract(one)
