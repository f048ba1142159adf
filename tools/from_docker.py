"""Render docs/from-docker.md: docker's and podman's commands and options, and what conman does for each.

    tools/from_docker.py            writes the page
    tools/from_docker.py --check    exits with 1 where the page is not what would be written, or a note is wrong

What docker and podman have stands in ``from_docker_facts.json`` (names only, collected from their help by
``from_docker_collect.py``), what conman has in its own tables of verbs, and what differs and why in ``from_docker_notes.toml``.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Iterable, Mapping, NamedTuple

import tomli

TOP = Path(__file__).resolve().parents[1]
PAGE = TOP / "docs/from-docker.md"
FACTS = TOP / "tools/from_docker_facts.json"
NOTES = TOP / "tools/from_docker_notes.toml"

TOOLS = ("docker", "podman")
_GROUPS = (
    ("Containers", ("container", "healthcheck", "init")), ("Images", ("image",)), ("Registries", ()), ("Volumes", ("volume",)),
    ("Networks", ("network",)), ("The program, its store and its plugins", ("system", "plugin")))
_REGISTRIES = ("login", "logout", "search")
_IMAGES = ("build", "history", "images", "import", "load", "pull", "push", "rmi", "save", "tag", "untag")
_SYSTEM = ("events", "info", "version", "unshare", "auto-update", "inspect")
_FLAT = {"container ls": "ps", "container list": "ps", "container ps": "ps", "image ls": "images", "image list": "images",
         "image rm": "rmi"}
_TWICE = ("container", "image", "system", "builder")
"""Nouns whose verbs stand by themselves, too."""
_OWN = ("container inspect", "image inspect")
"""Verbs of a noun that do something else than the one by itself."""


class Facts(NamedTuple):
    """What one of the tools has: command -> option -> its short form, or empty."""

    version: str
    commands: Mapping[str, Mapping[str, str]]


class Reason(NamedTuple):
    """Why something is not there.

    :param commands: commands, or first words of them; ``options``: options, wherever they would stand.
    """

    number: int
    text: str
    commands: tuple[str, ...]
    options: tuple[str, ...]


class Notes(NamedTuple):
    """:param differs: command -> what conman does in another way."""

    reasons: tuple[Reason, ...]
    differs: Mapping[str, str]


def facts() -> dict[str, Facts]:
    return {tool: Facts(found["version"], found["commands"]) for tool, found in json.loads(FACTS.read_text()).items()}


def notes() -> Notes:
    found = tomli.loads(NOTES.read_text())
    reasons = [Reason(number, one["text"], tuple(one.get("commands", ())), tuple(one.get("options", ())))
               for number, one in enumerate(found["reason"], 1)]
    return Notes(tuple(reasons), found["differs"])


def own_options(command: str) -> frozenset[str] | None:
    """What conman's command takes, hidden options and aliases with them; None where there is no such command."""
    from conman_kernel.cli.global_options import OPTIONS
    from conman_kernel.cli.verb_table import find

    found = find(command.split())
    if found is None or found[2]:
        return None
    return frozenset(name for option in (*found[1].options, *OPTIONS) for name in (option.long, *option.aliases))


class Command(NamedTuple):
    """One command under the name that the page shows, with the other names of the same.

    :param options: option -> which tools have it.
    """

    name: str
    others: tuple[str, ...]
    tools: tuple[str, ...]
    options: Mapping[str, tuple[str, ...]]


def commands(known: Mapping[str, Facts]) -> list[Command]:
    """All commands of both tools, those with several names once."""
    names = sorted({name for tool in TOOLS for name in known[tool].commands})
    flat = {name for name in names if " " not in name}
    by_name: dict[str, list[str]] = {}
    for name in names:
        noun, _, verb = name.partition(" ")
        twice = noun in _TWICE and verb in flat and name not in _OWN and _same(known, name, verb)
        shown = _FLAT.get(name) or (verb if twice else name)
        by_name.setdefault(shown, []).append(name)
    return [_command(known, shown, listed) for shown, listed in sorted(by_name.items())]


def _same(known: Mapping[str, Facts], one: str, other: str) -> bool:
    """Some tool has both, with the same options."""
    return any(one in known[tool].commands and known[tool].commands.get(other) == known[tool].commands[one] for tool in TOOLS)


def _command(known: Mapping[str, Facts], shown: str, names: list[str]) -> Command:
    options: dict[str, list[str]] = {}
    tools = [tool for tool in TOOLS if any(name in known[tool].commands for name in names)]
    for tool in tools:
        for option in sorted({option for name in names for option in known[tool].commands.get(name, ())}):
            options.setdefault(option, []).append(tool)
    return Command(shown, tuple(name for name in names if name != shown), tuple(tools),
                   {option: tuple(of) for option, of in sorted(options.items())})


def why(note: Notes, command: str, option: str = "") -> Reason:
    """The reason why a command, or an option of one that is there, is not there. :raises KeyError: nobody gave one."""
    for reason in note.reasons:
        if option and (option in reason.options or f"{command} {option}" in reason.options):
            return reason
        if not option and any(command == named or command.startswith(named + " ") for named in reason.commands):
            return reason
    raise KeyError(f"{NOTES.name} does not say why {f'{command} {option}'.strip()} is not there")


