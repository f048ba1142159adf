"""What the kernel tells, by real runc: which events, in which order, from which process, and who is heard."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel import Conman, ContainerOptions
from conman_kernel.errors import InvalidInput, Unavailable
from conman_kernel.slots.events import Event
from conman_kernel.testing.command import Command

SINK = """
import os
from conman_kernel import hookimpl
from conman_kernel.slots.events import API
from conman_kernel.slots.provider import NoOptions, provider

class Sink:
    def emit(self, request):
        {emit}
    def close(self):
        {close}

@hookimpl
def conman_event_sink():
    return provider(api=API, summary="x", options=NoOptions, open=lambda context: Sink())
"""


def install(folder: Path, name: str, code: str, group: str = "conman.events") -> None:
    """Put a plugin distribution into a folder for PYTHONPATH."""
    module = name.replace("-", "_")
    (folder / f"{module}.py").write_text(code)
    info = folder / f"dist_{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: dist-{name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}\n")


@pytest.fixture
def since(conman: Command) -> Iterator[str]:
    """A moment before the test's own events."""
    import time

    yield f"{time.time_ns() // 10**9}.{time.time_ns() % 10**9:09d}"


def told(conman: Command, since: str, *more: str) -> list[dict[str, object]]:
    lines = conman.ok("events", "--stream=false", "--since", since, "--format", "json", *more).splitlines()
    return [json.loads(line) for line in lines]


def words(found: list[dict[str, object]], type: str = "container") -> list[object]:
    return [event["Status"] for event in found if event["Type"] == type]


def test_run_in_the_foreground(conman: Command, image: str, since: str) -> None:
    assert conman("run", "--rm", "--name", "seen", "--label", "a=b", image, "sh", "-c", "exit 3").returncode == 3
    found = told(conman, since)
    assert words(found) == ["create", "init", "start", "attach", "died", "cleanup", "remove"]
    assert {(event["Name"], event["Image"]) for event in found} == {("seen", image)}
    assert all(event["Attributes"]["a"] == "b" for event in found)  # type: ignore[index, call-overload]
    assert [event.get("ContainerExitCode") for event in found if event["Status"] == "died"] == [3]
    assert len({event["ID"] for event in found}) == 1


def test_run_detached_ends_in_the_clean_up_command(conman: Command, image: str, since: str, gone: list[str]) -> None:
    gone.append("left")
    conman.ok("run", "-d", "--name", "left", image, "sh", "-c", "exit 4")
    assert conman.ok("wait", "left") == "4\n"
    conman.ok("rm", "left")
    found = told(conman, since)
    assert words(found) == ["create", "init", "start", "died", "cleanup", "remove"]
    assert [event.get("ContainerExitCode") for event in found if event["Status"] == "died"] == [4]


def test_verbs(conman: Command, image: str, since: str, gone: list[str]) -> None:
    gone.append("busy")
    conman.ok("create", "--name", "busy", image, "sleep", "1000")
    conman.ok("start", "busy")
    assert conman("exec", "busy", "sh", "-c", "exit 5").returncode == 5
    conman.ok("kill", "-s", "URG", "busy")
    conman.ok("mount", "busy")
    conman.ok("umount", "busy")
    conman.ok("commit", "-q", "--pause", "busy", "made:1")
    conman.ok("export", "-o", os.devnull, "busy")
    conman.ok("stop", "-t", "0", "busy")
    conman.ok("rm", "busy")
    conman.ok("rmi", "made:1")
    found = told(conman, since)
    assert words(found) == ["create", "init", "start", "exec", "exec_died", "kill", "mount", "unmount", "pause", "unpause", "commit",
                            "export", "died", "cleanup", "stop", "remove"]
    assert [event.get("ContainerExitCode") for event in found if event["Status"] in ("exec_died", "died")] == [5, 137]
    execs = [event["Attributes"]["execID"] for event in found if "exec" in str(event["Status"])]  # type: ignore[index, call-overload]
    assert len(execs) == 2 and len(set(execs)) == 1
    assert words(found, "image") == ["untag", "remove"]


def test_a_start_that_fails(conman: Command, image: str, since: str) -> None:
    assert conman("run", "--name", "never", image, "no-such-program").returncode == 127
    assert words(told(conman, since)) == ["create", "remove"]
    assert conman("create", "--name", "never", "--user", "nobody-knows-her", image, "true").returncode == 0
    assert conman("start", "never").returncode != 0
    conman.ok("rm", "never")
    assert words(told(conman, since))[2:] == ["create", "remove"]


def test_a_container_that_is_never_made_is_not_told_of(conman: Command, image: str, since: str) -> None:
    assert conman("create", "--cidfile", "/proc/nowhere", image, "true").returncode == 125
    assert told(conman, since) == []


def test_images(conman: Command, image: str, since: str, folder: Path) -> None:
    conman.ok("pull", "-q", image)
    conman.ok("tag", image, "other:1")
    conman.ok("save", "-o", str(folder / "x.tar"), "other:1")
    conman.ok("untag", image, "localhost/other:1")
    conman.ok("load", "-i", str(folder / "x.tar"))
    conman.ok("image", "mount", "other:1")
    conman.ok("image", "umount", "other:1")
    conman.ok("rmi", "other:1")
    found = told(conman, since)
    assert words(found, "image") == ["pull", "tag", "save", "untag", "loadfromarchive", "mount", "unmount", "untag"]
    assert found[0]["Name"] == image and len({event["ID"] for event in found}) == 1
    assert words(told(conman, since, "--filter", "image=other"), "image") == ["tag", "untag", "untag"]


