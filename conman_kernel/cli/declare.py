"""How a verb declares itself: options and arguments as data.

The same data drives the fast parser (:mod:`.parse_args`) on every run and click (:mod:`.click_app`) for help and
completion, so that the 28 ms of click are paid only where its output is wanted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

from ..record import Record

if TYPE_CHECKING:
    from .context import Context
    from .values import Values

FLAG = "flag"
"""A switch: ``--rm``, ``--rm=false``, ``-i``; bundles as ``-it``."""

TEXT = "text"
"""One value; the last one given wins."""

ARRAY = "array"
"""May be repeated; every value is taken as it is."""

LIST = "list"
"""May be repeated; every value is split at commas (quotes as in CSV)."""

INTEGER = "integer"
"""A whole number."""

NUMBER = "number"
"""A decimal number."""

CONTAINER = "container"
"""What an argument names, for completion: a container."""

IMAGE = "image"
"""What an argument names, for completion: an image."""

PLUGIN = "plugin"
"""What an argument names, for completion: a plugin."""

NETWORK = "network"
"""What an argument names, for completion: a network."""

VOLUME = "volume"
"""What an argument names, for completion: a volume."""


class Option(Record):
    """One option of a verb.

    :param long: the long name with its dashes; without them it is the key in :class:`~.values.Values`.
    :param help: one line.
    :param kind: ``FLAG``, ``TEXT``, ``ARRAY``, ``LIST``, ``INTEGER`` or ``NUMBER``.
    :param short: a dash and one letter, or empty.
    :param metavar: what stands for the value in help.
    :param default: the value where the option is not given; None where the verb must see that.
    :param choices: the only values allowed; empty for any.
    :param aliases: further long names.
    :param hidden: accepted, and not shown in help.
    """

    long: str
    help: str
    kind: str = TEXT
    short: str = ""
    metavar: str = ""
    default: str | int | float | bool | None = None
    choices: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    hidden: bool = False

    @property
    def key(self) -> str:
        """The name without its dashes."""
        return self.long[2:]


EXPLAIN_OPTIONS: tuple[Option, ...] = (
    Option("--explain", "Say what would be done, by which plugins and why, and change nothing", FLAG),
    Option("--format", "With --explain: json", metavar="FORMAT", choices=("json",)),
)
"""What verbs take that :mod:`.explaining` can tell about."""


class Argument(Record):
    """The positional arguments of one name, in order.

    :param name: as shown in usage, upper case.
    :param minimum: fewest that must be given.
    :param maximum: most that may be given; None for any number (only the last argument).
    :param completes: ``CONTAINER``, ``IMAGE``, ``PLUGIN``, ``NETWORK``, ``VOLUME`` or empty.
    """

    name: str
    minimum: int = 1
    maximum: int | None = 1
    completes: str = ""


class Verb(Record):
    """One command.

    :param name: the verb as typed.
    :param help: one line, shown in the list of commands.
    :param run: does the work; returns the exit code.
    :param options: see :class:`Option`.
    :param arguments: see :class:`Argument`.
    :param interspersed: False: everything after the first argument belongs to the container's command.
    :param missing: the message where too few arguments are given; empty for the general one.
    :param notes: further paragraphs for ``--help``.
    """

    name: str
    help: str
    run: Callable[[Context, Values], int]
    options: tuple[Option, ...] = ()
    arguments: tuple[Argument, ...] = ()
    interspersed: bool = True
    missing: str = ""
    notes: tuple[str, ...] = ()

    @property
    def minimum(self) -> int:
        """The fewest positional arguments."""
        return sum(argument.minimum for argument in self.arguments)

    @property
    def maximum(self) -> int | None:
        """The most positional arguments; None for any number."""
        most = 0
        for argument in self.arguments:
            if argument.maximum is None:
                return None
            most += argument.maximum
        return most
