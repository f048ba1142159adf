"""From argv to an exit code: find the verb, parse, run it, and turn whatever it raises into words and a number."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Sequence

from ..errors import Cancelled, ConmanError
from . import out
from .context import Context
from .declare import Verb
from .global_options import GLOBAL, merged, with_globals
from .parse_args import HelpWanted, check_arguments, parse
from .signals import Cancelling
from .verb_table import NOUNS, VERBS, find

if TYPE_CHECKING:
    from ..containers.shim import Shim
    from .values import Values

BROKEN_PIPE = 141
"""The exit code where standard output is gone: what a shell shows for a program that SIGPIPE ended."""


def dispatch(argv: Sequence[str], shim: Shim | None = None) -> int:
    """Run one command line.

    :param argv: without the program's name.
    :param shim: launched early, see :mod:`.early`; closed here where no verb takes it.
    :returns: the exit code; ``docs/exit-codes.md`` says what it means.
    """
    debug = _debugging(argv)
    try:
        if "_CONMAN_COMPLETE" in os.environ:
            from .click_app import complete

            return complete(os.environ["_CONMAN_COMPLETE"])
        return _dispatch(list(argv), shim)
    except BrokenPipeError:
        return BROKEN_PIPE
    except ConmanError as error:
        if debug:
            import traceback

            traceback.print_exc()
        out.report(error)
        return error.exit_code
    except OSError as error:
        if debug:
            raise
        out.error_text(f"Error: {_of(error)}\n")
        return 125
    except Exception as error:
        if debug:
            raise
        out.error_text(f"Error: conman has a defect here: {type(error).__name__}: {' '.join(str(error).split())}\n"
                       "Hint: please report it, with what --log-level debug shows\n")
        return 125
    finally:
        if shim is not None:
            shim.close()  # once more where a context had it, which does nothing


def _of(error: OSError) -> str:
    """What failed, and why."""
    doing = "write " if error.filename in out.STREAMS else ""
    name = f"{doing}{error.filename}: " if error.filename else ""
    return f"{name}{error.strerror or error}"


def _debugging(argv: Sequence[str]) -> bool:
    """Whether tracebacks are wanted. Asked before anything is parsed: parsing may be what fails."""
    pairs = zip(argv, [*argv[1:], ""])
    return os.environ.get("CONMAN_LOG_LEVEL") == "debug" or any(
        word == "--log-level=debug" or (word == "--log-level" and value == "debug") for word, value in pairs)


def _dispatch(argv: list[str], shim: Shim | None) -> int:
    try:
        before = parse(GLOBAL, argv, "conman")
    except HelpWanted:
        return _help([])
    words = list(before.arguments)
    if before.flag("version"):
        from .._version import VERSION

        out.line(f"conman version {VERSION}")
        return 0
    if not words:
        _help([], fd=2)
        from .usage import command_missing

        raise command_missing("conman")
    found = find(words)
    if found is None:
        return _other(argv, words, before.text("root"))
    name, verb, rest = found
    path = f"conman {name}"
    try:
        values = parse(with_globals(verb), rest, path)
    except HelpWanted:
        return _help(name.split())
    check_arguments(verb, values, path)
    return run_verb(Context(path, merged(before, values), shim), verb, values)


def run_verb(context: Context, verb: Verb, values: Values) -> int:
    """Run a parsed verb with signals turned into its cancel token.

    :returns: the exit code; 128 + n where signal n stopped it.
    """
    with context.waiting, Cancelling(context.cancel, context.waiting) as caught:
        try:
            return verb.run(context, values)
        except Cancelled:
            if not caught.number:
                raise
            return 128 + caught.number
        finally:
            context.close()


def _help(words: list[str], fd: int = 1) -> int:
    from .click_app import help_text

    out.write(help_text(words), fd)
    return 0


def _other(argv: list[str], words: list[str], root: str) -> int:
    """Not in the tables: help, a noun without its verb, a plugin's command, or a mistake."""
    first = words[0]
    if first == "help":
        return _help(words[1:])
    if first in NOUNS:
        rest = words[1:]
        if rest and rest[0] in ("--help", "-h"):
            return _help([first])
        from .usage import command_missing, unknown_command

        raise unknown_command(rest[0], list(NOUNS[first]),
                              f"conman {first}") if rest else command_missing(f"conman {first}")
    from .plugin_commands import run_plugin_command

    code = run_plugin_command(argv, words, root)
    if code is not None:
        return code
    from .usage import unknown_command

    raise unknown_command(first, [*VERBS, *NOUNS, "help"], "conman")
