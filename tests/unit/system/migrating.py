"""A process that migrates a store and kills itself at its N-th change of the disk: ``migrating.py FOLDER FROM TO N``.

Ends with 0 where it got to the end of its work before that, and prints how many changes there were.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from pathlib import Path

CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink")


def main() -> None:
    folder, source, to, limit = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
    spec = importlib.util.spec_from_file_location("store_parts", Path(__file__).with_name("conftest.py"))
    assert spec is not None and spec.loader is not None
    parts = importlib.util.module_from_spec(spec)
    sys.modules["store_parts"] = parts
    spec.loader.exec_module(parts)
    store = parts.Store(folder, source, parts.Shelf())
    count = 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if event in CHANGES or writes:
            count += 1
            if count == limit:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    store.system.migrate(to=to)
    sys.stdout.write(str(count))


if __name__ == "__main__":
    main()
