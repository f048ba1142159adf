"""A process that saves or loads and kills itself at its N-th change of the disk: ``killed.py STORE save|load PLACE N``.

Ends with 0, and how many changes there were, where it got to the end of its work before that.
"""

from __future__ import annotations

import sys


def main() -> None:
    store, verb, place, limit = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    from conman_kernel import Conman
    from conman_kernel.testing.dying import Dying

    dying = Dying(limit)
    with Conman(root=f"{store}/root", run_root=f"{store}/run", environ={"CONMAN_CONTAINERS_NETWORK": "none"}) as conman:
        dying.watch("sqlite3.connect")
        if verb == "save":
            conman.images.save(["registry.example/a:1", "registry.example/b:1"], place)
        else:
            conman.images.load(place)
    sys.stdout.write(str(dying.count))


if __name__ == "__main__":
    main()
