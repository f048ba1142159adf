"""The clean-up command that a shim turns into once its container has ended and no conman command stands by.

Imports no click, reads nothing but its arguments and the store: ``ROOT RUN_ROOT CONFIG ID`` (CONFIG may be empty). Its
failure loses nothing: the next conman command does the same.
"""

from __future__ import annotations

import os
import sys
from typing import Sequence


def main(argv: Sequence[str]) -> None:
    """Bring one container to its end: runtime state, mount, row; away with it where ``--rm`` was given."""
    from .kernel import Conman

    root, run_root, config, id = argv
    if not os.path.isdir(root):
        return  # the whole store was removed: it is not to come into being again
    with Conman(root=root, run_root=run_root, config=config or None) as conman:
        conman.containers.finish(id)


if __name__ == "__main__":
    main(sys.argv[1:])
