"""What the plugin declares, without anything of the kernel but its public modules."""

from __future__ import annotations

import conman_vfs_storage as plugin


def test_every_option_is_declared_with_a_default_and_a_reason():
    declared = plugin.conman_storage_driver()
    assert {option.name for option in declared.options} == set(plugin.Options.DOCS)
    assert all(option.doc for option in declared.options) and declared.summary
