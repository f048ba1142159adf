"""A process that saves or loads and kills itself at its N-th change of the disk: ``killed.py STORE save|load PLACE N``.

Ends with 0, and how many changes there were, where it got to the end of its work before that.
"""

from __future__ import annotations

import os
import signal
import sys

CHANGES = ("os.rename", "os.remove", "os.link", "os.mkdir", "os.rmdir", "os.truncate", "sqlite3.connect")


def main() -> None:
    store, verb, place, limit = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    from conman_kernel import Conman

    count = 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if event in CHANGES or writes:
            count += 1
            if count == limit:
                os.kill(os.getpid(), signal.SIGKILL)

    with Conman(root=f"{store}/root", run_root=f"{store}/run", environ={"CONMAN_CONTAINERS_NETWORK": "none"}) as conman:
        sys.addaudithook(watch)
        if verb == "save":
            conman.images.save(["registry.example/a:1", "registry.example/b:1"], place)
        else:
            conman.images.load(place)
    sys.stdout.write(str(count))


if __name__ == "__main__":
    main()
