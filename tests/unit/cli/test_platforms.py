"""How a person says which platform is meant."""

from __future__ import annotations

import pytest

from conman_kernel.cli.parse_args import parse
from conman_kernel.cli.pulling import wanted_platform
from conman_kernel.cli.verbs.pull import VERB
from conman_kernel.errors import InvalidInput
from conman_kernel.oci.platform import host_platform


@pytest.mark.parametrize("words, wanted", [
    ((), None),
    (("--platform", "linux/arm64"), "linux/arm64"),
    (("--arch", "arm64", "--os", "linux"), "linux/arm64"),
    (("--arch=arm", "--variant=v7", "--os=linux"), "linux/arm/v7"),
    (("--arch", "s390x"), f"{host_platform().os}/s390x"),
])
def test_platform_and_its_parts(words, wanted):
    assert wanted_platform(parse(VERB, [*words, "image"], "conman pull")) == wanted


def test_both_ways_at_once_are_refused():
    with pytest.raises(InvalidInput, match="can not be specified with --arch or --os"):
        wanted_platform(parse(VERB, ["--platform", "linux/arm64", "--os", "linux", "image"], "conman pull"))