def test_prune(conman: Command, image: str, since: str) -> None:
    conman.ok("create", "--name", "old", image, "true")
    conman.ok("commit", "-q", "old")
    conman.ok("system", "prune", "--force")
    found = told(conman, since)
    assert words(found) == ["create", "commit", "remove", "prune"] and words(found, "image") == ["remove", "prune"]


def test_followed_by_another_process(conman: Command, image: str, since: str) -> None:
    following = conman.start("events", "--since", since, "--filter", "container=followed", "--filter", "event=died", "--filter", "event=start")
    try:
        conman.ok("run", "--rm", "--name", "unseen", image, "true")
        conman.ok("run", "--rm", "--name", "followed", image, "true")
        assert following.stdout is not None
        lines = [following.stdout.readline().decode() for _ in range(2)]
    finally:
        following.send_signal(signal.SIGINT)
        assert following.wait(30) == 130
        for stream in (following.stdout, following.stderr):
            stream.close()  # type: ignore[union-attr]
    assert [line.split()[5] for line in lines] == ["start", "died"]
    assert all(f"(image={image}, name=followed)" in line for line in lines)


def test_until_ends_it(conman: Command) -> None:
    assert conman.ok("events", "--until", "200ms", "--since", "0s") == ""


@pytest.mark.parametrize(("format", "says"), [
    ("{{.Status}} {{.Name}} {{.ContainerExitCode}}", "died shown 7\n"), ("json", '"ContainerExitCode":7')])
def test_formats(conman: Command, image: str, since: str, format: str, says: str) -> None:
    assert conman("run", "--rm", "--name", "shown", image, "sh", "-c", "exit 7").returncode == 7
    assert says in conman.ok("events", "--stream=false", "--since", since, "--filter", "event=died", "--format", format)


@pytest.mark.parametrize("arguments", [("--filter", "bogus=x"), ("--filter", "event"), ("--since", "bogus"), ("--until", "x"),
                                       ("--format", "{{.Bogus}}"), ("word",)])
def test_what_cannot_be_asked(conman: Command, arguments: tuple[str, ...]) -> None:
    done = conman("events", *arguments)
    assert done.returncode == 125 and done.stderr.startswith("Error: ") and done.stdout == ""


def test_from_python(conman: Command, image: str, since: str) -> None:
    with Conman(root=conman.root, run_root=conman.run_root) as c:
        following = c.events.stream(filters=[("type", "container")])
        c.containers.run(image, ["true"], options=ContainerOptions(name="py", remove=True, labels=(("k", "v"),)))
        found = [next(following) for _ in range(7)]
        assert [event.status for event in found] == ["create", "init", "start", "attach", "died", "cleanup", "remove"]
        assert all(isinstance(event, Event) and ("k", "v") in event.attributes for event in found)
        assert [event.status for event in c.events.stream(since=since, follow=False, filters=[("label", "k=v"), ("event", "died")])
                ] == ["died"]
        with pytest.raises(InvalidInput, match="invalid filter"):
            c.events.stream(filters=[("bogus", "")])
    with Conman(root=conman.root, run_root=conman.run_root, overrides={"events.sinks": []}) as c, \
            pytest.raises(Unavailable, match="no event sink"):
        c.events.stream()


@pytest.mark.parametrize("order", ["{bad},events-jsonl", "events-jsonl,{bad}"], ids=["first", "last"])
@pytest.mark.parametrize("code", [
    SINK.format(emit="raise ValueError('inside')", close="pass"),
    SINK.format(emit="raise SystemExit(9)", close="pass"),
    SINK.format(emit="pass", close="raise ValueError('at the end')"),
    SINK.format(emit="pass", close="pass").replace("API", "1 + API"),
    "raise RuntimeError('no import')",
    "",
], ids=["emit", "exit", "close", "api", "import", "empty"])
def test_a_sink_that_fails_harms_nobody(conman: Command, image: str, since: str, folder: Path, left_as_it_was: None,
                                        order: str, code: str) -> None:
    install(folder, "bad-sink", code)
    environ = {"PYTHONPATH": str(folder), "CONMAN_EVENTS_SINKS": order.format(bad="bad-sink")}
    done = conman("run", "--rm", image, "echo", "well", **environ)  # type: ignore[arg-type]
    assert (done.returncode, done.stdout) == (0, "well\n")
    assert done.stderr.count("\n") == 1 and "bad-sink" in done.stderr and "dist-bad-sink" in done.stderr, done.stderr
    assert words(told(conman, since)) == ["create", "init", "start", "attach", "died", "cleanup", "remove"]
    conman.ok("run", "-d", "--rm", "--name", "alone", image, "true", **environ)  # type: ignore[arg-type]
    with Conman(root=conman.root, run_root=conman.run_root) as c:
        following = c.events.stream(filters=[("container", "alone"), ("event", "remove")], since=since)
        assert next(following).name == "alone"


def test_sinks_are_told_in_the_order_of_the_configuration(conman: Command, image: str, folder: Path) -> None:
    heard = folder / "heard"
    for name in ("one-sink", "two-sink"):
        install(folder, name, SINK.format(
            emit=f"open({str(heard)!r}, 'a').write({name!r} + ' ' + request.event.status + chr(10))", close="pass"))
    conman.ok("create", "--name", "order", image, "true", PYTHONPATH=str(folder), CONMAN_EVENTS_SINKS="two-sink,one-sink")
    conman.ok("rm", "order")
    assert heard.read_text() == "two-sink create\none-sink create\n"


def test_a_sink_that_is_not_installed(conman: Command, image: str) -> None:
    done = conman("run", "--rm", image, "true", CONMAN_EVENTS_SINKS="no-such-sink")
    assert done.returncode == 0 and done.stderr.count("\n") == 1 and "no-such-sink" in done.stderr
