"""A request for a plain container on a plain host, to be changed field by field."""

from __future__ import annotations

from typing import Callable

import pytest

from conman_kernel.oci.runtime.options import ContainerOptions
from conman_kernel.oci.runtime.request import CgroupMount, HostFacts, ImageParts, SpecRequest, User

V1 = tuple(CgroupMount(f"/sys/fs/cgroup/{c}", (c,), unified=False, own="/")
           for c in ("cpu", "cpuset", "memory", "pids", "devices", "freezer"))


@pytest.fixture
def facts() -> HostFacts:
    """A v1 host whose caller may do everything."""
    return HostFacts(cgroups=V1)


@pytest.fixture
def make(facts: HostFacts) -> Callable[..., SpecRequest]:
    """Options as keywords, or a whole ``image``, ``user``, ``facts``, ... -> a request."""
    def build(**fields: object) -> SpecRequest:
        request = SpecRequest(id="c0ffee", name="box", hostname="c0ffee", rootfs="/root/fs", facts=facts, user=User(),
                              options=ContainerOptions(command=("true",)), image=ImageParts())
        own = {k: v for k, v in fields.items() if k in SpecRequest._fields}
        rest = {k: v for k, v in fields.items() if k not in SpecRequest._fields}
        return request._replace(options=request.options._replace(**rest), **own)  # type: ignore[arg-type]
    return build
