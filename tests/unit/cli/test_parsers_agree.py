"""click, which shows help and completes, and the fast parser, which runs, read every command line alike."""

from __future__ import annotations

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conman_kernel.cli.click_app import VerbCommand
from conman_kernel.cli.declare import ARRAY, FLAG, INTEGER, LIST, NUMBER, Option, Verb
from conman_kernel.cli.global_options import with_globals
from conman_kernel.cli.parse_args import parse
from conman_kernel.cli.values import Values
from conman_kernel.cli.verb_table import NOUNS, VERBS, load

PLACES = sorted({*VERBS.values(), *(place for noun in NOUNS.values() for place in noun.values())})

WORDS = st.text(alphabet="abcXYZ019=,._:/ é", min_size=1, max_size=8)


class _Captured(Exception):
    def __init__(self, values: Values) -> None:
        self.values = values


def by_click(verb: Verb, argv: list[str]) -> Values:
    command = VerbCommand(verb, verb.name)
    root = click.Context(click.Group("conman"), info_name="conman")

    def capture(**params: object) -> None:
        raise _Captured(command.values(click.get_current_context(), params))

    command.callback = capture
    with pytest.raises(_Captured) as caught:
        command.invoke(command.make_context(verb.name, list(argv), parent=root))
    return caught.value.values


@st.composite
def option_words(draw: st.DrawFn, options: tuple[Option, ...]) -> list[str]:
    option = draw(st.sampled_from(options))
    names = [option.long, *option.aliases]
    if option.kind == FLAG:
        return [draw(st.sampled_from(names + ([option.short] if option.short else [])))]
    if option.kind == INTEGER:
        value = str(draw(st.integers(-1000, 1000)))
    elif option.kind == NUMBER:
        value = str(draw(st.floats(0, 64, allow_nan=False, allow_infinity=False)))
    elif option.choices:
        value = draw(st.sampled_from(option.choices))
    else:
        value = draw(WORDS)
    forms = [[draw(st.sampled_from(names)), value], [f"{draw(st.sampled_from(names))}={value}"]]
    if option.short:
        forms.append([option.short, value])
        if not value.startswith("="):
            forms.append([option.short + value])
    return draw(st.sampled_from(forms))


@st.composite
def command_lines(draw: st.DrawFn, verb: Verb) -> list[str]:
    options = with_globals(verb).options
    argv = [word for words in draw(st.lists(option_words(options), max_size=6)) for word in words] if options else []
    bundle = "".join(sorted({o.short[1] for o in verb.options if o.kind == FLAG and o.short}))
    if bundle and draw(st.booleans()):
        argv.append("-" + bundle)
    most = verb.maximum
    arguments = draw(st.lists(WORDS, min_size=verb.minimum, max_size=4 if most is None else most))
    if draw(st.booleans()):
        argv.append("--")
        return argv + arguments
    if not verb.interspersed and arguments and most is None:
        arguments += draw(st.lists(st.sampled_from(["--rm", "-it", "--", "--name=x", "-"]), max_size=3))
    return argv + arguments


@pytest.mark.parametrize("place", PLACES)
def test_same_values(place: str) -> None:
    verb = load(place)

    @settings(max_examples=60, deadline=None, database=None)
    @given(argv=command_lines(verb))
    def check(argv: list[str]) -> None:
        fast = parse(with_globals(verb), argv, "conman " + verb.name)
        slow = by_click(verb, argv)
        assert slow.everything() == fast.everything()
        assert slow.arguments == fast.arguments

    check()


@pytest.mark.parametrize("place", PLACES)
def test_every_flag_that_repeats_is_declared_sanely(place: str) -> None:
    verb = load(place)
    longs = [name for option in with_globals(verb).options for name in (option.long, *option.aliases)]
    shorts = [option.short for option in verb.options if option.short]
    assert len(longs) == len(set(longs)) and len(shorts) == len(set(shorts))
    assert all(option.default is None for option in verb.options if option.kind in (ARRAY, LIST))
    assert all(len(short) == 2 and short[0] == "-" for short in shorts)
