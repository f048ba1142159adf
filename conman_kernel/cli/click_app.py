"""The declarations as a click application: help texts, shell completion, and the ground for commands of plugins.

Imported only where one of these is wanted; a test holds that click and the fast parser read the same values.
"""

from __future__ import annotations

import sys

import click
from click.shell_completion import CompletionItem

from ..errors import ConmanError
from .container_options import NETWORK_NOTE
from .context import Context
from .declare import ARRAY, CONTAINER, FLAG, IMAGE, INTEGER, LIST, NETWORK, NUMBER, PLUGIN, VOLUME, Argument, Option, Verb
from .global_options import GLOBAL, OPTIONS, merged, with_globals
from .parse_args import split_commas
from .values import Value, Values, defaults
from .verb_table import NOUN_HELP, NOUNS, VERBS, load

_WIDTH = {"max_content_width": 120}


class VerbCommand(click.Command):
    """A verb as click shows it. Options that another name is for (``umount``) appear under the name that was typed."""

    def __init__(self, verb: Verb, name: str) -> None:
        self.verb = verb
        own = [_option(option) for option in verb.options]
        shared = [_option(option._replace(hidden=True)) for option in OPTIONS]
        super().__init__(
            name, params=[*own, *shared, *(_argument(argument) for argument in verb.arguments)],
            help="\n\n".join([verb.help + ".", *verb.notes]), short_help=verb.help,
            callback=self._run, add_help_option=True, context_settings={
                **_WIDTH, "allow_interspersed_args": verb.interspersed,
                "help_option_names": ["--help"] if any(o.short == "-h" for o in verb.options) else ["-h", "--help"]})

    def _run(self, **params: object) -> None:
        from .dispatch import run_verb

        current = click.get_current_context()
        values = self.values(current, params)
        above = current.find_object(Context)
        before = above.settings if above is not None else Values({}, {option.key: None for option in OPTIONS}, ())
        current.exit(run_verb(Context(f"conman {self.name}", merged(before, values)), self.verb, values))

    def values(self, current: click.Context, params: dict[str, object]) -> Values:
        """What click read, in the fast parser's form."""
        verb = with_globals(self.verb)
        given: dict[str, Value] = {}
        for option in verb.options:
            name = _parameter(option.long)
            if current.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE:
                given[option.key] = _value(option, params[name])
        words: list[str] = []
        for argument in verb.arguments:
            found = params.get("argument_" + argument.name.lower())
            words += [found] if isinstance(found, str) else [str(word) for word in found] if isinstance(found,
                                                                                                        tuple) else []
        return Values(given, defaults(verb), tuple(words))


def _parameter(long: str) -> str:
    return "option_" + long[2:].replace("-", "_")


def _value(option: Option, value: object) -> Value:
    if isinstance(value, tuple):
        texts = tuple(str(item) for item in value)
        return tuple(part for text in texts for part in split_commas(text)) if option.kind == LIST else texts
    return value if isinstance(value, (str, int, float)) else None


def _option(option: Option) -> click.Option:
    names = [option.long, *option.aliases, *([option.short] if option.short else []), _parameter(option.long)]
    if option.kind == FLAG:
        return click.Option(names, is_flag=True, flag_value=True, default=option.default is True,
                            help=_flag_help(option),
                            hidden=option.hidden)
    return click.Option(names, type=_type(option), multiple=option.kind in (ARRAY, LIST),
                        metavar=option.metavar or None, help=option.help,
                        default=option.default, show_default=option.default not in (None, ""), hidden=option.hidden)


def _type(option: Option) -> object:
    if option.choices:
        return click.Choice(option.choices)
    return {INTEGER: click.INT, NUMBER: click.FLOAT}.get(option.kind, click.STRING)


def _flag_help(option: Option) -> str:
    return option.help + (f"  [default: true; {option.long}=false turns it off]" if option.default is True else "")


def _argument(argument: Argument) -> click.Argument:
    return click.Argument(
        ["argument_" + argument.name.lower()], nargs=1 if argument.maximum == 1 else -1, required=argument.minimum > 0,
        type=click.UNPROCESSED, metavar=_metavar(argument), shell_complete=_completer(argument.completes))


def _metavar(argument: Argument) -> str:
    name = f"{argument.name}..." if argument.maximum is None else argument.name
    return name if argument.minimum else f"[{name}]"


