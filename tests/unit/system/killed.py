"""A process that works on a store and kills itself at its N-th change of the disk or index: ``killed.py FOLDER DRIVER N [WORK]``.

A change of the index counts twice: before it is committed, and after. Ends with 0, and the number of changes on standard output,
where it got to the end of its work before that.
"""

from __future__ import annotations

import importlib.util
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Iterator

from conman_kernel.store.index import Index
from conman_kernel.store.sqlite import sqlite3
from conman_kernel.testing.dying import Dying

if TYPE_CHECKING:
    from .conftest import Store


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
    dying = Dying(limit)
    plain = Index.write

    @contextmanager
    def write(self: Index) -> Iterator[sqlite3.Connection]:
        with plain(self) as db:
            yield db
            dying.tick()
        dying.tick()

    Index.write = write  # type: ignore[method-assign]
    dying.watch()
    WORK[sys.argv[4] if sys.argv[4:] else "work"](store)
    sys.stdout.write(str(dying.count))


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


WORK: dict[str, Callable[[Store], object]] = {
    "work": _work,
    "repair": lambda store: store.system.check(repair=True, verify_layers=True, max_age=0.0),
    "pull": lambda store: store.pull("half"),
    "rmi": lambda store: store.images.remove("one"),
    "tag": lambda store: store.images.tag("one", "second", "third"),
    "untag": lambda store: store.images.untag("one"),
    "image-prune": lambda store: store.images.prune(all=True),
    "system-prune": lambda store: store.system.prune(all=True),
    "df": lambda store: store.system.df(),
    "check": lambda store: store.system.check(),
}


if __name__ == "__main__":
    main()
