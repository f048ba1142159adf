"""A process that works on a store and kills itself at its N-th change of the disk: ``killed.py FOLDER DRIVER N [repair]``.

Ends with 0 where it got to the end of its work before that.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .conftest import Store

CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate")


def main() -> None:
    folder, driver, limit = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    spec = importlib.util.spec_from_file_location("store_parts", Path(__file__).with_name("conftest.py"))
    assert spec is not None and spec.loader is not None
    parts = importlib.util.module_from_spec(spec)
    sys.modules["store_parts"] = parts
    spec.loader.exec_module(parts)
    shelf = parts.Shelf()
    for name, made in parts.images().items():
        shelf.add(name, made)
    store = parts.Store(folder, driver, shelf)
    count = 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if event in CHANGES or writes:
            count += 1
            if count == limit:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    if sys.argv[4:] == ["repair"]:
        store.system.check(repair=True, verify_layers=True, max_age=0.0)
    else:
        _work(store)
    sys.stdout.write(str(count))


def _work(store: Store) -> None:
    store.pull("one")
    store.create("one", "box")
    store.pull("two")
    store.images.tag("two", "second")
    store.images.remove("registry.test/two:latest")
    store.images.untag("second")
    store.containers.get("box").remove()
    store.images.prune()
    store.system.prune(all=True)


if __name__ == "__main__":
    main()
