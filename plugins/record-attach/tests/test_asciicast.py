"""The lines of the file format."""

from __future__ import annotations

import json

from conman_record_attach.asciicast import INPUT, OUTPUT, RESIZE, Header, event, first_line, size


def header(**changes) -> Header:
    return Header(width=97, height=31, title="web", command=(), environment={}, idle_limit=0.0)._replace(**changes)


def test_the_smallest_header() -> None:
    assert json.loads(first_line(header(), 1504467315.9)) == {
        "version": 2, "width": 97, "height": 31, "timestamp": 1504467315, "title": "web", "env": {}}


def test_a_whole_header() -> None:
    line = first_line(header(command=("sh", "-c", "echo 'a b'"), environment={"TERM": "xterm", "SHELL": "/bin/zsh"}, idle_limit=2.5), 0)
    found = json.loads(line)
    assert found["command"] == """sh -c 'echo '"'"'a b'"'"''"""
    assert (found["idle_time_limit"], found["env"]) == (2.5, {"TERM": "xterm", "SHELL": "/bin/zsh"})
    assert line.count(b"\n") == 1 and line.endswith(b"\n")


def test_what_no_utf_8_can_say_does_not_stop_it() -> None:
    assert json.loads(first_line(header(command=("echo", "\udcff"), title="\udc80"), 0).decode())["title"] == "?"


def test_events() -> None:
    assert event(1.00000049, OUTPUT, "\x1b[31mé\r\n") == '[1.0, "o", "\\u001b[31mé\\r\\n"]\n'.encode()
    assert event(0.5, INPUT, "\x03") == b'[0.5, "i", "\\u0003"]\n'
    assert event(0.25, RESIZE, size(40, 120)) == b'[0.25, "r", "120x40"]\n'
