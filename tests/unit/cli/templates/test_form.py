"""``--format`` as a whole: headings, columns, all rows at once, methods, positions, bounds."""

from __future__ import annotations

import pytest

from conman_kernel.cli.templates.form import Form
from conman_kernel.cli.templates.values import LARGEST, Method
from conman_kernel.errors import InvalidInput

ROWS: list[dict[str, object]] = [
    {"ID": "1f60fb094606", "Names": "one", "CreatedAt": "now", "Labels": {"a": "1"}, "Mounts": ["/a", "/b"], "State": {"Pid": 3},
     "host": {"arch": "amd64"}, "Label": Method(lambda words: f"<{words[0]}>", 1), "Size": Method(lambda words: "3 kB")},
    {"ID": "b848cb0d99c7", "Names": "the-other-one", "CreatedAt": "then", "Labels": {}, "Mounts": [], "State": {"Pid": None},
     "host": {"arch": "arm64"}, "Label": Method(lambda words: "", 1), "Size": Method(lambda words: "")}]


def shown(format: str) -> str:
    return Form(format, {"ID": "CONTAINER ID"}).text(ROWS)


@pytest.mark.parametrize(("format", "text"), [
    ("table {{.ID}} {{.Names}}", "CONTAINER ID  NAMES\n1f60fb094606  one\nb848cb0d99c7  the-other-one\n"),
    ("table {{.ID}}\\t{{.Names}}", "CONTAINER ID  NAMES\n1f60fb094606  one\nb848cb0d99c7  the-other-one\n"),
    ("table {{.Names}}\t{{.CreatedAt}}", "NAMES          CREATED AT\none            now\nthe-other-one  then\n"),
    ("table {{.Names}}: {{.State.Pid}}", "NAMES:          PID\none:            3\nthe-other-one:  <nil>\n"),
    ('table {{.Names | upper}} {{json .ID}}', 'NAMES          CONTAINER ID\nONE            "1f60fb094606"\n'
                                              'THE-OTHER-ONE  "b848cb0d99c7"\n'),
    ('table {{.Label "a b"}} {{range .Mounts}}{{.}},{{end}}', "LABEL       MOUNTS\n<a b>       /a,/b,\n            \n"),
    ("table", "table\ntable\n"),
    ("table ", "\n\n\n"),
])
def test_columns(format: str, text: str) -> None:
    assert shown(format) == text


def test_columns_without_a_heading() -> None:
    assert Form("table {{.ID}} {{.Names}}").text(ROWS[:1], heading=False) == "1f60fb094606  one\n"


@pytest.mark.parametrize(("format", "text"), [
    ("{{.ID}}\\t{{.Names}}\\n", "1f60fb094606\tone\nb848cb0d99c7\tthe-other-one\n"),
    ("{{.Id}} {{.Host.Arch}}", "1f60fb094606 amd64\nb848cb0d99c7 arm64\n"),
    ("{{.Size}}|{{.Label `x`}}", "3 kB|<x>\n|\n"),
    ("{{if .Size}}{{.Size}}{{else}}none{{end}}", "3 kB\nnone\n"),
    ("{{.Labels}} {{.Labels.a}} {{.Labels.b}}", "map[a:1] 1 <no value>\nmap[] <no value> <no value>\n"),
    ("{{range .}}{{.Names}} {{end}}", "one the-other-one \n"),
    ("{{range $i, $row := .}}{{$i}}{{$row.Names}}\n{{end}}", "0one\n1the-other-one\n"),
    ("{{range .}}{{.Names}}\n{{end -}}", "one\nthe-other-one\n"),
    ("{{.Names -}}", "onethe-other-one"),
    ("{{ range . }}{{$}}{{break}}{{end}}", ""),
    ("{{range .Mounts}}{{.}} {{end}}", "/a /b \n\n"),
    ("{{$.Names}}", "one\nthe-other-one\n"),
    ("{{json .State}}{{json .Label}}", None),
])
def test_rows(format: str, text: str | None) -> None:
    if text:
        assert shown(format) == text
    elif text is None:
        with pytest.raises(InvalidInput, match="wrong number of args for Label: want 1 got 0"):
            shown(format)
    else:
        assert shown(format).startswith("[map[")


