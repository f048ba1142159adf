"""What stands after ``--format``: a template, for one row at a time or for all, with or without ``table`` before it."""

from __future__ import annotations

from typing import Mapping, Sequence

from .evaluate import MOST_STEPS, Run
from .fields import fields
from .functions import FUNCTIONS
from .headings import heading
from .lexer import Lexer
from .parser import Parser
from .problem import Source
from .tabs import aligned
from .tree import Body, Dot, Parsed, Range, Text


class Form:
    """A template, read once.

    :param format: as the user wrote it; ``\\t`` and ``\\n`` outside of actions are a tab and a newline. ``table `` before it asks
        for columns with a heading, which spaces part, too, as podman does it.
    :param headings: field -> heading, where that is not the field's name in capital words.
    :param name: what it is called in errors.
    :raises InvalidInput: it is no template.
    """

    def __init__(self, format: str, headings: Mapping[str, str] | None = None, *, name: str = "--format") -> None:
        self._source = Source(format, name)
        self._headings = headings or {}
        self.columns = format.startswith("table ")
        begin = 5 if self.columns else 0
        self._parsed = _parsed(self._source, begin, columns=self.columns)

    @property
    def of_all(self) -> bool:
        """It begins with ``{{range .}}``: it is run once, over the list of all rows."""
        first = next((node for node in self._parsed.body if not isinstance(node, Text) or node.text.strip()), None)
        if not isinstance(first, Range) or len(first.pipe.commands) != 1:
            return False
        operands = first.pipe.commands[0].operands
        return len(operands) == 1 and isinstance(operands[0], Dot)

    def heading(self) -> str:
        """The line of headings, with its newline; cells are parted by tabs."""
        body: Body = self._parsed.body
        return heading(body, self._headings)

    def row(self, row: Mapping[str, object], *, steps: int = MOST_STEPS) -> str:
        """What it prints of one row, with a newline at its end. A dictionary is a struct; see :mod:`.fields` for those in it.

        :raises InvalidInput: the row lacks a field, or a function cannot take what it is given.
        """
        return Run(self._source, self._parsed, steps).over(fields(row))

    def text(self, rows: Sequence[Mapping[str, object]], *, heading: bool = True) -> str:
        """What it prints of all rows. Errors as :meth:`row`.

        :param heading: False: no line of headings.
        """
        if self.of_all:
            shown = Run(self._source, self._parsed).over([fields(row) for row in rows])
            shown = shown.removesuffix("\n") if shown.endswith("\n\n") else shown
        else:
            shown = "".join(map(self.row, rows))
        if not self.columns:
            return shown
        return aligned((self.heading() if heading else "") + shown)


def _parsed(source: Source, begin: int, *, columns: bool) -> Parsed:
    while columns and source.text[begin:begin + 1] == " ":
        begin += 1

    def plain(text: str) -> str:
        text = text.replace("\\t", "\t").replace("\\n", "\n")
        return text.replace(" ", "\t") if columns else text

    try:
        ending = "" if plain(source.text).endswith("\n") else "\n"
        return Parser(source, Lexer(source, begin, plain, ending).tokens(), FUNCTIONS).parse()
    except RecursionError:
        raise source.problem(0, "nested too deeply") from None
