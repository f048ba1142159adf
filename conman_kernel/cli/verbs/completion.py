"""``conman completion``."""

from __future__ import annotations

from ...errors import InvalidInput
from ..context import Context
from ..declare import Argument, Verb
from ..values import Values

SHELLS = ("bash", "zsh", "fish")


def _run(context: Context, values: Values) -> int:
    shell = values.arguments[0]
    if shell not in SHELLS:
        raise InvalidInput(f"no completion for the shell {shell!r}", hint=f"there is one for {', '.join(SHELLS)}")
    from ..click_app import complete

    return complete(f"{shell}_source")


VERB = Verb(
    "completion", "Print a completion script for bash, zsh or fish", _run, arguments=(Argument("SHELL"),),
    notes=("For bash, in ~/.bashrc: source <(conman completion bash)",))
