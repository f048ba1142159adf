"""``conman plugin test``."""

from __future__ import annotations

import sys

from ...errors import InvalidInput, Unavailable
from ..context import Context
from ..declare import PLUGIN, Argument, Option, Verb
from ..values import Values


def _test(context: Context, values: Values) -> int:
    from importlib.util import find_spec

    name, *arguments = values.arguments
    group = values.text("slot")
    if group and not group.startswith("conman."):
        group = f"conman.{group}"
    found, provider, plugin_context = context.conman().plugins.declared(name, group)
    if find_spec("pytest") is None:
        raise Unavailable("conman plugin test needs pytest, which is not installed", hint="pip install 'conman[testing]'")
    from ...testing.kits.on_this_host import kits, run

    if found not in kits():
        raise InvalidInput(f"there is no contract kit for {found}", hint=f"there are kits for {', '.join(kits())}")
    sys.stdout = sys.__stdout__  # pytest prints; see ..entry
    return run(found, provider, plugin_context, arguments)


TEST = Verb(
    "test", "Hold an installed plugin to its slot's contract, on this host and as it is configured", _test,
    arguments=(Argument("PLUGIN", 1, 1, PLUGIN), Argument("PYTEST_ARGUMENT", 0, None)),
    options=(Option("--slot", "The slot, where a name is taken in several, such as storage", metavar="SLOT"),),
    interspersed=False,
    notes=("The tests work in folders of their own, beside the store's. What follows the plugin's name is for pytest, such as -x "
           "or -k NAME. Exits with 1 where a promise is broken. Tests that this host cannot run are skipped, and say why.",))
