"""``conman tag`` and ``conman untag``, also below ``conman image``."""

from __future__ import annotations

from ..context import Context
from ..declare import IMAGE, Argument, Verb
from ..values import Values


def _tag(context: Context, values: Values) -> int:
    context.conman().images.tag(values.arguments[0], *values.arguments[1:])
    return 0


def _untag(context: Context, values: Values) -> int:
    context.conman().images.untag(values.arguments[0], *values.arguments[1:])
    return 0


TAG = Verb("tag", "Give an image further names", _tag,
           arguments=(Argument("IMAGE", 1, 1, IMAGE), Argument("TARGET_NAME", 1, None)))

UNTAG = Verb("untag", "Take names of an image away, all where none is given; the image stays", _untag,
             arguments=(Argument("IMAGE", 1, 1, IMAGE), Argument("NAME", 0, None)))
