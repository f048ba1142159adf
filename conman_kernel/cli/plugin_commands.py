"""Verbs that other distributions bring: entry points of ``conman.commands``, click commands by the verb's name.

They are looked for only where no verb of conman's own has the name, so that nobody can put himself in front of ``rm``.
Such a command finds a :class:`~conman_kernel.cli.context.Context` in click's ``obj``: ``context.obj.conman()`` is the
kernel with the global options applied.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..errors import InvalidInput, PluginConflict, PluginFailed

if TYPE_CHECKING:
    import click

GROUP = "conman.commands"


def plugin_command(name: str) -> click.Command | None:
    """The command that a plugin brings for a verb; None where none does.

    :raises PluginConflict: two distributions bring it.
    :raises PluginFailed: its module cannot be imported, or holds no click command.
    """
    from importlib.metadata import entry_points

    found = list(entry_points(group=GROUP, name=name))
    if not found:
        return None
    if len(found) > 1:
        names = " and ".join(sorted(str(point.dist.name if point.dist else "?") for point in found))
        raise PluginConflict(f"the command {name} is brought by {names}", slot=GROUP, plugin=name,
                             hint="uninstall one of them")
    import click

    shipped = f"{found[0].dist.name} {found[0].dist.version}" if found[0].dist else ""
    try:
        command: object = found[0].load()
    except Exception as error:
        raise PluginFailed(f"the command {name} of {shipped} cannot be loaded: {type(error).__name__}: {error}",
                           slot=GROUP,
                           plugin=name, distribution=shipped) from error
    if not isinstance(command, click.Command):
        raise PluginFailed(f"the command {name} of {shipped} is a {type(command).__name__}, not a click command",
                           slot=GROUP,
                           plugin=name, distribution=shipped)
    return command


def run_plugin_command(argv: list[str], words: list[str]) -> int | None:
    """Run the verb of a plugin.

    :param argv: the whole command line, the global options included.
    :param words: the same from the verb on.
    :returns: its exit code; None where no plugin brings the verb.
    :raises InvalidInput: the command line is not what the command takes.
    """
    if plugin_command(words[0]) is None:
        return None
    import click

    from .click_app import application

    sys.stdout = sys.__stdout__  # what a command prints is its output; see .entry
    try:
        code: object = application().main(argv, prog_name="conman", standalone_mode=False)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.Abort:
        return 130
    except click.ClickException as error:
        raise InvalidInput(error.format_message(), hint=f"see 'conman {words[0]} --help'") from None
    return code if isinstance(code, int) else 0
