"""What verbs share that move images: showing the progress, once there is one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from . import out

if TYPE_CHECKING:
    from ..images.records import Progress
    from ..images.service import Policy
    from ..kernel import Conman
    from .progress import BarProgress, PlainProgress
    from .values import Values

POLICIES: tuple[Policy, ...] = ("missing", "always", "never", "newer")
"""When an image's source is asked, as a person says it."""


def policy(values: Values, option: str) -> Policy:
    """The policy that an option names, whose choices are :data:`POLICIES`."""
    return next(known for known in POLICIES if known == values.text(option))


def wanted_platform(values: Values) -> str | None:
    """The platform that ``--platform``, or ``--os``, ``--arch`` and ``--variant``, ask for; None: this machine's.

    :raises InvalidInput: both ways were taken.
    """
    whole = values.text("platform")
    if whole and (values.text("os") or values.text("arch")):
        from ..errors import InvalidInput

        raise InvalidInput("--platform option can not be specified with --arch or --os")
    return whole or platform_of_parts(values)


def platform_of_parts(values: Values) -> str | None:
    """What ``--os``, ``--arch`` and ``--variant`` make of this machine's platform; None where none is given."""
    os_name, architecture, variant = (values.text(option) for option in ("os", "arch", "variant"))
    if not (os_name or architecture or variant):
        return None
    from ..oci.platform import host_platform

    here = host_platform()
    parts = (os_name or here.os, architecture or here.architecture, variant or ("" if architecture else here.variant))
    return "/".join(part for part in parts if part)


class PullDisplay:
    """Shows a pull from its first event on. Before that it costs nothing: most runs pull nothing.

    :param conman: asked how a short name is spelt out.
    :param reference: what the person wrote; empty: no line says what is being pulled.
    :param quiet: show nothing at all.
    """

    def __init__(self, conman: Conman, reference: str = "", *, quiet: bool) -> None:
        self._conman = conman
        self._reference = reference
        self._quiet = quiet
        self._display: BarProgress | PlainProgress | None = None

    def __enter__(self) -> PullDisplay:
        return self

    def __exit__(self, *details: object) -> None:
        if self._display is not None:
            self._display.close()

    def __call__(self, event: Progress) -> None:
        """Take one event of the image service; the first comes before any other thread is at work."""
        if self._quiet:
            return
        if self._display is None:
            from .progress import BarProgress, PlainProgress

            self._display = BarProgress() if os.isatty(2) and os.environ.get("TERM") != "dumb" else PlainProgress()
            if self._reference:
                out.error_text(f"Trying to pull {self._spelt_out()}...\n")
        self._display(event)

    def _spelt_out(self) -> str:
        from ..oci.reference import parse

        return str(parse(self._reference).expand(self._conman.config.texts("short_names"))[0])
