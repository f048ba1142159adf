"""``--explain`` of ``run``, ``create`` and ``pull``: what they would do, as text or JSON."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from . import out
from .go_format import json_text

if TYPE_CHECKING:
    from ..explain import Explanation
    from .values import Values


def show(explanation: Explanation, values: Values) -> int:
    """Print it.

    :returns: 0; 125 where one of the plugins could not be used.
    """
    if values.text("format") == "json":
        out.write(json_text(_document(explanation), indent=2))
    else:
        out.write(_text(explanation))
    return 125 if any(one.problem for one in explanation.plugins) else 0


def _document(found: Explanation) -> dict[str, object]:
    return {
        "Plugins": [{"Slot": one.slot, "Name": one.name, "Distribution": one.shipped, "Why": one.why, "Problem": one.problem}
                    for one in found.plugins],
        "Facts": [{"Name": name, "Value": value} for name, value in found.facts], "WouldPull": found.would_pull,
        "Mounts": list(found.mounts), "Commands": [{"For": name, "Argv": list(argv)} for name, argv in found.commands],
        "Spec": dict(found.spec), "Notes": list(found.notes)}


def _text(found: Explanation) -> str:
    lines = ["plugins:"]
    for one in found.plugins:
        lines.append(f"  {one.slot}: {one.name} ({one.shipped}): {one.why}")
        if one.problem:
            lines.append(f"    problem: {one.problem}")
    lines += [f"{name}: {value}" for name, value in found.facts]
    lines += [f"mount: {mount}" for mount in found.mounts]
    lines += [f"command, {name}: {shlex.join(argv)}" for name, argv in found.commands]
    lines += [f"note: {note}" for note in found.notes]
    if found.spec:
        lines += ["runtime spec:", json_text(dict(found.spec), indent=2).rstrip("\n")]
    return "".join(line + "\n" for line in lines)