def test_a_row_as_json_has_no_methods() -> None:
    assert Form("{{json .}}").row(ROWS[0]) == (
        '{"ID":"1f60fb094606","Names":"one","CreatedAt":"now","Labels":{"a":"1"},"Mounts":["/a","/b"],"State":{"Pid":3},'
        '"host":{"arch":"amd64"}}\n')


@pytest.mark.parametrize(("format", "message", "hint"), [
    ("{{.Names}} {{.Nmes}}", "--format: template 1:14 at <.Nmes>: can't evaluate field Nmes", "did you mean .Names?"),
    ("a\n b {{.State.Pit}}", "--format: template 2:6 at <.State.Pit>: can't evaluate field Pit", "did you mean .Pid?"),
    ("table {{.ID}} {{.Bogus}}", "--format: template 1:17 at <.Bogus>: can't evaluate field Bogus", "fields: ID Names"),
    ("{{.ID", "--format: template 1:1 at <{{.ID>: unclosed action", "an action ends with }}"),
    ("x {{jsn .ID}}", '--format: template 1:5 at <{{jsn .ID}}>: function "jsn" not defined', "did you mean json?"),
    ("{{foo}}", '--format: template 1:3 at <{{foo}}>: function "foo" not defined', "fields begin with a dot; functions: and call"),
    ("{{.ID}}{{end}}", "--format: template 1:8 at <{{end}}>: unexpected {{end}}", ""),
    ("{{if .ID}}a", "--format: template 1:1 at <{{if .ID}}>: unexpected end of the template, {{end}} is missing", ""),
    ("{{.Label}}", "--format: template 1:3 at <.Label>: wrong number of args for Label: want 1 got 0", ""),
    ("{{.Label 3}}", "--format: template 1:3 at <.Label>: wrong type for value; expected string", ""),
    ("{{index .Mounts 9}}", "--format: template 1:3 at <index .Mounts 9>: error calling index: index out of range: 9", ""),
])
def test_errors_name_the_place(format: str, message: str, hint: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        shown(format)
    assert caught.value.message.startswith(message)
    assert caught.value.hint.startswith(hint)


DOUBLED = "{{$s = print $s $s}}"
BOUNDS = [
    ('{{$s := "x"}}' + DOUBLED * 40, "longer than"),
    ('{{printf "%999999d%999999d%999999d" 1 1 1}}' * 20, "prints more than"),
    ('{{pad "x" 99999999 1}}', "longer than"), ("{{range $.L}}" * 9 + "x" + "{{end}}" * 9, "takes too many steps"),
    ('{{define "a"}}{{template "a" .}}{{end}}{{template "a" .}}', "runs nested deeper"),
    ("{{" + "(" * 5000 + ".ID" + ")" * 5000 + "}}", "nested deeper"), ("{{if .ID}}" * 5000 + "{{end}}" * 5000, "nested deeper"),
    ("{{if .No}}" + "{{else if .ID}}" * 5000 + "{{end}}", "nested deeper"),
    ('{{$s := "x"}}' + DOUBLED * 21 + '{{range split $s ""}}{{end}}', "more than"),
]


@pytest.mark.parametrize(("format", "message"), BOUNDS, ids=range(len(BOUNDS)))
def test_bounds(format: str, message: str) -> None:
    row = {"ID": "x", "No": False, "L": list(range(20))}
    with pytest.raises(InvalidInput, match=message) as caught:
        Form(format).row(row)
    assert len(caught.value.message) < 300


def test_what_is_allowed_is_large() -> None:
    assert LARGEST >= 2**20
    nested = "{{if .ID}}" * 50 + "x" + "{{end}}" * 50
    assert Form(nested).row({"ID": "1"}) == "x\n"
    assert Form("{{range .L}}{{.}}{{end}}").row({"L": list(range(50_000))}).startswith("0123")
