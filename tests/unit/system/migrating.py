"""A process that migrates a store and kills itself at its N-th change of the disk: ``migrating.py FOLDER FROM TO N``.

Ends with 0 where it got to the end of its work before that, and prints how many changes there were.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from conman_kernel.testing.dying import Dying


def main() -> None:
    folder, source, to, limit = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
    spec = importlib.util.spec_from_file_location("store_parts", Path(__file__).with_name("conftest.py"))
    assert spec is not None and spec.loader is not None
    parts = importlib.util.module_from_spec(spec)
    sys.modules["store_parts"] = parts
    spec.loader.exec_module(parts)
    store = parts.Store(folder, source, parts.Shelf())
    dying = Dying(limit)
    dying.watch()
    store.system.migrate(to=to)
    sys.stdout.write(str(dying.count))


if __name__ == "__main__":
    main()
