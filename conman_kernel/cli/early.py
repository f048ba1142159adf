"""The early launch: the shim's interpreter starts while this process still imports and parses.

It waits for its configuration, which the kernel sends once it knows it. A launch that turns out not to be wanted (a
usage error, another ``[shim] command`` in the configuration) is closed unconfigured: nothing is left of it.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing itself would be waited for

if TYPE_CHECKING:
    from typing import Sequence

    from ..containers.shim import Shim


def launch(argv: Sequence[str]) -> Shim | None:
    """Start the stock shim for a verb that will want one.

    :param argv: what followed the verb; where it asks for help nothing is started.
    :returns: None where nothing was started; a shim that is missing is reported later, by whoever needs it.
    """
    if not argv or argv[0] in ("--help", "-h"):
        return None
    from ..containers.shim import Shim
    from ..errors import ConmanError

    try:
        return Shim.launch(None)
    except ConmanError:
        return None  # the kernel tries again and says what is wrong
