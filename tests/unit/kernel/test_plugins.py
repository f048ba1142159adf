"""Plugins that are sound, and every way in which one is not: typed, named, and nobody else's problem."""

from __future__ import annotations

import sys
import threading
from typing import cast

import pytest

from conman_kernel.errors import (
    ConfigError,
    ConmanError,
    InvalidState,
    PluginApiMismatch,
    PluginConflict,
    PluginFailed,
    PluginNotInstalled,
    PluginUnavailable,
)
from conman_kernel.plugins import Plugins
from conman_kernel.slots import ATTACH, RUNTIME, STORAGE
from conman_kernel.slots.provider import Access, PluginContext, RegistrySettings

from .conftest import HEAD, HOOK, SOUND, Lines, Open, Site

DECLARED = "return provider(api=API, summary='s', options=NoOptions, open=lambda context: Thing())\n"


def hook(body: str, signature: str = "conman_attach()") -> str:
    return HEAD + f"\n@hookimpl\ndef {signature}:\n" + "".join(f"    {line}\n" for line in body.splitlines())


def failure(plugins: Open, name: str, kind: type[ConmanError] = PluginFailed) -> ConmanError:
    """What getting the plugin raises: of exactly that kind, with who it was."""
    with pytest.raises(ConmanError) as caught:
        plugins().get(ATTACH, name)
    error = caught.value
    assert type(error) is kind, repr(error)
    assert isinstance(error, (PluginFailed, PluginUnavailable))
    assert (error.slot, error.plugin, error.distribution) == ("conman.attach", name, f"conman-{name} 1.2")
    assert name in error.message and f"conman-{name} 1.2" in error.message and "\n" not in error.message
    return error


def test_a_sound_plugin_is_opened_once_and_answers(site: Site, plugins: Open) -> None:
    site.ship("good", SOUND)
    held = plugins()
    opened = held.get(ATTACH, "good")
    assert opened.echo("x") == ("ran", "x")  # type: ignore[attr-defined]
    assert held.get(ATTACH, "good") is opened
    report = held.inspect("good")
    assert (report.info.slot, report.info.distribution, report.info.version) == ("conman.attach", "conman-good", "1.2")
    assert (report.api, report.summary, report.available, report.reason, report.options) == (1, "one line", True, "", ())


def test_not_installed_names_the_nearest_and_how_to_install(site: Site, plugins: Open) -> None:
    site.ship("sparkling-attach")
    with pytest.raises(PluginNotInstalled) as caught:
        plugins().get(ATTACH, "sparkling-atach")
    assert caught.value.message == "no plugin sparkling-atach for conman.attach is installed"
    assert caught.value.hint == "did you mean sparkling-attach? Otherwise: pip install conman-sparkling-atach"
    with pytest.raises(PluginNotInstalled) as caught:
        plugins().get(STORAGE, "sparkling-attach")
    assert caught.value.message == "sparkling-attach is a plugin of conman.attach, not of conman.storage"
    assert caught.value.hint == "conman plugin ls"
    with pytest.raises(PluginNotInstalled, match="for any slot"):
        plugins().inspect("qqqqqq")


@pytest.mark.parametrize(("source", "words"), [
    ("raise RuntimeError('at import')", "cannot be imported: RuntimeError: at import"),
    ("import no_such_module_at_all", "cannot be imported: ModuleNotFoundError: No module named 'no_such_module_at_all'"),
    ("def broken(:", "cannot be imported: SyntaxError"),
    ("raise SystemExit(0)", "cannot be imported: SystemExit: 0"),
    ("class Own(BaseException): pass\nraise Own('x')", "cannot be imported: Own: x"),
    ("from conman_kernel.errors import NotFound\nraise NotFound('x')", "cannot be imported: NotFound: x"),
    (hook("raise SystemExit('bye')"), "failed in conman_attach: SystemExit: bye"),
    (hook("raise KeyError('inside')"), "failed in conman_attach: KeyError: 'inside'"),
    (hook("return 'no provider'"), "must return a Provider from conman_attach, not str"),
    (hook("return None"), "must implement conman_attach exactly once"),
    ("x = 1", "must implement conman_attach exactly once"),
    (HEAD + "def conman_attach():\n    " + DECLARED, "must implement conman_attach exactly once"),
    (hook(DECLARED, "conman_atach()"), "has a hook that does not fit: unknown hook 'conman_atach'"),
    (hook(DECLARED, "conman_attach(surprise)"), "has a hook that does not fit: Plugin"),
    (SOUND.replace("conman_attach", "conman_runtime"), "must implement conman_attach exactly once"),
    (hook("return provider(api=API, summary='s', options=NoOptions, open=lambda c: 1 / 0)"), "failed in open: ZeroDivisionError"),
    (hook("return provider(api=API, summary='s', options=NoOptions, open=lambda c: object())"), "lacks direct, run of the slot conman.attach"),
    (hook("return provider(api=API, summary='s', options=NoOptions, open=lambda c: None)"), "lacks direct, run of the slot conman.attach"),
    (hook("return provider(api=API, summary='s', options=NoOptions, open=lambda c: Thing(), probe=lambda c: {}['x'])"),
     "failed in probe: KeyError: 'x'"),
    (hook("return provider(api=API, summary='s', options=NoOptions, open=lambda c: Thing(), probe=lambda c: True)"),
     "must answer None or Unavailable from probe, not bool"),
    (HEAD + "class Odd:\n    @property\n    def run(self): raise ValueError('looked at')\n"
     + HOOK.replace("Thing()", "Odd()"), "failed in open: ValueError: looked at"),
    (HEAD + "class Keys(NamedTuple):\n    bare: int\n" + HOOK.replace("NoOptions", "Keys"), "failed in conman_attach: KeyError"),
])
def test_a_broken_plugin_is_named(site: Site, plugins: Open, source: str, words: str) -> None:
    site.ship("bad", source)
    assert words in failure(plugins, "bad").message
    with pytest.raises(PluginFailed):
        plugins().get(ATTACH, "bad")  # a failure is not remembered as a pass


