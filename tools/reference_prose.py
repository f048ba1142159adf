"""Docstrings as Markdown: fields (``:param x:``), roles (``:class:`X```), code, lists; everything else is escaped."""

from __future__ import annotations

import ast
import re
from typing import Callable, NamedTuple

Resolve = Callable[[str, str], str]
"""From a role (``class``, ``meth``, ...) and its target to Markdown."""

_FIELD = re.compile(r"(?:^|(?<=[.;)] )):(param|ivar|returns|raises|yields)(?: ([^:\n]+))?:(?=\s|$)", re.MULTILINE)
_INLINE = re.compile(r"``(?P<code>.+?)``|:(?P<role>[a-z]+):`(?P<target>[^`]+)`"
                     r"|(?<![\w*])\*(?P<stress>\w(?:[^*]*\w)?)\*(?![\w*])"
                     r"|(?<![\w`])`(?P<title>[^`<]+?) ?<(?P<url>[^>]+)>`_", re.DOTALL)
_SPECIAL = re.compile(r"([\\`\[\]<>|]|\*|(?<!\w)_|_(?!\w)|~(?=~))")


class Fields(NamedTuple):
    """A docstring taken apart.

    :param text: what stands before and between the fields.
    :param parameters: ``:param:``, name and text, in order; ``attributes``: ``:ivar:`` likewise.
    :param returns: the text of ``:returns:`` or ``:yields:``, ``""`` where there is none.
    :param raises: names, separated by commas, and text, in order.
    """

    text: str
    parameters: tuple[tuple[str, str], ...]
    attributes: tuple[tuple[str, str], ...]
    returns: str
    raises: tuple[tuple[str, str], ...]


def fields(doc: str) -> Fields:
    """Take a cleaned docstring apart. A field ends at the next one, or at an empty line with text at the margin below it."""
    marks = [*_FIELD.finditer(doc)]
    text = [doc[:marks[0].start()] if marks else doc]
    named: dict[str, list[tuple[str, str]]] = {"param": [], "ivar": [], "raises": []}
    returns = ""
    for number, mark in enumerate(marks):
        end = marks[number + 1].start() if number + 1 < len(marks) else len(doc)
        body, kind, name = doc[mark.end():end], mark[1], (mark[2] or "").strip()
        rest = re.search(r"\n\n(?=\S)", body)
        if rest:
            text.append(body[rest.end():])
            body = body[:rest.start()]
        body = " ".join(body.split())
        if kind in named:
            named[kind].append((name, body))
        else:
            returns = body
    return Fields("\n\n".join(part.strip() for part in text if part.strip()), tuple(named["param"]), tuple(named["ivar"]),
                  returns, tuple(named["raises"]))


def inline(text: str, resolve: Resolve) -> str:
    """One run of prose as Markdown, on one line."""
    made, at = [], 0
    text = " ".join(text.split())
    for found in _INLINE.finditer(text):
        made.append(escaped(text[at:found.start()]))
        if found["code"] is not None:
            made.append(code(found["code"]))
        elif found["role"] is not None:
            made.append(resolve(found["role"], found["target"]))
        elif found["stress"] is not None:
            made.append(f"*{escaped(found['stress'])}*")
        else:
            made.append(f"[{escaped(found['title'])}]({found['url']})")
        at = found.end()
    made.append(escaped(text[at:]))
    return "".join(made)


def escaped(text: str) -> str:
    """Text in which Markdown sees nothing of its own."""
    return _SPECIAL.sub(r"\\\1", text)


def code(text: str) -> str:
    """A code span, also of text with backticks."""
    fence = "``" if "`" in text else "`"
    blank = " " if "`" in text else ""
    return f"{fence}{blank}{text}{blank}{fence}"


def cell(text: str) -> str:
    """Markdown for a cell of a table: a bar inside code would end the cell."""
    return re.sub(r"(?<!\\)\|", r"\\|", text)


def first_sentence(doc: str) -> str:
    """The first sentence of a docstring, for lists."""
    text = " ".join(fields(doc).text.split("\n\n")[0].split()).removesuffix(" ::").removesuffix("::")
    end = re.search(r"(?<=[^.])\.(?= [A-Z`:]|$)", text)
    return text[:end.end()] if end else text.rstrip(":")


def blocks(text: str, resolve: Resolve) -> str:
    """Paragraphs, lists and literal blocks as Markdown."""
    made: list[str] = []
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        if not lines[at].strip():
            at += 1
            continue
        paragraph = []
        while at < len(lines) and lines[at].strip():
            paragraph.append(lines[at])
            at += 1
        literal = paragraph[-1].rstrip().endswith("::")
        if literal:
            paragraph[-1] = paragraph[-1].rstrip()[:-1].removesuffix(":") + (":" if paragraph[-1].strip() != "::" else "")
        made += _paragraph([line for line in paragraph if line.strip()], resolve)
        if literal:
            inside: list[str] = []
            while at < len(lines) and (not lines[at].strip() or lines[at].startswith(" ")):
                inside.append(lines[at])
                at += 1
            made.append(_literal(inside))
    return "\n\n".join(made)


def _paragraph(lines: list[str], resolve: Resolve) -> list[str]:
    items: list[list[str]] = []
    plain: list[str] = []
    for line in lines:
        bullet = re.match(r"\s*([-*]|\d+\.) +", line)
        if bullet:
            items.append([f"{bullet[1]} ", line[bullet.end():]])
        elif items and line.startswith(" "):
            items[-1].append(line)
        else:
            plain.append(line)
    made = [inline("\n".join(plain), resolve)] if plain else []
    if items:
        made.append("\n".join(item[0] + inline("\n".join(item[1:]), resolve) for item in items))
    return made


def _literal(lines: list[str]) -> str:
    while lines and not lines[0].strip():
        del lines[0]
    while lines and not lines[-1].strip():
        del lines[-1]
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    text = "\n".join(line[margin:] for line in lines)
    return f"```{'py' if _is_python(text) else 'text'}\n{text}\n```"


def _is_python(text: str) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return "(" in text
