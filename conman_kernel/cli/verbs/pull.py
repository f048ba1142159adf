"""``conman pull``."""

from __future__ import annotations

from ...errors import ConmanError
from .. import out
from ..access import ACCESS_OPTIONS, access
from ..container_options import PULL_OPTIONS
from ..context import Context
from ..declare import EXPLAIN_OPTIONS, FLAG, IMAGE, Argument, Option, Verb
from ..pulling import POLICIES, PullDisplay, policy, wanted_platform
from ..values import Values


def _run(context: Context, values: Values) -> int:
    conman = context.conman()
    failed = 0
    if values.flag("explain"):
        from ..explaining import show

        return max(show(conman.explain_pull(name, platform=wanted_platform(values), access=access(values), cancel=context.cancel),
                        values) for name in values.arguments)
    names = _every_tag(context, values) if values.flag("all-tags") else values.arguments
    for name in names:
        try:
            with PullDisplay(conman, name, quiet=values.flag("quiet")) as display:
                image = conman.images.pull(name, platform=wanted_platform(values),
                                           access=access(values), policy=policy(values, "policy"),
                                           progress=display, cancel=context.cancel)
        except ConmanError as error:
            if context.cancel.cancelled or len(names) == 1:
                raise
            out.report(error)
            failed = error.exit_code
        else:
            out.line(image.id)
    return failed


def _every_tag(context: Context, values: Values) -> tuple[str, ...]:
    from ...errors import InvalidInput
    from ...oci.reference import parse

    found: list[str] = []
    for repository in values.arguments:
        reference = parse(repository)
        if reference.local or reference.tag or reference.digest:
            raise InvalidInput("--all-tags takes repositories without a tag or digest", hint="conman pull --all-tags HOST/NAME")
        tags = context.conman().registries.tags(repository, access=access(values), cancel=context.cancel)
        found += [f"{repository}:{tag}" for tag in tags]
    return tuple(found)


VERB = Verb(
    "pull", "Pull images from a registry, or from an OCI layout or archive", _run,
    arguments=(Argument("IMAGE", 1, None, IMAGE),),
    options=(
        Option("--all-tags", "Pull every tag of a repository", FLAG, short="-a"),
        *ACCESS_OPTIONS, *PULL_OPTIONS, *EXPLAIN_OPTIONS,
        Option("--policy", "When to ask the source: missing, always, never or newer", metavar="POLICY", default="always",
               choices=POLICIES),
    ))
