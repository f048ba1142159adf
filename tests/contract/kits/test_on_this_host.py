"""``conman plugin test``, by the installed command."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("name, slot, some", [
    ("vfs-storage", "storage", "stat_tells or taken_name or view_is_read_only"),
    ("overlay-storage", "conman.storage", "whiteouts_delete or taken_key"),
    ("dir-transport", "transport", "image_is_whole or what_is_written"),
    ("registry-pull", "transport", "image_is_whole or what_is_written or tags_are_told"),
    ("cni-network", "network", "wishes_are_kept or port_of_one_address or killed_remove"),
])
def test_a_sound_plugin_passes(cli, name, slot, some):
    done = cli("plugin", "test", "--slot", slot, name, "-k", some)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout and "failed" not in done.stdout and done.stderr == ""
    assert not cli.root.exists() or not list(cli.root.glob("**/.plugin-test-*"))


def test_what_the_host_lacks_is_said_and_fails_nothing(cli):
    done = cli("plugin", "test", "btrfs-storage", "-k", "stat_tells")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SKIPPED" in done.stdout and "unavailable on this host: " in done.stdout and "btrfs" in done.stdout


def test_pytests_own_refusals_are_failures(cli):
    done = cli("plugin", "test", "vfs-storage", "-k", "no_such_test")
    assert done.returncode == 1


@pytest.mark.parametrize("arguments, words", [
    (["vfs-storag"], "did you mean vfs-storage?"),
    (["--slot", "attach", "vfs-storage"], "is a plugin of conman.storage, not of conman.attach"),
])
def test_what_is_not_there_is_one_line(cli, arguments, words):
    done = cli("plugin", "test", *arguments)
    assert done.returncode == 125 and words in done.stderr, done.stderr
