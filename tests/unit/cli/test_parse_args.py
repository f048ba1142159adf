"""The fast parser: podman's own rules (pflag), and one clear line for everything it refuses."""

from __future__ import annotations

import pytest

from conman_kernel.cli.declare import ARRAY, FLAG, INTEGER, LIST, NUMBER, TEXT, Argument, Option, Verb
from conman_kernel.cli.parse_args import HelpWanted, check_arguments, parse, split_commas
from conman_kernel.cli.values import Values
from conman_kernel.errors import InvalidInput

OPTIONS = (
    Option("--env", "", ARRAY, "-e"),
    Option("--interactive", "", FLAG, "-i"),
    Option("--tty", "", FLAG, "-t"),
    Option("--rm", "", FLAG),
    Option("--sig-proxy", "", FLAG, default=True),
    Option("--name", "", TEXT),
    Option("--user", "", TEXT, "-u"),
    Option("--cap-add", "", LIST),
    Option("--time", "", INTEGER, "-n"),
    Option("--cpus", "", NUMBER),
    Option("--pull", "", TEXT, default="missing", choices=("missing", "always")),
    Option("--network", "", ARRAY, aliases=("--net",)),
)
RUN = Verb("run", "run", lambda context, values: 0, OPTIONS, (Argument("IMAGE"), Argument("COMMAND", 0, None)),
           interspersed=False)
RM = Verb("rm", "rm", lambda context, values: 0, OPTIONS, (Argument("CONTAINER", 0, None),))


def run(*argv: str) -> Values:
    return parse(RUN, argv, "conman run")


@pytest.mark.parametrize(("argv", "key", "value"), [
    (["--name", "x"], "name", "x"),
    (["--name=x"], "name", "x"),
    (["--name=a=b"], "name", "a=b"),
    (["--name="], "name", ""),
    (["--name", "-x"], "name", "-x"),
    (["--name", "--"], "name", "--"),
    (["--name", "a", "--name", "b"], "name", "b"),
    (["-u", "root"], "user", "root"),
    (["-uroot"], "user", "root"),
    (["-u=root"], "user", "root"),
    (["-e", "A=1", "-eB=2", "-e=C=3", "--env=D=4,5"], "env", ("A=1", "B=2", "C=3", "D=4,5")),
    (["-itu", "root"], "user", "root"),
    (["-ituroot"], "user", "root"),
    (["-it"], "interactive", True),
    (["-it"], "tty", True),
    (["-ti"], "interactive", True),
    (["--rm"], "rm", True),
    (["--rm=true"], "rm", True),
    (["--rm=0"], "rm", False),
    (["-i=false"], "interactive", False),
    ([], "sig-proxy", True),
    (["--sig-proxy=false"], "sig-proxy", False),
    (["--cap-add", "a,b", "--cap-add=c"], "cap-add", ("a", "b", "c")),
    (["-n", "5"], "time", 5),
    (["-n-1"], "time", -1),
    (["--cpus", "1.5"], "cpus", 1.5),
    ([], "pull", "missing"),
    (["--pull=always"], "pull", "always"),
    (["--net", "host"], "network", ("host",)),
    ([], "env", ()),
])
def test_options(argv: list[str], key: str, value: object) -> None:
    found = run(*argv, "image")
    assert found.value(key) == value
    assert found.arguments == ("image",)


def test_after_the_image_everything_is_the_containers() -> None:
    found = run("--rm", "image", "sh", "-c", "x", "--rm=false", "--", "--name", "y")
    assert found.arguments == ("image", "sh", "-c", "x", "--rm=false", "--", "--name", "y")
    assert found.flag("rm") and not found.given("name")


def test_two_dashes_end_the_options() -> None:
    assert run("--rm", "--", "--name", "x").arguments == ("--name", "x")


def test_options_may_follow_arguments_where_nothing_else_does() -> None:
    found = parse(RM, ["a", "--rm", "b", "--", "-c"], "conman rm")
    assert found.arguments == ("a", "b", "-c") and found.flag("rm")


def test_a_single_dash_is_an_argument() -> None:
    assert parse(RM, ["-"], "conman rm").arguments == ("-",)


@pytest.mark.parametrize(("argv", "message", "hint"), [
    (["--nam", "x"], "unknown flag: --nam", "did you mean --name?"),
    (["--xyzzy"], "unknown flag: --xyzzy", "see 'conman run --help'"),
    (["-itz"], "unknown shorthand flag: 'z' in -itz", "see 'conman run --help'"),
    (["--name"], "flag needs an argument: --name", "see"),
    (["-it", "-u"], "flag needs an argument: -u", "see"),
    (["--rm=maybe"], 'invalid argument "maybe" for "--rm" flag: must be true or false', "see"),
    (["-n", "x"], 'invalid argument "x" for "-n, --time" flag: must be a whole number', "see"),
    (["--cpus=x"], 'invalid argument "x" for "--cpus" flag: must be a number', "see"),
    (["--pull=sometimes"], 'invalid argument "sometimes" for "--pull" flag: must be one of missing, always', "see"),
])
def test_refusals(argv: list[str], message: str, hint: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        run(*argv)
    assert str(caught.value) == message
    assert hint in caught.value.hint
    assert caught.value.exit_code == 125


def test_too_few_and_too_many_arguments() -> None:
    with pytest.raises(InvalidInput, match="requires at least 1 arg"):
        check_arguments(RUN, run("--rm"), "conman run")
    none = RM._replace(arguments=())
    with pytest.raises(InvalidInput, match="`conman ps` takes no arguments"):
        check_arguments(none, parse(none, ["x"], "conman ps"), "conman ps")
    one = RM._replace(arguments=(Argument("SHELL"),))
    with pytest.raises(InvalidInput, match="accepts at most 1"):
        check_arguments(one, parse(one, ["x", "y"], "conman completion"), "conman completion")


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help(word: str) -> None:
    with pytest.raises(HelpWanted):
        run("--rm", word)


def test_h_is_the_hostname_where_the_verb_says_so() -> None:
    verb = RUN._replace(options=(*OPTIONS, Option("--hostname", "", TEXT, "-h")))
    assert parse(verb, ["-h", "box", "image"], "conman run").text("hostname") == "box"


@pytest.mark.parametrize(("text", "parts"), [
    ("", ()), ("a", ("a",)), ("a,b", ("a", "b")), ('"a,b",c', ("a,b", "c")), ("a,", ("a", ""))])
def test_split_commas(text: str, parts: tuple[str, ...]) -> None:
    assert split_commas(text) == parts