def test_a_missing_attribute_of_the_module(site: Site, plugins: Open) -> None:
    module = site.module(SOUND)
    site.metadata("conman-bad", f"[conman.attach]\nbad = {module}:nothing.here\n")
    assert "cannot be imported: AttributeError" in failure(plugins, "bad").message


def test_an_object_in_the_module_may_be_the_plugin(site: Site, plugins: Open) -> None:
    module = site.module(HEAD + "class Holder:\n    @hookimpl\n    def conman_attach(self):\n        " + DECLARED + "holder = Holder()\n")
    site.metadata("conman-held", f"[conman.attach]\nheld = {module}:holder\n")
    for _ in ("by pluggy", "as verified"):
        assert plugins().get(ATTACH, "held").echo(1) == ("ran", 1)  # type: ignore[attr-defined]


def test_written_for_another_api(site: Site, plugins: Open) -> None:
    site.ship("old", SOUND.replace("api=API", "api=API + 1"))
    error = failure(plugins, "old", PluginApiMismatch)
    assert "was written for version 2 of conman.attach, this conman speaks 1" in error.message
    assert error.hint == "pip install --upgrade conman conman-old"


def test_two_of_one_name(site: Site, plugins: Open) -> None:
    site.ship("twin", distribution="conman-twin-a")
    site.ship("twin", distribution="conman-twin-b")
    for _ in ("scanned", "cached"):
        with pytest.raises(PluginConflict) as caught:
            plugins().get(ATTACH, "twin")
        assert caught.value.message == "twin of the slot conman.attach is shipped twice: by conman-twin-a 1.2 and conman-twin-b 1.2"
        assert caught.value.hint == "pip uninstall conman-twin-b"
    assert [p.distribution for p in plugins().list() if p.name == "twin"] == ["conman-twin-a", "conman-twin-b"]


def test_one_name_in_two_slots_is_no_conflict(site: Site, plugins: Open) -> None:
    site.ship("both", distribution="conman-both")
    site.ship("both", group="conman.storage", distribution="conman-both-storage")
    assert plugins().get(ATTACH, "both").echo(1) == ("ran", 1)  # type: ignore[attr-defined]


def test_unavailable_here(site: Site, plugins: Open) -> None:
    site.ship("shy", SOUND.replace("open=", "probe=lambda context: Unavailable('no moon', 'wait'), open="))
    error = failure(plugins, "shy", PluginUnavailable)
    assert error.message.endswith("cannot work on this host: no moon") and error.hint == "wait"
    report = plugins().inspect("shy")
    assert (report.available, report.reason, report.hint) == (False, "no moon", "wait")


OPTIONS = HEAD + """
class _Keys(NamedTuple):
    size: int = 3
    ratio: float = 0.5
    name: str = "n"
    on: bool = False
    paths: tuple[str, ...] = ("a",)

class Keys(_Keys):
    __slots__ = ()
    DOCS = {"size": "how big"}

class Teller:
    direct = False

    def __init__(self, options):
        self.run = self.echo = lambda request: options
""" + HOOK.replace("NoOptions", "Keys").replace("Thing()", "Teller(context.options)")


