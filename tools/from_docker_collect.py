"""Write down which commands and options docker and podman have, from their own ``--help``: names only.

    tools/from_docker_collect.py > tools/from_docker_facts.json

Needs both clients on the PATH; no daemon, and neither is asked to do anything. ``tools/from_docker.py`` renders
docs/from-docker.md from what this writes.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys

_LISTS = re.compile(r"^(?:\w+ )*[Cc]ommands:$")
_OPTIONS = re.compile(r"^(Options|Flags):$")
_COMMAND = re.compile(r"^  ([a-z][a-z0-9-]*)\*?\s")
_OPTION = re.compile(r"^ {2,6}(?:(-\w), )?(--[a-z][\w.-]*)")
_PLUGINS = ("app", "buildx", "compose", "debug", "desktop", "dev", "extension", "feedback", "init", "mcp", "model", "sandbox",
            "sbom", "scout")
"""Commands of docker's client plugins, which are programs of their own."""


def help_of(words: list[str]) -> list[str]:
    """The lines of a command's help."""
    done = subprocess.run([*words, "--help"], capture_output=True, text=True, timeout=60, check=True,
                          env={"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/nonexistent"})
    return done.stdout.splitlines()


def section(lines: list[str], heading: re.Pattern[str]) -> list[str]:
    """The lines below each heading that matches, up to the next one."""
    found: list[str] = []
    within = False
    for line in lines:
        if line and not line.startswith(" "):
            within = bool(heading.match(line))
        elif within:
            found.append(line)
    return found


def collect(words: list[str], into: dict[str, dict[str, str]]) -> None:
    """All commands below ``words`` (the program and a command), with their options: long name -> short name, or empty."""
    lines = help_of(words)
    commands = [match[1] for line in section(lines, _LISTS) if (match := _COMMAND.match(line))]
    passed_over = ("help", "completion", *(_PLUGINS if words == ["docker"] else ()))
    commands = [name for name in commands if name not in passed_over]
    if not commands:
        options = [match for line in section(lines, _OPTIONS) if (match := _OPTION.match(line))]
        into[" ".join(words[1:])] = {match[2]: match[1] or "" for match in sorted(options, key=lambda match: match[2])
                                     if match[2] != "--help"}
    for name in sorted(commands):
        collect([*words, name], into)


def main() -> int:
    facts = {}
    for tool in ("docker", "podman"):
        version = subprocess.run([tool, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout
        commands: dict[str, dict[str, str]] = {}
        collect([tool], commands)
        facts[tool] = {"version": re.findall(r"\d+\.\d+\.\d+", version)[0], "commands": commands}
    text = json.dumps(facts, indent=1)
    # One command a line: changes can be read.
    sys.stdout.write(re.sub(r"\{\n\s+(\"--[^{}]*?)\n\s+\}", lambda match: "{" + " ".join(match[1].split()) + "}", text) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
