"""Verbs that other distributions bring: entry points of ``conman.commands``, click commands by the verb's name.

They are looked for only where no verb of conman's own has the name, so that nobody can put himself in front of ``rm``; in the
cached list of what is installed (:mod:`conman_kernel.discovery`), and no module is imported before its verb is asked for.
Such a command finds a :class:`~conman_kernel.cli.context.Context` in click's ``obj``: ``context.obj.conman()`` is the
kernel with the global options applied.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..errors import ConfigError, ConmanError, InvalidInput, PluginConflict, PluginFailed

if TYPE_CHECKING:
    import click

    from ..discovery import EntryPoint

GROUP = "conman.commands"


def brought(root: str = "") -> tuple[EntryPoint, ...]:
    """The verbs that other distributions bring, from metadata alone.

    :param root: of the store beside which the list is kept; empty: the configured one's.
    """
    from ..discovery import Discovery
    from ..store.layout import Layout

    if not root:
        from .. import config

        try:
            root = config.load().text("root")
        except ConfigError:
            root = "/nonexistent"  # whoever runs a verb is told; help is given all the same
    return tuple(entry for entry in Discovery(Layout(root, root)).entries if entry.group == GROUP)


def plugin_command(name: str, root: str = "") -> click.Command | None:
    """The command that a plugin brings for a verb; None where none does.

    :param root: see :func:`brought`.
    :raises PluginConflict: two distributions bring it.
    :raises PluginFailed: its module cannot be imported, or holds no click command.
    """
    found = [entry for entry in brought(root) if entry.name == name]
    if not found:
        return None
    if len(found) > 1:
        names = " and ".join(sorted(entry.distribution for entry in found))
        raise PluginConflict(f"the command {name} is brought by {names}", slot=GROUP, plugin=name,
                             hint="uninstall one of them")
    from importlib import import_module

    import click

    shipped = f"{found[0].distribution} {found[0].version}"
    module, _, attribute = found[0].value.partition(":")
    try:
        command: object = import_module(module.strip())
        for part in attribute.split(".") if attribute else ():
            command = getattr(command, part.strip())
    except (Exception, SystemExit) as error:
        raise PluginFailed(f"the command {name} of {shipped} cannot be loaded: {type(error).__name__}: {error}",
                           slot=GROUP,
                           plugin=name, distribution=shipped) from error
    if not isinstance(command, click.Command):
        raise PluginFailed(f"the command {name} of {shipped} is a {type(command).__name__}, not a click command",
                           slot=GROUP,
                           plugin=name, distribution=shipped)
    return command


def run_plugin_command(argv: list[str], words: list[str], root: str) -> int | None:
    """Run the verb of a plugin.

    :param argv: the whole command line, the global options included.
    :param words: the same from the verb on.
    :param root: see :func:`brought`.
    :returns: its exit code; None where no plugin brings the verb.
    :raises InvalidInput: the command line is not what the command takes.
    :raises PluginFailed: it raised what is no error of conman's.
    """
    if plugin_command(words[0], root) is None:
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
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except (ConmanError, OSError):
        raise
    except Exception as error:
        entry = next(entry for entry in brought(root) if entry.name == words[0])
        shipped = f"{entry.distribution} {entry.version}"
        raise PluginFailed(f"the command {words[0]} of {shipped} failed: {' '.join(f'{type(error).__name__}: {error}'.split())}",
                           slot=GROUP, plugin=words[0], distribution=shipped, hint="this is a defect of that command") from error
    return code if isinstance(code, int) else 0
