"""Rules brought into the host's tables by iptables-restore(8): one program for all of them, and a transaction a table.

What must be there is *checked* (``-C``) in the very run that adds a container's ports: it fails as a whole where a rule is
missing, which is the case for a network's first container, after a reboot, and after somebody flushed the tables. Only then are
the tables read, and what is missing added. Readers and writers of one store take turns; what another store, or another program,
changed between reading and writing makes the transaction fail, and it is tried again.
"""

from __future__ import annotations

import os
import re
from typing import Callable, Mapping, Sequence

from conman_kernel.cancel import Cancel
from conman_kernel.errors import Unavailable
from conman_kernel.record import Record
from conman_kernel.support.programs import Ended, Running, run, search_path

from . import tools
from .rules import CHAINS, MARK, TABLES, Rule, hooks
from .turns import turn

_COMMENT = re.compile(rf'--comment "?({MARK}[0-9a-z:]+)"?')
_TARGET = re.compile(r" -j (CONMAN-P-[0-9a-f]+)")
_TRIES = 5
_PAUSE = 0.02


class _Found(Record):
    """One rule of ours that is there: its table, the line as iptables-save(8) has it, its comment."""

    table: str
    line: str
    comment: str


class _Seen(Record):
    """What is there of ours: rules, and chains by table."""

    rules: tuple[_Found, ...]
    chains: frozenset[tuple[str, str]]


_Change = Callable[[_Seen], Mapping[str, Sequence[str]]]


class Tables:
    """The tables of IPv4 and IPv6.

    :param folder: for the lock; made where it is not there.
    :param hold: a descriptor for the programs to hold, see :mod:`.turns`.
    """

    def __init__(self, folder: str, *, hold: int = -1) -> None:
        self._folder = folder
        self._hold = hold

    def begin(self, ip: int, rules: Sequence[Rule], ports: Sequence[str] = ()) -> Running:
        """Begin to check that rules are there, and to add a container's ports; :meth:`finish` ends it.

        :param ip: the version, 4 or 6.
        :param ports: lines of the table nat.
        """
        lines: dict[str, list[str]] = {table: [] for table in TABLES}
        for rule in (*hooks(), *rules):
            lines[rule.table].append(f"-C {rule.chain} {rule.spec}")
        lines["nat"] += ports
        return Running([tools.iptables(_program(ip, "restore")), "-n", "-w"], _environ(), _text(lines),
                       hold=self._hold)

    def finish(self, running: Running, ip: int, rules: Sequence[Rule], ports: Sequence[str], cancel: Cancel) -> None:
        """Afterwards the rules are there, and the ports, all of them.

        :raises Unavailable: iptables refuses, in its own words.
        """
        if running.wait(cancel).code == 0:
            return
        with turn(self._folder, "rules", cancel):
            self._until_done(ip, lambda seen: _missing(seen, rules, ports), cancel)

    def remove_ports(self, ip: int, lines: Sequence[str], chain: str, cancel: Cancel) -> None:
        """Take a container's ports back; that they, or a part of them, are not there is no error.

        :param lines: what does it where all of it is there. ``chain``: the container's.
        """
        if self._restore(ip, {"nat": lines}, cancel).code == 0:
            return
        with turn(self._folder, "rules", cancel):
            self._until_done(ip, lambda seen: _without_chain(seen, chain), cancel)

    def remove_network(self, ip: int, owner: str, cancel: Cancel) -> None:
        """Take back whatever there is of a network, ports of its containers included; the shared chains, where nothing else is
        in them."""
        with turn(self._folder, "rules", cancel):
            self._until_done(ip, lambda seen: _without_network(seen, owner), cancel)

    def owners(self, ip: int, cancel: Cancel) -> frozenset[str]:
        """The networks of which there are rules."""
        return frozenset(found.comment.split(":")[1] for found in self._see(ip, cancel).rules) - {"hook"}

    def _until_done(self, ip: int, change: _Change, cancel: Cancel) -> None:
        ended = Ended(0, b"", b"")
        for _ in range(_TRIES):
            lines = change(self._see(ip, cancel))
            if not any(lines.values()):
                return
            ended = self._restore(ip, lines, cancel)
            if ended.code == 0:
                return
            cancel.wait_readable(timeout=_PAUSE)
        words = " ".join((ended.errors or ended.output).decode("utf-8", "replace").split())[:400]
        raise Unavailable(f"{_program(ip, 'restore')} failed: {words or f'exit code {ended.code}'}",
                          hint="the kernel may lack a module of netfilter (conntrack, nat, addrtype, comment)"
                          if "failed" in words or "load" in words else "")

    def _see(self, ip: int, cancel: Cancel) -> _Seen:
        ended = run([tools.iptables(_program(ip, "save"))], _environ(), cancel)
        if ended.code:
            raise Unavailable(f"{_program(ip, 'save')} failed: {' '.join(ended.errors.decode('utf-8', 'replace').split())[:400]}")
        return _parsed(ended.output.decode("utf-8", "replace"))

    def _restore(self, ip: int, lines: Mapping[str, Sequence[str]], cancel: Cancel) -> Ended:
        return run([tools.iptables(_program(ip, "restore")), "-n", "-w"], _environ(), cancel, _text(lines), hold=self._hold)