def test_options_are_filled_with_defaults_and_checked(site: Site, plugins: Open) -> None:
    site.ship("opt", OPTIONS)
    assert tuple(plugins().get(ATTACH, "opt").echo(None)) == (3, 0.5, "n", False, ("a",))  # type: ignore[attr-defined]
    toml = '[plugin.opt]\nsize = 4\nratio = 2\non = true\npaths = ["x", "y"]\n'
    held = plugins(toml)
    given = held.get(ATTACH, "opt").echo(None)  # type: ignore[attr-defined]
    assert tuple(given) == (4, 2.0, "n", True, ("x", "y")) and type(given[1]) is float
    rows = {row.option.name: (row.option.type, row.value, row.origin, row.option.doc) for row in held.inspect("opt").options}
    origin = held.inspect("opt").options[0].origin
    assert origin.endswith("conman.toml")
    assert rows == {"size": ("int", 4, origin, "how big"), "ratio": ("float", 2, origin, ""), "name": ("str", "n", "built in", ""),
                    "on": ("bool", True, origin, ""), "paths": ("list", ("x", "y"), origin, "")}


@pytest.mark.parametrize(("line", "words", "hint"), [
    ("sise = 1", "unknown key plugin.opt.sise", "did you mean plugin.opt.size?"),
    ("size = 'x'", "plugin.opt.size must be a int, not 'x'", ""),
    ("size = true", "plugin.opt.size must be a int, not True", ""),
    ("size = 1.5", "plugin.opt.size must be a int, not 1.5", ""),
    ("on = 1", "plugin.opt.on must be a bool, not 1", ""),
    ("paths = 'x'", "plugin.opt.paths must be a list, not 'x'", ""),
    ("ratio = true", "plugin.opt.ratio must be a float, not True", ""),
])
def test_bad_options(site: Site, plugins: Open, line: str, words: str, hint: str) -> None:
    site.ship("opt", OPTIONS)
    toml = f"[plugin.opt]\n{line}\n"
    with pytest.raises(ConfigError) as caught:
        plugins(toml).get(ATTACH, "opt")
    assert words in caught.value.message and "conman.toml: " in caught.value.message and caught.value.hint == hint
    (problem,) = plugins(toml).check_options()
    assert str(problem) == caught.value.message


def test_config_check_finds_everything_at_once(site: Site, plugins: Open) -> None:
    site.ship("opt", OPTIONS)
    site.ship("bad", "raise RuntimeError('at import')")
    problems = [str(p) for p in plugins('[attach]\nname = "bad"\n[plugin.opt]\nsise = 1\n[plugin.ghost]\nx = 1\n'
                                        '[storage]\ndriver = "gone"\n').check_options()]
    assert len(problems) == 4
    for words in ("bad (conman-bad 1.2) cannot be imported", "unknown key plugin.opt.sise", "no plugin ghost", "no plugin gone"):
        assert any(words in p for p in problems), words
    assert list(plugins("").check_options()) == []


def test_a_broken_plugin_stops_nobody_who_does_not_select_it(site: Site, plugins: Open) -> None:
    site.ship("bad", "raise RuntimeError('at import')")
    site.ship("good")
    held = plugins()
    assert held.get(ATTACH, "good").echo(1) == ("ran", 1)  # type: ignore[attr-defined]
    assert {"bad", "good"} <= {p.name for p in held.list()}
    assert list(held.check_options()) == []


GUARDED = HEAD + """
class Driver(Thing):
    def fail(self): raise ValueError("deep")
    def typed(self): raise InvalidState("typed")
    def walk(self):
        yield 1
        raise OSError("midway")
    def walk_typed(self):
        yield 1
        raise InvalidState("typed")
    @property
    def whiteouts(self): raise LookupError("prop")
    def open(self): return Stream()
    def fine(self): return iter([1, 2])
    def text(self): return "abc"
    def interrupted(self): raise KeyboardInterrupt

class Stream:
    offset = 7
    def __init__(self): self.closed = False
    def __iter__(self): return self
    def __next__(self): raise OSError("torn")
    def close(self): raise OSError("close")
""" + HOOK.replace("Thing()", "Driver()")


@pytest.mark.parametrize(("expression", "where", "cause"), [
    ("it.fail()", "fail", "ValueError: deep"), ("list(it.walk())", "walk", "OSError: midway"),
    ("it.whiteouts", "whiteouts", "LookupError: prop"), ("list(it.open())", "open", "OSError: torn"),
    ("next(it.open())", "open", "OSError: torn"), ("it.open().close()", "open", "OSError: close"),
])
def test_what_escapes_from_a_method_is_typed(site: Site, plugins: Open, expression: str, where: str, cause: str) -> None:
    site.ship("guarded", GUARDED)
    opened = plugins().get(ATTACH, "guarded")
    with pytest.raises(PluginFailed) as caught:
        eval(expression.replace("next(it.open())", "it.open().__next__()"), {"it": opened})
    error = caught.value
    assert error.message == f"guarded (conman-guarded 1.2) failed in {where}: {cause}"
    assert (error.slot, error.plugin, error.distribution) == ("conman.attach", "guarded", "conman-guarded 1.2")
    assert error.__cause__ is not None and type(error.__cause__).__name__ == cause.partition(":")[0]


