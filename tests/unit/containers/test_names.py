"""Names of containers."""

from __future__ import annotations

import re

import pytest

from conman_kernel.containers.names import check_name, random_name
from conman_kernel.errors import InvalidInput


def test_random_names_are_names_and_differ() -> None:
    made = {random_name() for _ in range(500)}
    assert all(re.fullmatch(r"[a-z]+_[a-z]+", name) and check_name(name) == name for name in made)
    assert len(made) > 400, "too few different ones"
    assert len({name.partition("_")[0] for name in made}) > 50 < len({name.partition("_")[2] for name in made})


@pytest.mark.parametrize("name", ["a", "0", "web-1", "A.b_c-", "x" * 300])
def test_valid(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", "_a", ".", "a/b", "a b", "a\n", "é", "a:b", "../x", "a\0"])
def test_not_valid(name: str) -> None:
    with pytest.raises(InvalidInput, match="is no valid container name") as caught:
        check_name(name)
    assert "[a-zA-Z0-9][a-zA-Z0-9_.-]*" in caught.value.hint
