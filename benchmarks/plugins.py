"""What installed plugins cost: those that nobody needs, and the list of them."""

from __future__ import annotations

from pathlib import Path

from context import Bench
from measure import Command, alternate, whole
from report import Row, Table

COUNT = 100


def _install(folder: Path) -> None:
    """A hundred distributions with one storage plugin each, none of which can be imported."""
    for number in range(COUNT):
        module = f"many_{number:03}"
        (folder / module).mkdir(parents=True)
        (folder / module / "__init__.py").write_text("raise RuntimeError('nobody asked for this')\n")
        info = folder / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[conman.storage]\nmany-{number:03} = {module}\n")


def plugins(bench: Bench) -> None:
    """``plugin ls``, and commands that need none of them, without and with a hundred more plugins."""
    conman = bench.main[0]
    without, many = bench.folder / "no-plugins", bench.folder / "many-plugins"
    without.mkdir()
    _install(many)
    with bench.image([conman]) as reference:
        cases = {"plugin ls": conman.command("plugin", "ls"),
                 "--version": Command([conman.start[0], "--version"], conman.environ),
                 "ps": conman.command("ps"), "run --rm IMAGE true": conman.run(reference, "true")}
        for title, case in cases.items():
            # A folder on the path costs by itself, so the other side has an empty one.
            commands = {name: Command(case.argv, {**case.environ, "PYTHONPATH": str(folder)})
                        for name, folder in (("without", without), (f"with {COUNT} more", many))}
            contestants = {name: lambda command=command: whole(command) for name, command in commands.items()}
            rows = [Row(name, [result.seconds * 1000 for result in results])
                    for name, results in alternate(contestants, bench.options.rounds).items()]
            bench.report.add(Table("plugins", title, "ms", rows, "without"))
