"""What a template means, as a tree of records. ``at`` and ``end`` are places in its text."""

from __future__ import annotations

from ...record import Record


class Dot(Record):
    """``.``"""

    at: int
    end: int


class Nil(Record):
    """``nil``"""

    at: int
    end: int


class Constant(Record):
    """A string, number, character, ``true`` or ``false``."""

    at: int
    end: int
    value: object


class Function(Record):
    """The name of a function."""

    at: int
    end: int
    name: str


class Field(Record):
    """``.A.B``"""

    at: int
    end: int
    names: tuple[str, ...]


class Variable(Record):
    """``$x.A.B``; ``$`` alone is what the template was given."""

    at: int
    end: int
    name: str
    names: tuple[str, ...]


class Chain(Record):
    """``(...).A.B``, or fields after a function's name."""

    at: int
    end: int
    of: Operand
    names: tuple[str, ...]


class Command(Record):
    """A function, method or value with its arguments."""

    at: int
    end: int
    operands: tuple[Operand, ...]


class Pipe(Record):
    """Commands, each with the value of the one before as its last argument.

    :param variables: what takes the value, with their dollar signs.
    :param assigns: the variable exists already (``=``).
    """

    at: int
    end: int
    commands: tuple[Command, ...]
    variables: tuple[str, ...]
    assigns: bool


Operand = Dot | Nil | Constant | Function | Field | Variable | Chain | Pipe


class Text(Record):
    """Printed as it is."""

    text: str


class Action(Record):
    """``{{pipe}}``"""

    pipe: Pipe


class If(Record):
    """``{{if}}``, and ``{{with}}``, which sets the dot."""

    pipe: Pipe
    body: Body
    otherwise: Body
    sets_dot: bool


class Range(Record):
    """``{{range}}``"""

    pipe: Pipe
    body: Body
    otherwise: Body


class Call(Record):
    """``{{template "name" pipe}}``"""

    at: int
    end: int
    name: str
    pipe: Pipe | None


class Leave(Record):
    """``{{break}}``, or ``{{continue}}`` where ``again``."""

    again: bool


Node = Text | Action | If | Range | Call | Leave
Body = tuple[Node, ...]


class Parsed(Record):
    """A whole template.

    :param body: what is printed.
    :param defined: the templates that it defines, by name.
    """

    body: Body
    defined: dict[str, Body]
