"""Every archive case through the whole product and every storage driver; the tables are in ``archives/``."""

from __future__ import annotations

import pytest

from conman_kernel.errors import ConmanError
from conman_kernel.testing.hostile import links, names, nodes
from conman_kernel.testing.hostile.cases import Accepted, Case
from conman_kernel.testing.hostile.verdicts import disagreements
from conman_kernel.testing.registry import Registry

from .archives import forms, packed
from .product import Product, served

CASES = [*names.CASES, *links.CASES, *nodes.CASES, *forms.CASES, *packed.CASES]


def test_names_are_names() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_archive(case: Case, unharmed: Product, registry: Registry) -> None:
    name = f"{case.name.lower()}:1"
    registry.add_image(served(case.built()), name)
    if isinstance(case.verdict, Accepted):
        image_id = unharmed.pull(f"{registry.host}/{name}")
        with unharmed.shown(image_id) as path:
            found = disagreements(path, case.verdict.tree)
        unharmed.conman.images.remove(image_id)
        assert found == [], "\n".join(found)
        return
    with pytest.raises(ConmanError) as caught:
        unharmed.pull(f"{registry.host}/{name}")
    assert type(caught.value) is case.verdict.error, f"{type(caught.value).__name__}: {caught.value}"
    assert [word for word in case.verdict.words if word not in str(caught.value)] == [], str(caught.value)
    assert len(str(caught.value).splitlines()) == 1 and str(caught.value).isprintable(), repr(str(caught.value))
