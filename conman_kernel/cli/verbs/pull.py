"""``conman pull``."""

from __future__ import annotations

from ...errors import ConmanError
from .. import out
from ..access import ACCESS_OPTIONS, access
from ..container_options import PULL_OPTIONS
from ..context import Context
from ..declare import IMAGE, Argument, Option, Verb
from ..pulling import POLICIES, PullDisplay, policy, wanted_platform
from ..values import Values


def _run(context: Context, values: Values) -> int:
    conman = context.conman()
    failed = 0
    for name in values.arguments:
        try:
            with PullDisplay(conman, name, quiet=values.flag("quiet")) as display:
                image = conman.images.pull(name, platform=wanted_platform(values),
                                           access=access(values), policy=policy(values, "policy"),
                                           progress=display, cancel=context.cancel)
        except ConmanError as error:
            if context.cancel.cancelled or len(values.arguments) == 1:
                raise
            out.report(error)
            failed = error.exit_code
        else:
            out.line(image.id)
    return failed


VERB = Verb(
    "pull", "Pull images from a registry, or from an OCI layout or archive", _run,
    arguments=(Argument("IMAGE", 1, None, IMAGE),),
    options=(
        *ACCESS_OPTIONS, *PULL_OPTIONS,
        Option("--policy", "When to ask the source: missing, always, never or newer", metavar="POLICY", default="always",
               choices=POLICIES),
    ))
