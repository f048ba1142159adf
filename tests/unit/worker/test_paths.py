"""The set of paths, in memory and beyond."""

from __future__ import annotations

import pytest

from conman_kernel.worker.paths import Paths


@pytest.mark.parametrize("most", [3, 7, 1000])
def test_it_has_what_it_was_given(most):
    paths = Paths(most)
    given = [b"%d/\xff\0x" % (index * 7919 % 101) for index in range(150)]
    for path in given:
        paths.add(path)
        assert path in paths
    assert all(path in paths for path in given)
    assert b"" not in paths and b"1" not in paths and b"200/\xff\0x" not in paths
    paths.add(b"")
    assert b"" in paths
    paths.close()
    paths.close()
