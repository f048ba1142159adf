"""Containers with a terminal: PROTOCOL.md, "Terminal"."""

from __future__ import annotations

STDIN, STDIN_END, RESIZE = 2, 3, 4
EXITED = 0x85


def start(rig, *program: str, extra: tuple[str, ...] = ()) -> None:
    console = rig.path("console")
    rig.configure(rig.runtime(*program, options=("--console", console)), "terminal=1", f"console_socket={console}",
                  "stdin=1", *extra)
    rig.created()


def test_everything_comes_as_standard_output_with_carriage_returns(rig) -> None:
    start(rig, "sh", "-c", "echo out; echo err >&2; test -t 0 && exit 9")
    client = rig.attach()
    rig.say("started")
    assert client.output() == (b"out\r\nerr\r\n", b"", (EXITED, b"\x09"))
    rig.exited()
    assert rig.logged() == "out\r\nerr\r\n"


def test_its_size_is_set_before_the_start_and_later(rig) -> None:
    start(rig, "sh", "-c", "read line; stty size; read line; stty size", extra=("rows=33", "columns=101"))
    client = rig.attach()
    rig.say("started")
    client.send(STDIN, b"\n")
    assert b"33 101" in client.until(b"101\r\n")
    client.send(RESIZE, (50).to_bytes(2, "big") + (120).to_bytes(2, "big"))
    client.send(STDIN, b"\n")
    assert b"50 120" in client.output()[0]


def test_the_end_of_input_is_typed(rig) -> None:
    start(rig, "sh", "-c", "stty -echo; echo ready; cat; echo ended")
    client = rig.attach()
    rig.say("started")
    client.until(b"ready\r\n")
    client.send(STDIN, b"line\n")
    client.send(STDIN_END)
    assert client.output()[0] == b"line\r\nended\r\n"


def test_the_end_of_input_after_an_unfinished_line(rig) -> None:
    start(rig, "sh", "-c", "stty -echo; echo ready; cat; echo ended")
    client = rig.attach()
    rig.say("started")
    client.until(b"ready\r\n")
    client.send(STDIN, b"unfinished")
    client.send(STDIN_END)
    assert client.output()[0] == b"unfinishedended\r\n"


def test_a_runtime_that_sends_no_terminal_is_an_error(rig) -> None:
    rig.configure(rig.runtime("sleep", "100"), "terminal=1", f"console_socket={rig.path('console')}")
    name, records = rig.heard()
    assert (name, records["stage"]) == ("error", "create")
    assert "terminal" in records["text"]
    rig.say("done")


def test_the_runtimes_words_with_a_terminal(rig) -> None:
    rig.configure(rig.runtime("true", options=("--fail", "1", "not today")), "terminal=1",
                  f"console_socket={rig.path('console')}")
    assert rig.heard()[1]["text"] == "not today"
    rig.say("done")
    rig.gone()
    assert not (rig.folder / "console").exists()


def test_the_last_output_of_a_terminal_is_not_lost(rig) -> None:
    for _ in range(5):
        start(rig, "sh", "-c", "seq 1 500")
        client = rig.attach(15)
        rig.say("started")
        out = client.output()[0]
        assert out.endswith(b"500\r\n")
        assert out.count(b"\n") == 500
        rig.exited()
        rig.say("done")
        rig.gone()
        rig.relaunch()