def render() -> str:
    """The whole page."""
    known, note = facts(), notes()
    there: dict[str, list[str]] = {group: [] for group, _ in _GROUPS}
    absent: dict[int, list[str]] = {}
    for command in commands(known):
        if own_options(command.name) is None:
            absent.setdefault(why(note, command.name).number, []).append(_with_tools(command.name, command.tools))
        else:
            there[_group(command.name)].append(_row(command, note))
    lines = [_HEAD.format(docker=known["docker"].version, podman=known["podman"].version)]
    for group, rows in there.items():
        if rows:
            lines += [f"## {group}", "", *_HEADINGS, *rows, ""]
    lines += ["## Commands that are not there", "", "| commands | why |", "| --- | --- |"]
    lines += [f"| {', '.join(absent[reason.number])} | {reason.text} |" for reason in note.reasons if reason.number in absent]
    lines += ["", "## Options that are not there", ""]
    lines += [f"{reason.number}. {reason.text}" for reason in note.reasons]
    return "\n".join(lines) + "\n"


_HEADINGS = ("| command | options that are the same | not there | what differs |", "| --- | --- | --- | --- |")
_HEAD = """# From docker and podman

What docker {docker} and podman {podman} have, command by command and option by option, and what conman does for each. The page
is made from the help of those two and from conman's own tables by `tools/from_docker.py`; a test fails when it is not what they
say.

An option without a mark is one of both, ᵈ of docker alone, ᵖ of podman alone. *The same* means that conman takes it, also by its
short form, and does what they do, unless the last column says otherwise; where docker and podman differ from each other, conman
does as podman. What is *not there* has a number: [why](#options-that-are-not-there). An option that is not there is refused,
never passed over. A name that is struck out is there under the others only.
Format strings and filters work as [docs/command-line.md](command-line.md#output-for-programs) tells.
"""


def _group(name: str) -> str:
    first = name.partition(" ")[0]
    if first in _REGISTRIES:
        return "Registries"
    if first in _IMAGES:
        return "Images"
    if first in _SYSTEM:
        return _GROUPS[-1][0]
    return next((group for group, nouns in _GROUPS if first in nouns), "Containers")


def _mark(tools: tuple[str, ...]) -> str:
    return "" if len(tools) > 1 else {"docker": "ᵈ", "podman": "ᵖ"}[tools[0]]


def _with_tools(name: str, tools: tuple[str, ...]) -> str:
    return f"`{name}`{_mark(tools)}"


def _row(command: Command, note: Notes) -> str:
    own = own_options(command.name) or frozenset()
    there = [_with_tools(option, tools) for option, tools in command.options.items() if option in own]
    absent = [f"{_with_tools(option, tools)} {why(note, command.name, option).number}"
              for option, tools in command.options.items() if option not in own]
    names = "<br>".join([f"**{_with_tools(command.name, command.tools)}**", *(
        f"`{name}`" if own_options(name) is not None else f"~~`{name}`~~" for name in command.others)])
    return f"| {names} | {' '.join(there)} | {', '.join(absent)} | {note.differs.get(command.name, '').strip()} |"


def faults() -> list[str]:
    """Notes that are not true (any more)."""
    known, note = facts(), notes()
    listed = {command.name: command for command in commands(known)}
    found = [f"differs: there is no command {name}" for name in note.differs if name not in listed or own_options(name) is None]
    for name, text in note.differs.items():
        for command, option in _mentioned(text):
            of = command or name
            if option not in (own_options(of) or frozenset()) | frozenset(listed[of].options if of in listed else ()):
                found.append(f"differs.{name}: nobody's {of} has {option}")
    for reason in note.reasons:
        for named in reason.commands:
            if not any(one == named or one.startswith(named + " ") for one in listed):
                found.append(f"reason {reason.number}: neither has a command {named}")
            found += [f"reason {reason.number}: conman has {one}" for one in listed
                      if (one == named or one.startswith(named + " ")) and own_options(one) is not None and reason.commands]
        for option in reason.options:
            command, _, word = option.rpartition(" ")
            places = [one for one in listed.values() if word in one.options and command in ("", one.name)
                      and (own := own_options(one.name)) is not None and word not in own]
            if not places:
                found.append(f"reason {reason.number}: {option} is missing nowhere")
    return found


def _mentioned(text: str) -> Iterable[tuple[str, str]]:
    """Options that a note names: a command before one (``run --rm``), or empty, and the option."""
    return re.findall(r"(?:([a-z]+) )?(--[a-z][a-z-]+)", text)


def main(arguments: list[str]) -> int:
    sys.path.insert(0, str(TOP))
    wrong = faults()
    for line in wrong:
        print(line, file=sys.stderr)
    text = render()
    if arguments == ["--check"]:
        return 1 if wrong or PAGE.read_text() != text else 0
    PAGE.write_text(text)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
