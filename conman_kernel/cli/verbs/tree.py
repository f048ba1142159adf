"""``conman image tree``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import out
from ..context import Context
from ..declare import FLAG, IMAGE, Argument, Option, Verb
from ..values import Values
from ..wording import size

if TYPE_CHECKING:
    from ...images.tree import ImageTree, TreeImage, TreeLayer

_LAST, _MORE, _NEXT, _SPACE = "└── ", "├── ", "│   ", "    "


def _run(context: Context, values: Values) -> int:
    images = context.conman().images
    whole = images.tree()
    names = {image.id: image.names for image in whole.images}
    if not values.arguments:
        out.write("\n".join(_image(image, names) for image in whole.images))
        return 0
    wanted = images.get(values.arguments[0]).id
    found = next(image for image in whole.images if image.id == wanted)
    if values.flag("whatrequires"):
        out.write(_heading(found, "Built on it") + _above(whole, found, names))
    else:
        out.write(_image(found, names))
    return 0


def _heading(image: TreeImage, title: str) -> str:
    return (f"Image ID: {image.id[:12]}\nTags:     [{' '.join(image.names)}]\nSize:     {size(image.size, '', 4)}\n"
            f"Shared:   {size(image.shared, '', 4)}\n{title}\n")


def _image(image: TreeImage, names: dict[str, tuple[str, ...]]) -> str:
    lines = [f"{_LAST if number == len(image.layers) - 1 else _MORE}{_layer(layer, image.id, names)}\n"
             for number, layer in enumerate(image.layers)]
    return _heading(image, "Image Layers" if lines else "No Image Layers") + "".join(lines)


def _layer(layer: TreeLayer, image_id: str, names: dict[str, tuple[str, ...]]) -> str:
    text = f"ID: {layer.chain_id.partition(':')[2][:12]} Size: {size(layer.size, '', 4):>7}"
    if layer.tops:
        text += f" Top Layer of: [{' '.join(_called(id, names) for id in layer.tops)}]"
    others = [id for id in layer.users if id != image_id and id not in layer.tops]
    return text + (f" Shared with: [{' '.join(_called(id, names) for id in others)}]" if others else "")


def _called(id: str, names: dict[str, tuple[str, ...]]) -> str:
    return " ".join(names.get(id, ())) or id[:12]


def _above(whole: ImageTree, image: TreeImage, names: dict[str, tuple[str, ...]]) -> str:
    """The layers that stand on an image's topmost one, as a tree; they belong to other images."""
    children: dict[str, list[TreeLayer]] = {}
    for layer in whole.layers:
        children.setdefault(layer.parent, []).append(layer)
    lines: list[str] = []

    def draw(parent: str, indent: str) -> None:
        below = children.get(parent, [])
        for number, layer in enumerate(below):
            last = number == len(below) - 1
            lines.append(f"{indent}{_LAST if last else _MORE}{_layer(layer, image.id, names)}\n")
            draw(layer.chain_id, indent + (_SPACE if last else _NEXT))

    if image.layers:
        draw(image.layers[-1].chain_id, "")
    return "".join(lines)


VERB = Verb(
    "tree", "Show an image's layers and who shares them; of all images where none is named", _run,
    arguments=(Argument("IMAGE", 0, 1, IMAGE),),
    options=(Option("--whatrequires", "Show what is built on the image instead", FLAG),))
