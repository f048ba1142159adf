"""The line of headings above ``table ...``: the template's text, with each action's field as its heading."""

from __future__ import annotations

from typing import Mapping

from .tree import Action, Body, Chain, Field, If, Operand, Pipe, Range, Text, Variable


def heading(body: Body, known: Mapping[str, str]) -> str:
    """The line, cells parted by tabs.

    :param known: field -> heading, where that is not made from the field's name.
    """
    return "".join(_of_node(node, known) for node in body)


def words(name: str) -> str:
    """A heading made from a field's name, as podman makes it: ``CreatedAt`` -> ``CREATED AT``."""
    found = ""
    for number, letter in enumerate(name):
        after_small = number > 0 and letter.isupper() and not name[number - 1].isupper()
        ends_capitals = number > 0 and letter.isupper() and name[number + 1:number + 2].islower()
        found += (" " if after_small or ends_capitals else "") + letter
    return found.upper()


def _of_node(node: object, known: Mapping[str, str]) -> str:
    if isinstance(node, Text):
        return node.text
    if isinstance(node, Action):
        return "" if node.pipe.variables else _of_pipe(node.pipe, known)
    if isinstance(node, If):
        return heading(node.body, known) or _of_pipe(node.pipe, known)
    return _of_pipe(node.pipe, known) or heading(node.body, known) if isinstance(node, Range) else ""


def _of_pipe(pipe: Pipe, known: Mapping[str, str]) -> str:
    for command in pipe.commands:
        for operand in command.operands:
            found = _of_operand(operand, known)
            if found:
                return found
    return ""


def _of_operand(operand: Operand, known: Mapping[str, str]) -> str:
    if isinstance(operand, Pipe):
        return _of_pipe(operand, known)
    if isinstance(operand, (Field, Variable, Chain)) and operand.names:
        name = operand.names[-1]
        return known.get(name) or words(name)
    return _of_operand(operand.of, known) if isinstance(operand, Chain) else ""
