"""What a person waits for: the echo of a key, and the first byte of ``exec``."""

from __future__ import annotations

from contextlib import ExitStack

import bare
from context import RUNC, Bench
from measure import Command, alternate, flow
from report import Row, Table
from terminal import Terminal

ALONE = "no container"
BY_TERMINAL = "echo ready; exec cat"
BY_PROGRAM = "stty raw -echo; echo ready; exec cat"


def keystroke(bench: Bench) -> None:
    """One key through ``run -it``, echoed by the container's terminal and by a program in it."""
    with bench.image(bench.everyone) as reference:
        _keys(bench, reference, "echoed by the container's terminal", BY_TERMINAL)
        _keys(bench, reference, "echoed by a program (stty raw; cat)", BY_PROGRAM)


def _keys(bench: Bench, reference: str, what: str, script: str) -> None:
    with ExitStack() as stack:
        terminals: dict[str, Terminal] = {}
        for peer in bench.everyone:
            name = f"bench-keys-{peer.name}"
            command = peer.run(reference, "sh", "-c", script, stdin=True, terminal=True, name=name)
            terminals[peer.name] = Terminal(command)
            stack.callback(terminals[peer.name].close)
            stack.callback(peer.remove, name)  # called before close: the client then comes to an end by itself
        if script == BY_PROGRAM:
            terminals[ALONE] = Terminal(Command(["sh", "-c", script], bench.environ))
            stack.callback(terminals[ALONE].close)
        found = alternate({name: terminal.key for name, terminal in terminals.items()}, bench.options.keys)
        rows = [Row(name, [seconds * 1e6 for seconds in samples]) for name, samples in found.items()]
    bench.report.add(Table("keystroke", f"one key and its echo through run -it, {what}", "us", rows))


def execute(bench: Bench) -> None:
    """``exec CONTAINER echo``: from the call to the first byte, and to the exit."""
    with bench.image(bench.everyone) as reference, bench.rootfs() as root, ExitStack() as stack:
        commands: dict[str, Command] = {}
        for peer in bench.everyone:
            peer.detached(reference, "bench-exec", "sleep", "3600")
            commands[peer.name] = peer.execute("bench-exec", "echo", "here")
        floor = stack.enter_context(bare.execute(bench.folder / "runc-exec", root, bench.environ, "echo", "here"))
        if floor:
            commands[RUNC] = floor
        contestants = {name: lambda command=command: flow(command) for name, command in commands.items()}
        found = alternate(contestants, bench.options.rounds)
    for title, rows in (
        ("to its first byte", [Row(name, [one.first * 1000 for one in flows]) for name, flows in found.items()]),
        ("whole", [Row(name, [one.whole * 1000 for one in flows]) for name, flows in found.items()]),
    ):
        bench.report.add(Table("exec", f"exec CONTAINER echo, {title}", "ms", rows))