class _Completer:
    """Completes names of one kind; silent where the kernel cannot be asked."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __call__(self, context: click.Context, parameter: object, incomplete: str) -> list[CompletionItem[str]]:
        root = context.find_root().params
        given: dict[str,
                    Value] = {o.key: str(root[_parameter(o.long)]) for o in OPTIONS if root.get(_parameter(o.long))}
        session = Context("conman", Values(given, {option.key: None for option in OPTIONS}, ()))
        try:
            names = self._names(session)
        except (ConmanError, OSError):
            return []  # a completion has nowhere to complain
        finally:
            session.close()
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]

    def _names(self, session: Context) -> list[str]:
        conman = session.conman()
        if self.kind == CONTAINER:
            return sorted(container.name for container in conman.containers.list(all=True))
        if self.kind == IMAGE:
            return sorted(str(name) for image in conman.images.list() for name in image.names)
        if self.kind == NETWORK:
            return [network.name for network in conman.networks.list()]
        if self.kind == VOLUME:
            return [volume.name for volume in conman.volumes.list()]
        return sorted(plugin.name for plugin in conman.plugins.list()) if self.kind == PLUGIN else []


def _completer(kind: str) -> _Completer | None:
    return _Completer(kind) if kind else None


def _root(context: click.Context) -> str:
    """The store that the command line names; empty: the configured one."""
    return str(context.params.get(_parameter("--root")) or "")


class _Group(click.Group):
    """A group that imports a verb's module when the verb is asked for."""

    def __init__(self, places: dict[str, str], path: str, **settings: object) -> None:
        super().__init__(path.rsplit(maxsplit=1)[-1], context_settings=_WIDTH, **settings)  # type: ignore[arg-type]
        self._places = places

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*self._places, *self.commands})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = self._places.get(cmd_name)
        if place is not None:
            return VerbCommand(load(place), cmd_name)
        known = super().get_command(ctx, cmd_name)
        if known is None and ctx.parent is None:
            from .plugin_commands import plugin_command

            try:
                known = plugin_command(cmd_name, _root(ctx))
            except ConmanError:
                if not ctx.resilient_parsing:
                    raise
                # A completion has nowhere to complain: who runs the verb is told.
        return known

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Its verbs and options; of the whole application also the verbs that other distributions bring, from metadata alone."""
        found = super().shell_complete(ctx, incomplete)
        if ctx.parent is not None or incomplete.startswith("-"):
            return found
        from .plugin_commands import brought

        return found + [CompletionItem(entry.name, help=f"Brought by {entry.distribution}") for entry in brought(_root(ctx))
                        if entry.name.startswith(incomplete) and self.get_own(entry.name) is None]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_commands(ctx, formatter)
        if ctx.parent is not None:
            return
        from .plugin_commands import brought

        rows = [(entry.name, f"Brought by {entry.distribution} {entry.version}")
                for entry in brought(_root(ctx)) if self.get_own(entry.name) is None]
        if rows:
            with formatter.section("Commands of other distributions"):
                formatter.write_dl(rows)

    def get_own(self, name: str) -> str | None:
        """Whether conman itself has a verb or noun of that name, which nobody can replace."""
        return name if name in self._places or name in self.commands else None


def application() -> click.Group:
    """The whole command line."""
    group = _Group(dict(VERBS), "conman", help=f"{GLOBAL.help}.\n\n{NETWORK_NOTE}",
                   params=[_option(o) for o in GLOBAL.options],
                   callback=_remember, invoke_without_command=False)
    for noun, places in NOUNS.items():
        group.add_command(_Group(dict(places), f"conman {noun}", help=NOUN_HELP[noun] + "."), noun)
    return group


@click.pass_context
def _remember(context: click.Context, /, **params: object) -> None:
    given: dict[str, Value] = {option.key: str(params[_parameter(option.long)]) for option in OPTIONS
                               if params.get(_parameter(option.long)) is not None}
    context.obj = Context("conman", Values(given, {option.key: None for option in OPTIONS}, ()))
    context.call_on_close(context.obj.close)


def help_text(words: list[str]) -> str:
    """What ``--help`` prints.

    :param words: the verb, or noun and verb; empty for the whole application. Words beyond what exists are left out.
    """
    command: click.Command = application()
    context = click.Context(command, info_name="conman", **_WIDTH)  # type: ignore[arg-type]
    for word in words:
        inner = command.get_command(context, word) if isinstance(command, click.Group) else None
        if inner is None:
            break
        context = click.Context(inner, info_name=word, parent=context, **{**inner.context_settings, **_WIDTH})
        command = inner
    return command.get_help(context) + "\n"


def complete(instruction: str) -> int:
    """Answer the shell's completion script, as click's protocol has it: ``bash_source``, ``bash_complete``, ...

    :param instruction: the value of ``_CONMAN_COMPLETE``.
    :returns: the exit code.
    """
    from click.shell_completion import shell_complete

    sys.stdout = sys.__stdout__  # click prints; see .entry
    return shell_complete(application(), {}, "conman", "_CONMAN_COMPLETE", instruction)