def test_what_is_typed_already_passes(site: Site, plugins: Open) -> None:
    site.ship("guarded", GUARDED)
    it: object = plugins().get(ATTACH, "guarded")
    for expression in ("it.typed()", "list(it.walk_typed())"):
        with pytest.raises(InvalidState, match=r"^typed$"):
            eval(expression, {"it": it})
    with pytest.raises(KeyboardInterrupt):
        eval("it.interrupted()", {"it": it})
    with pytest.raises(AttributeError):
        eval("it.nothing", {"it": it})


def test_answers_pass_as_they_are(site: Site, plugins: Open) -> None:
    site.ship("guarded", GUARDED)
    it: object = plugins().get(ATTACH, "guarded")
    assert eval("(list(it.fine()), it.text(), it.open().offset)", {"it": it}) == ([1, 2], "abc", 7)


def test_what_was_read_before_the_failure_is_delivered(site: Site, plugins: Open) -> None:
    site.ship("guarded", GUARDED)
    it: object = plugins().get(ATTACH, "guarded")
    seen: list[int] = []
    with pytest.raises(PluginFailed):
        for item in eval("it.walk()", {"it": it}):
            seen.append(item)
    assert seen == [1]


def test_threads_that_ask_at_once_get_one(site: Site, plugins: Open) -> None:
    site.ship("slow", HEAD + """
import threading
opened = []
inside = threading.Event()
def make(context):
    opened.append(1)
    inside.wait(0.3)  # nobody sets it: room for a second thread to come in
    return Thing()
""" + HOOK.replace("lambda context: Thing()", "make"))
    held = plugins()
    got: list[object] = []
    threads = [threading.Thread(target=lambda: got.append(held.get(ATTACH, "slow"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(got) == 4 and len({id(one) for one in got}) == 1
    assert sys.modules[site.modules[0]].opened == [1]


def test_close_reaches_everyone(site: Site, plugins: Open, log: Lines) -> None:
    closer = HEAD + "closed = []\nclass Closer(Thing):\n    def close(self):\n        closed.append(1)\n        BODY\n"
    first = site.ship("a", closer.replace("BODY", "raise OSError('stuck')") + HOOK.replace("Thing()", "Closer()"))
    second = site.ship("b", closer.replace("BODY", "") + HOOK.replace("Thing()", "Closer()"))
    held = plugins()
    held.get(ATTACH, "a")
    held.get(ATTACH, "b")
    held.close()
    held.close()
    assert sys.modules[first].closed == [1] and sys.modules[second].closed == [1]
    assert log.lines == ["warning: a (conman-a 1.2) failed in close: OSError: stuck"]


def test_selection_is_shown(site: Site, plugins: Open) -> None:
    site.ship("mine")
    shown = {p.name: p.selected for p in plugins('[attach]\nname = "mine"\n').list() if p.slot == "conman.attach"}
    assert shown["mine"] and not shown.get("pty-attach", False)


def test_registries_reach_the_plugin(site: Site, plugins: Open) -> None:
    site.ship("reg", HEAD + "class Teller:\n    direct = False\n    def __init__(self, c): self.run = self.echo = lambda request: c\n"
              + HOOK.replace("Thing()", "Teller(context)"))
    toml = '[registry."h"]\nca = "/x"\n'
    held = plugins(toml)

    def told(held: Plugins, tls_verify: bool | None = None) -> PluginContext[object]:
        answer: object = held.get(ATTACH, "reg", access=Access(tls_verify)).echo(None)  # type: ignore[attr-defined]
        return cast("PluginContext[object]", answer)

    strict, lax = told(held), told(held, False)
    assert strict.registries["h"].insecure is None and strict.registries["*"].insecure is None
    assert lax.registries["h"] == RegistrySettings(insecure=True, ca="/x") and lax.registries["*"].insecure is True
    loose = plugins("registries.tls_verify = false\n" + toml)
    assert told(loose).registries["*"].insecure is True and told(loose, True).registries["*"].insecure is False
    assert strict.state_dir.endswith("/root/plugins/reg") and strict.run_dir.endswith("/run/plugins/reg")


def test_slots_know_their_members() -> None:
    assert ATTACH.members == ("direct", "run")
    assert {"prepare", "commit", "mounts", "remove", "whiteouts", "close"} <= set(STORAGE.members)
    assert {"binary", "commands", "exit_code", "features"} == set(RUNTIME.members)
