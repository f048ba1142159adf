"""``conman image mount`` and ``conman image unmount``."""

from __future__ import annotations

from ...errors import ConmanError, InvalidInput
from .. import out
from ..context import Context
from ..declare import FLAG, IMAGE, Argument, Option, Verb
from ..go_format import json_text
from ..table import table
from ..values import Values


def _mount(context: Context, values: Values) -> int:
    if values.given("format") and values.text("format") != "json":
        raise InvalidInput(f"unknown --format argument: {values.text('format')}", hint="json is the only one")
    if values.flag("all") and values.arguments:
        raise InvalidInput("no arguments are needed with --all")
    images = context.conman().images
    chosen = [images.get(name) for name in values.arguments] if values.arguments else images.list() if values.flag("all") else []
    if chosen:
        paths = [(image, images.hold(image, cancel=context.cancel)) for image in chosen]
    else:
        paths = [] if values.flag("all") else list(images.held())
    if values.given("format"):
        out.write(json_text([{"id": image.id, "Names": [image.digest], "Repositories": list(image.names), "mountpoint": path}
                             for image, path in paths], indent=1))
    elif len(values.arguments) == 1:
        out.line(paths[0][1])
    else:
        out.write(table([(name, path) for image, path in paths for name in image.names or (image.id,)]))
    return 0


def _unmount(context: Context, values: Values) -> int:
    images = context.conman().images
    if values.flag("all") == bool(values.arguments):
        raise InvalidInput("image name or ID must be specified" if not values.arguments else
                           "when using the --all switch, you may not pass any images names or IDs")
    chosen = [images.get(name) for name in values.arguments] if values.arguments else [image for image, _ in images.held()]
    code = 0
    for image in chosen:
        try:
            held = images.let_go(image, force=values.flag("force") or values.flag("all"), cancel=context.cancel)
        except ConmanError as error:
            out.report(error)
            code = error.exit_code
            continue
        if held:
            out.line(image.id)
    return code


MOUNT = Verb(
    "mount", "Mount images' root file systems read-only and print where, or list what is mounted", _mount,
    arguments=(Argument("IMAGE", 0, None, IMAGE),),
    options=(
        Option("--all", "Mount all images", FLAG, short="-a"),
        Option("--format", "json", metavar="FORMAT"),
    ))

UNMOUNT = Verb(
    "unmount", "Unmount images' root file systems", _unmount, arguments=(Argument("IMAGE", 0, None, IMAGE),),
    options=(
        Option("--all", "Unmount all images that are mounted", FLAG, short="-a"),
        Option("--force", "Unmount even where it was mounted several times", FLAG, short="-f"),
    ))
