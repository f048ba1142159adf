"""Tables, spans of time, sizes and templates, held against what podman 4.3.1 printed for the same data."""

from __future__ import annotations

import pytest

from conman_kernel.cli.go_format import render
from conman_kernel.cli.table import table, truncated
from conman_kernel.cli.wording import duration, go_time, size, utc
from conman_kernel.errors import InvalidInput

PS = """\
CONTAINER ID  IMAGE                COMMAND               CREATED                 STATUS                             PORTS       NAMES
0cffbaf5cbb5  localhost/bb:latest  echo hello            Less than a second ago  Exited (0) Less than a second ago              one
bdb5065817a1  localhost/bb:latest  sh -c echo a b "c...  Less than a second ago  Exited (3) Less than a second ago              two
3315daed8913  localhost/bb:latest  sleep 1000            Less than a second ago  Up Less than a second ago                      three
"""

IMAGES_NONE = "REPOSITORY  TAG         IMAGE ID    CREATED     SIZE\n"


def test_ps_as_podman_printed_it() -> None:
    moment, image = "Less than a second ago", "localhost/bb:latest"
    rows = [
        ("CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"),
        ("0cffbaf5cbb5", image, "echo hello", moment, f"Exited (0) {moment}", "", "one"),
        ("bdb5065817a1", image, truncated('sh -c echo a b "c d"; exit 3', 17), moment, f"Exited (3) {moment}", "",
         "two"),
        ("3315daed8913", image, "sleep 1000", moment, f"Up {moment}", "", "three"),
    ]
    assert table(rows) == PS


def test_images_heading_as_podman_printed_it() -> None:
    assert table([("REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE")]) == IMAGES_NONE


@pytest.mark.parametrize(("text", "shown"), [
    ("sh -c echo out; echo err >&2", "sh -c echo out; e..."), ("twenty characters ok", "twenty characters ok"),
    ("twenty-one characters", "twenty-one charac...")])
def test_commands_are_cut_as_podman_cuts_them(text: str, shown: str) -> None:
    assert truncated(text, 17) == shown


@pytest.mark.parametrize(("seconds", "words"), [
    (0, "Less than a second"), (0.9, "Less than a second"), (1, "1 second"), (59, "59 seconds"), (60, "About a minute"),
    (119, "About a minute"), (120, "2 minutes"), (3540, "59 minutes"), (3600, "About an hour"), (5399, "About an hour"),
    (5400, "2 hours"), (47 * 3600, "47 hours"), (48 * 3600, "2 days"), (13 * 86400, "13 days"), (14 * 86400, "2 weeks"),
    (59 * 86400, "8 weeks"), (60 * 86400, "2 months"), (729 * 86400, "24 months"), (730 * 86400, "2 years"), (-5,
                                                                                                              "Less than a second")])
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(("count", "words"), [
    (0, "0 B"), (999, "999 B"), (1000, "1 kB"), (1997912, "2 MB"), (5_830_000, "5.83 MB"), (123_456_789, "123 MB"),
    (999_999, "1 MB"), (10**12, "1 TB")])
def test_sizes(count: int, words: str) -> None:
    assert size(count) == words


@pytest.mark.parametrize(("seconds", "words"), [
    (1795474388, "2026-11-23 22:53:08 +0000 UTC"), (1795474388.5, "2026-11-23 22:53:08.5 +0000 UTC"),
    (1795474388.25, "2026-11-23 22:53:08.25 +0000 UTC")])
def test_times_as_go_prints_them(seconds: float, words: str) -> None:
    assert go_time(seconds) == words
    assert utc(seconds) == "2026-11-23T22:53:08Z"


ROWS: list[dict[str, object]] = [
    {"ID": "1f60fb094606", "Names": "c1", "State": {"Status": "exited", "Pid": 0}, "Labels": {"b": "2", "a": "1"},
     "On": True,
     "Args": ["x", "y"], "Nothing": None},
    {"ID": "b848cb0d99c7", "Names": "c2", "State": {"Status": "running", "Pid": 7}, "Labels": {}, "On": False,
     "Args": [],
     "Nothing": None}]


@pytest.mark.parametrize(("format", "text"), [
    ("{{.ID}} {{.Names}}", "1f60fb094606 c1\nb848cb0d99c7 c2\n"),
    ("table {{.ID}} {{.Names}}", "CONTAINER ID  NAMES\n1f60fb094606  c1\nb848cb0d99c7  c2\n"),
    ("table {{.ID}}\\t{{.Names}}", "CONTAINER ID  NAMES\n1f60fb094606  c1\nb848cb0d99c7  c2\n"),
    ("{{ .State.Status }}:{{.State.Pid}}", "exited:0\nrunning:7\n"),
    ("{{.Labels}} {{.On}} {{.Args}} {{.Nothing}}", "map[a:1 b:2] true [x y] <nil>\nmap[] false [] <nil>\n"),
    ("{{json .Args}}", '["x","y"]\n[]\n'),
    ("{{range .Args}}{{.}}{{end}}|", "xy|\n|\n"), ("{{range .}}{{.ID}} {{end}}", "1f60fb094606 b848cb0d99c7 \n"),
    ("plain", "plain\nplain\n")])
def test_templates(format: str, text: str) -> None:
    assert render(format, ROWS, {"ID": "CONTAINER ID"}) == text


@pytest.mark.parametrize(("format", "message"), [
    ("{{.Foo}}", "template 1:3 at <.Foo>: can't evaluate field Foo"),
    ("{{.State.Foo}}", "template 1:3 at <.State.Foo>: can't evaluate field Foo"),
    ("{{.ID", "template 1:1 at <{{.ID>: unclosed action"), ("x {{foo .On}}", 'template 1:5 at .*function "foo" not defined')])
def test_templates_refused(format: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        render(format, ROWS, {})
    assert caught.value.hint
