"""What ``run`` and ``create`` do before there is a container."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import AlreadyExists, NotFound
from .access import access
from .pulling import PullDisplay, policy, wanted_platform

if TYPE_CHECKING:
    from ..cancel import Cancel
    from ..images.image import Image
    from ..kernel import Conman
    from ..oci.runtime.options import ContainerOptions
    from .values import Values


def make_room(conman: Conman, values: Values, options: ContainerOptions, *, cancel: Cancel) -> None:
    """Refuse a ``--cidfile`` that exists; with ``--replace`` remove the container of the same name.

    :raises AlreadyExists: the file exists; nothing has been done then.
    """
    if options.cidfile and os.path.lexists(options.cidfile):
        raise AlreadyExists("container id file exists. Ensure another container is not using it or delete "
                            f"{values.text('cidfile')}")
    if values.flag("replace") and options.name:
        try:
            old = conman.containers.get(options.name)
        except NotFound:
            return
        if old.name == options.name:
            old.remove(force=True, cancel=cancel)


def ensure_image(conman: Conman, values: Values, *, cancel: Cancel) -> Image:
    """The image of the command line, pulled where ``--pull`` says so.

    :raises ConmanError: as the image service says.
    """
    name = values.arguments[0]
    with PullDisplay(conman, name, quiet=values.flag("quiet")) as display:
        return conman.images.ensure(name, policy=policy(values, "pull"), platform=wanted_platform(values),
                                    access=access(values), progress=display, cancel=cancel)
