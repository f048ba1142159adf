"""Every mistake on the command line gets one clear line, a hint, and 125; nothing is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Command

MISTAKES = [
    ((), "missing command 'conman COMMAND'", ""),
    (("foo",), "unrecognized command `conman foo`", ""),
    (("imges",), "unrecognized command `conman imges`", "did you mean 'conman images'?"),
    (("plugin",), "missing command 'conman plugin COMMAND'", ""),
    (("plugin", "lss"), "unrecognized command `conman plugin lss`", "did you mean 'conman plugin ls'?"),
    (("--rot", "/x", "ps"), "unknown flag: --rot", "did you mean --root?"),
    (("--log-level", "loud", "ps"), 'invalid argument "loud" for "--log-level" flag: must be one of', ""),
    (("run",), "requires at least 1 arg(s), only received 0", "see 'conman run --help'"),
    (("run", "--nam", "x", "img"), "unknown flag: --nam", "did you mean --name?"),
    (("run", "--name"), "flag needs an argument: --name", ""),
    (("run", "--rm=maybe", "img"), 'invalid argument "maybe" for "--rm" flag', ""),
    (("run", "-Z", "img"), "unknown shorthand flag: 'Z' in -Z", ""),
    (("run", "--memory", "1x", "img"), "invalid size '1x'", ""),
    (("run", "--cpus", "x", "img"), "invalid number of CPUs 'x'", ""),
    (("run", "--pids-limit", "x", "img"), "invalid pids limit 'x'", ""),
    (("run", "--ulimit", "x", "img"), "invalid ulimit 'x'", ""),
    (("run", "--network", "container:", "img"), "invalid --network 'container:'", ""),
    (("run", "--network", "host", "--network", "none", "img"), "cannot set multiple networks", "name one mode"),
    (("run", "--network", "mine:color=red", "img"), "the option 'color' is not known", "there are ip="),
    (("run", "--network", "a", "--network", "b", "--ip", "10.0.0.1", "img"), "for a single network", "--network NAME:ip="),
    (("run", "--ip", "10.0.0", "img"), '"10.0.0" is not an ip address', ""),
    (("run", "-p", "0:80", "img"), "invalid port mapping '0:80': '0' is no host port", "-p [[ADDRESS:]"),
    (("run", "-p", "80:80/icmp", "img"), "'icmp' is no protocol", ""),
    (("run", "-p", "8000-8002:80-81", "img"), "not of one length", ""),
    (("run", "--expose", "x", "img"), "invalid port 'x'", ""),
    (("run", "--mac-address", "x", "img"), "invalid mac address 'x'", ""),
    (("run", "-v", "a/b:/x", "img"), '"a/b" is no valid volume name', "names match"),
    (("run", "--mount", "type=volume,target=/x,subpath=y", "img"), "does not offer subpath", "whole volume"),
    (("run", "--entrypoint", "[1]", "img"), "invalid entrypoint '[1]'", ""),
    (("run", "--env-file", "/nowhere/at/all", "img"), "no such file", ""),
    (("run", "--label-file", "/nowhere/at/all", "img"), "label file /nowhere/at/all cannot be read", ""),
    (("run", "--stop-signal", "FOO", "img"), "invalid signal 'FOO'", ""),
    (("run", "--stop-timeout", "x", "img"), "must be a whole number", ""),
    (("run", "--pull", "sometimes", "img"), "must be one of missing, always, never, newer", ""),
    (("run", "--detach-keys", "ctrl-", "img"), "invalid detach keys", ""),
    (("create",), "requires at least 1 arg(s)", ""),
    (("pull",), "requires at least 1 arg(s)", ""),
    (("start",), "start requires at least one argument", ""),
    (("start", "-a", "x", "y"), "you cannot start and attach multiple containers at once", ""),
    (("stop",), "you must provide at least one name or id", ""),
    (("stop", "-t", "x", "y"), 'invalid argument "x" for "-t, --time" flag', ""),
    (("stop", "-a", "x"), "no arguments are needed with --all", ""),
    (("kill",), "you must provide at least one name or id", ""),
    (("kill", "-s", "FOO", "x"), "invalid signal 'FOO'", ""),
    (("rm",), "you must provide at least one name or id", ""),
    (("rmi",), "image name or ID must be specified", ""),
    (("rmi", "-a", "x"), "you may not pass any images", ""),
    (("ps", "x"), "`conman ps` takes no arguments", ""),
    (("ps", "--filter", "foo"), 'invalid filter "foo"', ""),
    (("ps", "--filter", "foo=bar"), "foo", "filters"),
    (("ps", "--filter", "status=odd"), "not a valid container status", ""),
    (("images", "--filter", "x=y"), "unknown filter 'x'", ""),
    (("inspect",), "no names or ids specified", ""),
    (("inspect", "--type", "pod", "x"), "--type pod is not supported: there are no pods", ""),
    (("logs",), "specify at least one container name or ID to log", ""),
    (("wait",), '"conman wait" requires a name, id, or the "--latest" flag', ""),
    (("exec",), "exec requires the name or ID of a container", ""),
    (("attach",), '"conman attach" requires a name, id', ""),
    (("mount", "--format", "xml"), "unknown --format argument", ""),
    (("umount",), "you must provide at least one name or id", ""),
    (("completion", "tcsh"), "no completion for the shell 'tcsh'", "bash, zsh, fish"),
    (("plugin", "inspect"), "requires at least 1 arg(s)", ""),
    (("version", "--format", "{{range .X}}"), "--format: template 1:1 at <{{range .X}}>: unexpected end of the template", ""),
    (("version", "--format", "a {{.Vrsion}}"), "--format: template 1:5 at <.Vrsion>: can't evaluate field Vrsion", "did you mean .Version?"),
]


@pytest.mark.parametrize(("words", "message", "hint"), MISTAKES, ids=lambda value: " ".join(value) if isinstance(value, tuple) else None)
def test_one_clear_line(conman: Command, tmp_path: Path, words: tuple[str, ...], message: str, hint: str) -> None:
    before = {path for path in tmp_path.rglob("*") if path.name not in ("root", "run")}
    done = conman(*words)
    lines = [line for line in done.stderr.splitlines() if line.startswith(("Error:", "Hint:"))]
    assert done.returncode == 125, done.stderr
    assert lines[0].startswith("Error: ") and message in lines[0]
    assert sum(line.startswith("Error:") for line in lines) == 1
    assert hint in "".join(lines[1:])
    assert "Traceback" not in done.stderr and "defect" not in done.stderr
    assert done.stdout == ""
    assert not {path for path in tmp_path.rglob("*") if path.suffix in (".id", ".cid")} - before


@pytest.mark.parametrize(("words", "code"), [
    (("rm", "nope"), 1), (("rmi", "nope"), 1), (("stop", "nope"), 125), (("kill", "nope"), 125),
    (("start", "nope"), 125), (("logs", "nope"), 125), (("wait", "nope"), 125), (("exec", "nope", "ls"), 125),
    (("attach", "nope"), 125), (("mount", "nope"), 125), (("umount", "nope"), 125), (("inspect", "nope"), 125),
    (("inspect", "--type", "image", "nope"), 125), (("inspect", "--type", "container", "nope"), 125),
    (("run", "--pull", "never", "nope"), 125), (("create", "--pull=never", "nope"), 125)])
def test_what_does_not_exist(conman: Command, words: tuple[str, ...], code: int) -> None:
    done = conman(*words)
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("Error: ") and "nope" in done.stderr
    assert done.stdout == ("[]\n" if words[0] == "inspect" else "")


@pytest.mark.parametrize("words", [("rm", "-i", "nope"), ("rm", "-f", "nope"), ("rmi", "-f", "nope"), ("rmi", "-i", "nope"), ("stop", "--ignore", "nope"), ("rm", "-a"),
                                   ("stop", "-a"), ("kill", "-a"), ("rmi", "-a"), ("umount", "-a")])
def test_nothing_to_do_is_no_error(conman: Command, words: tuple[str, ...]) -> None:
    done = conman(*words)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_cidfile_that_exists_is_refused_first(conman: Command, tmp_path: Path) -> None:
    cidfile = tmp_path / "taken.cid"
    cidfile.write_text("mine", "utf-8")
    done = conman("run", "--cidfile", str(cidfile), "--pull", "never", "no-such-image")
    assert done.returncode == 125
    assert "container id file exists" in done.stderr and str(cidfile) in done.stderr
    assert cidfile.read_text("utf-8") == "mine"
