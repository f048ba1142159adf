"""The clean-up command that a shim turns into once its container has ended and no conman command stands by.

Imports no click, reads nothing but its arguments and the store: ``ROOT RUN_ROOT CONFIG ID`` (CONFIG may be empty). Its
failure loses nothing: the next conman command does the same. With one argument more, the word of a health status, it is what
a shim runs when a container's health has changed.
"""

from __future__ import annotations

import os
import sys
from typing import Sequence


def main(argv: Sequence[str]) -> None:
    """Bring one container to its end: runtime state, mount, row; away with it where ``--rm`` was given."""
    from .kernel import Conman

    root, run_root, config, id, *health = argv
    if not os.path.isdir(root):
        return  # the whole store was removed: it is not to come into being again
    with Conman(root=root, run_root=run_root, config=config or None) as conman:
        if health:
            conman.containers.health_changed(id, health[0])
        else:
            conman.containers.finish(id)


if __name__ == "__main__":
    main(sys.argv[1:])
