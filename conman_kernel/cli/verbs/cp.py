"""``conman cp``, also ``conman container cp``."""

from __future__ import annotations

import os

from ...errors import InvalidInput
from ..context import Context
from ..declare import FLAG, Argument, Option, Verb
from ..values import Values

_SHAPE = "cp CONTAINER:PATH PATH, cp PATH CONTAINER:PATH, or - for a tar in the path's place"


def _run(context: Context, values: Values) -> int:
    (source, path), (target, to) = (split(word, values.arguments) for word in values.arguments)
    if not source and not target:
        raise InvalidInput(f"cannot copy from {path!r} to {to!r}: neither is in a container", hint=_SHAPE)
    containers = context.conman().containers
    archive, follow, overwrite = values.flag("archive"), values.flag("follow-link"), values.flag("overwrite")
    if source and target:
        containers.get(source).copy_to(path, containers.get(target), to, archive=archive, follow_link=follow, overwrite=overwrite,
                                       cancel=context.cancel)
    elif source:
        if to == "-" and os.isatty(1):
            raise InvalidInput("cannot write an archive to a terminal", hint="redirect the output, or name a path")
        containers.get(source).copy_out(path, 1 if to == "-" else to, follow_link=follow, overwrite=overwrite,
                                        cancel=context.cancel)
    else:
        if path == "-" and os.isatty(0):
            raise InvalidInput("cannot read an archive from a terminal", hint="redirect the input, or name a path")
        containers.get(target).copy_in(0 if path == "-" else path, to, archive=archive, follow_link=follow, overwrite=overwrite,
                                       cancel=context.cancel)
    return 0


def split(word: str, words: tuple[str, ...]) -> tuple[str, str]:
    """Container (empty: the host) and path. What begins with a slash or a dot is a path, whatever colons are in it.

    :raises InvalidInput: there is no path.
    """
    container, colon, path = word.partition(":")
    if word.startswith((".", "/")) or not colon:
        container, path = "", word
    if not path or (colon and not container and not word.startswith((".", "/"))):
        shown = ", ".join(f'"{one}"' for one in words)
        raise InvalidInput(f"invalid arguments {shown}: you must specify paths", hint=_SHAPE)
    return container, path


VERB = Verb("cp", "Copy files and folders between containers and the host", _run,
            arguments=(Argument("SRC", 1, 1), Argument("DEST", 1, 1)),
            options=(
                Option("--archive", "What goes into a container gets its main user as owner; =false: it keeps its own", FLAG,
                       short="-a", default=True),
                Option("--overwrite", "A folder may take the place of a file, and a file that of a folder", FLAG),
                Option("--follow-link", "Copy what a link at the end of SRC leads to; =false: the link", FLAG, short="-L",
                       default=True),
                Option("--quiet", "Nothing: no progress is shown", FLAG, short="-q"),
                Option("--extract", "Nothing: podman's, deprecated", FLAG, hidden=True),
                Option("--pause", "Nothing: podman's, deprecated", FLAG, hidden=True, default=True),
            ),
            notes=("SRC and DEST are CONTAINER:PATH or PATH; one of them may be - for a tar from standard input or to standard "
                   "output. SRC/. means what lies in the folder.",))