def _missing(seen: _Seen, rules: Sequence[Rule], ports: Sequence[str]) -> dict[str, list[str]]:
    """Lines that add what is not there, and take away what a network had before: with other options, of another version."""
    there = {found.comment for found in seen.rules}
    lines = _chains(seen)
    for rule in (*hooks(), *rules):
        if rule.comment not in there:
            lines[rule.table].append(f"-I {rule.chain} 1 {rule.spec}" if rule.top else f"-A {rule.chain} {rule.spec}")
    wanted, owners = {rule.comment for rule in rules}, {rule.owner for rule in rules}
    for found in seen.rules:
        parts = found.comment.split(":")
        if parts[1] in owners and len(parts) == 3 and found.comment not in wanted:
            lines[found.table].append(_undone(found))
    lines["nat"] += ports
    return lines


def _chains(seen: _Seen) -> dict[str, list[str]]:
    lines: dict[str, list[str]] = {table: [] for table in TABLES}
    for table, chain in CHAINS:
        if (table, chain) not in seen.chains:
            lines[table].append(f":{chain} - [0:0]")
    return lines


def _without_chain(seen: _Seen, chain: str) -> dict[str, list[str]]:
    lines = [_undone(found) for found in seen.rules if (target := _TARGET.search(found.line)) and target[1] == chain]
    if ("nat", chain) in seen.chains:
        lines += [f"-F {chain}", f"-X {chain}"]
    return {"nat": lines}


def _without_network(seen: _Seen, owner: str) -> dict[str, list[str]]:
    gone = [found for found in seen.rules if found.comment.split(":")[1] == owner]
    lines: dict[str, list[str]] = {table: [_undone(found) for found in gone if found.table == table] for table in TABLES}
    for found in gone:
        target = _TARGET.search(found.line)
        if target and ("nat", target[1]) in seen.chains:
            lines["nat"] += [f"-F {target[1]}", f"-X {target[1]}"]
    left = [found for found in seen.rules if found not in gone and found.comment.split(":")[1] != "hook"]
    if not left:
        for found in seen.rules:
            if found not in gone:
                lines[found.table].append(_undone(found))
        for table, chain in CHAINS:
            if (table, chain) in seen.chains:
                lines[table] += [f"-F {chain}", f"-X {chain}"]
    return lines


def _parsed(text: str) -> _Seen:
    table, rules, chains = "", [], set()
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith(":CONMAN-"):
            chains.add((table, line[1:].split(" ")[0]))
        elif line.startswith("-A ") and (comment := _COMMENT.search(line)):
            rules.append(_Found(table, line, comment[1]))
    return _Seen(tuple(rules), frozenset(chains))


def _undone(found: _Found) -> str:
    return "-D" + found.line[2:]


def _text(lines: Mapping[str, Sequence[str]]) -> bytes:
    parts = []
    for table in TABLES:
        if lines.get(table):
            parts += [f"*{table}", *lines[table], "COMMIT"]
    return ("\n".join(parts) + "\n").encode()


def _program(ip: int, what: str) -> str:
    return f"ip{'6' if ip == 6 else ''}tables-{what}"


def _environ() -> Mapping[str, str]:
    return {"PATH": search_path(os.environ)}
