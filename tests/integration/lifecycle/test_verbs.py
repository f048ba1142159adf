"""create, start, stop, kill, rm, ps, inspect, logs, wait, attach, mount."""

from __future__ import annotations

import os
import subprocess
import time

import pytest

from conman_kernel.testing.command import Command

PATIENT = "trap 'echo bye; exit 9' TERM; echo up; while :; do sleep 0.05; done"


def up(conman: Command, name: str) -> None:
    """Wait until a container has said that it is up."""
    follow = conman.start("logs", "--follow", name)
    assert follow.stdout is not None and follow.stderr is not None
    assert follow.stdout.readline() == b"up\n", follow.stderr.read()
    follow.kill()
    follow.communicate()


def test_create_start_wait_again(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("made")
    conman.ok("create", "--name", "made", image, "sh", "-c", "echo run >> /count; cat /count; exit $(wc -l < /count)")
    assert conman.ok("ps", "-a", "--format", "{{.Names}} {{.State}}") == "made created\n"
    for turn in (1, 2, 3):
        assert conman.ok("start", "made") == "made\n"
        assert conman.ok("wait", "made") == f"{turn}\n"
        state = conman.inspect("made")["State"]
        assert (state["Status"], state["ExitCode"], state["Running"], state["Pid"]) == ("exited", turn, False, 0)
    assert conman.ok("rm", "made") == "made\n"


def test_start_attached(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("joined")
    conman.ok("create", "-i", "--name", "joined", image, "sh", "-c", "cat; echo err >&2; exit 6")
    for _ in range(2):
        done = conman("start", "-a", "-i", "joined", stdin=b"words\n")
        assert (done.returncode, done.stdout, done.stderr) == (6, "words\n", "err\n")


def test_start_of_a_running_one_changes_nothing(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("on")
    conman.ok("run", "-d", "--name", "on", image, "sleep", "1000")
    before = conman.inspect("on")["State"]["Pid"]
    conman.ok("start", "on")
    assert conman.inspect("on")["State"]["Pid"] == before


def test_stop_is_heard(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("polite")
    conman.ok("run", "-d", "--name", "polite", image, "sh", "-c", PATIENT)
    up(conman, "polite")
    conman.ok("stop", "polite")
    assert conman.inspect("polite")["State"]["ExitCode"] == 9
    assert conman.ok("logs", "polite") == "up\nbye\n"
    conman.ok("stop", "polite")  # once more is no error


def test_stop_that_is_not_heard_kills(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("deaf")
    conman.ok("run", "-d", "--name", "deaf", image, "sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done")
    up(conman, "deaf")
    began = time.monotonic()
    conman.ok("stop", "-t", "1", "deaf")
    assert 1 <= time.monotonic() - began < 9
    assert conman.inspect("deaf")["State"]["ExitCode"] == 137


def test_stop_signal_of_the_container(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("usr")
    conman.ok("run", "-d", "--name", "usr", "--stop-signal", "USR1", image, "sh", "-c",
              "trap 'exit 11' USR1; echo up; while :; do sleep 0.05; done")
    up(conman, "usr")
    conman.ok("stop", "usr")
    assert conman.ok("wait", "usr") == "11\n"


@pytest.mark.parametrize("word", ["USR1", "SIGUSR1", "10"])
def test_kill_by_name_and_number(conman: Command, image: str, gone: list[str], word: str) -> None:
    gone.append("shot")
    conman.ok("run", "-d", "--name", "shot", image, "sh", "-c",
              "trap 'exit 12' USR1; echo up; while :; do sleep 0.05; done")
    up(conman, "shot")
    assert conman.ok("kill", "--signal", word, "shot") == "shot\n"
    assert conman.ok("wait", "shot") == "12\n"


def test_kill_of_what_does_not_run(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("still")
    conman.ok("create", "--name", "still", image, "true")
    done = conman("kill", "still")
    assert done.returncode == 125 and done.stderr.startswith("Error: can only kill running containers")


def test_rm_of_a_running_one_needs_force(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("busy")
    id = conman.ok("run", "-d", "--name", "busy", image, "sleep", "1000").strip()
    done = conman("rm", "busy")
    assert done.returncode == 2 and id in done.stderr and "without force" in done.stderr
    assert conman.ok("rm", "-f", "-t", "0", "busy") == "busy\n"


def test_ps_filters(conman: Command, image: str, gone: list[str]) -> None:
    gone += ["one", "two", "three"]
    one = conman.ok("run", "-d", "--name", "one", "--label", "a=b", image, "sleep", "1000").strip()
    conman.ok("create", "--name", "two", "--label", "a=c", image, "true")
    conman("run", "--name", "three", image, "sh", "-c", "exit 4")

    def names(*arguments: str) -> set[str]:
        return set(conman.ok("ps", "--format", "{{.Names}}", *arguments).split())

    assert names() == {"one"}
    assert names("-a") == {"one", "two", "three"}
    assert names("--filter", "status=created") == {"two"}
    assert names("-a", "--filter", "label=a") == {"one", "two"}
    assert names("-a", "--filter", "label=a=c") == {"two"}
    assert names("-a", "--filter", "exited=4") == {"three"}
    assert names("-a", "--filter", f"id={one[:12]}") == {"one"}
    assert names("-a", "--filter", "name=t") == {"two", "three"}
    assert names("-a", "--filter", f"ancestor={image}") == {"one", "two", "three"}
    assert names("-a", "--filter", "before=two") == {"one"}
    assert names("-a", "--filter", "since=two") == {"three"}
    assert conman.ok("ps", "-q", "--no-trunc") == f"{one}\n"
    assert conman.ok("ps", "-q") == f"{one[:12]}\n"
    assert conman("ps", "--filter", "nonsense=1").returncode == 125


def test_short_ids(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("short")
    id = conman.ok("create", "--name", "short", image, "true").strip()
    assert conman.inspect(id[:4])["Name"] == "short"


def test_logs(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("spoke")
    conman("run", "--name", "spoke", image, "sh", "-c", "echo one; echo two >&2; echo three; printf four")
    done = conman("logs", "spoke")
    assert (done.stdout, done.stderr) == ("one\nthree\nfour", "two\n")
    # Two pipes: nothing says which of what was written to both at once comes first. The last two may be of one or of both.
    tail = conman("logs", "--tail", "2", "spoke")
    assert (tail.stdout, tail.stderr) in (("three\nfour", ""), ("four", "two\n"))
    assert conman.ok("logs", "--tail", "0", "spoke") == ""


def test_logs_follow_to_the_end(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("speaks")
    conman.ok("run", "-d", "-i", "--name", "speaks", image, "sh", "-c", PATIENT)
    follow = conman.start("logs", "-f", "speaks")
    assert follow.stdout is not None
    assert follow.stdout.readline() == b"up\n"
    conman.ok("stop", "speaks")
    out, err = follow.communicate(timeout=30)
    assert (follow.returncode, out, err) == (0, b"bye\n", b"")


def test_logs_of_one_without_log(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("mute")
    assert conman("run", "--name", "mute", "--log-driver", "none", image, "echo", "x").stdout == "x\n"
    done = conman("logs", "mute")
    assert done.returncode == 125 and "no log" in done.stderr


def test_wait_for_several(conman: Command, image: str, gone: list[str]) -> None:
    gone += ["w1", "w2"]
    conman.ok("run", "-d", "--name", "w1", image, "sh", "-c", PATIENT)
    conman.ok("run", "-d", "--name", "w2", image, "sleep", "1000")
    up(conman, "w1")
    waiting = conman.start("wait", "w1", "w2")
    conman.ok("kill", "w2")
    conman.ok("stop", "w1")
    out, _ = waiting.communicate(timeout=30)
    assert out == b"9\n137\n"


def test_wait_for_one_that_is_removed_at_its_end(conman: Command, image: str) -> None:
    conman.ok("run", "-d", "--rm", "-i", "--name", "brief", image, "sh", "-c", PATIENT)
    up(conman, "brief")
    waiting = conman.start("wait", "brief")
    assert waiting.stdout is not None
    conman.ok("stop", "brief")
    out, err = waiting.communicate(timeout=30)
    # Whoever asks only after its end cannot know it by its name.
    assert out == b"9\n" or b"no such container" in err


def test_attach_feeds_and_ends_with_the_process(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("fed")
    conman.ok("run", "-d", "-i", "--name", "fed", image, "sh", "-c", "read x; echo got $x; exit 8")
    done = conman("attach", "fed", stdin=b"bread\n")
    assert (done.returncode, done.stdout) == (8, "got bread\n")


def test_attach_to_what_does_not_run(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("off")
    conman.ok("create", "--name", "off", image, "true")
    done = conman("attach", "off")
    assert done.returncode == 125 and done.stderr.startswith("Error: you can only attach to running containers")


def test_mount_and_umount(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("shown")
    conman.ok("create", "--name", "shown", image, "sh", "-c", "cat /put; echo inner > /left")
    point = conman.ok("mount", "shown").strip()
    with open(f"{point}/put", "w") as stream:
        stream.write("from outside\n")
    assert conman.ok("start", "-a", "shown") == "from outside\n"
    with open(f"{point}/left") as stream:
        assert stream.read() == "inner\n"
    assert point in conman.ok("mount")
    conman.ok("umount", "shown")
    assert not os.path.ismount(point)
    assert conman.ok("mount") == ""
    conman.ok("mount", "shown")
    conman.ok("rm", "shown")  # mounted or not


def test_storage_driver_and_runtime_stay_when_the_default_changes(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("old")
    conman.ok("create", "--name", "old", image, "sh", "-c", "echo on >> /f; wc -l < /f")
    assert conman.ok("start", "-a", "old") == "1\n"
    assert conman.ok("start", "-a", "old", CONMAN_STORAGE_DRIVER="vfs-storage", CONMAN_RUNTIME="crun-runtime") == "2\n"
    found = conman.inspect("old")
    assert "overlay" in str(found["Driver"]) and "runc" in str(found["OCIRuntime"])


def test_the_log_survives_a_slow_reader(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("loud")
    conman.ok("run", "-d", "--name", "loud", image, "sh", "-c", "seq 1 20000; echo up >&2; exit 0")
    conman.ok("wait", "loud")
    shown = conman.ok("logs", "loud").splitlines()
    assert shown == [str(n) for n in range(1, 20001)]


def test_a_container_that_forks_and_leaves(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("parent")
    # The child holds the pipe; with its own pid namespace it dies with the first process.
    done = subprocess.run(conman.argv("run", "--name", "parent", image, "sh", "-c", "sleep 1000 & echo gone"),
                          capture_output=True, timeout=30, env=conman.environ)
    assert done.stdout == b"gone\n" and done.returncode == 0


@pytest.mark.parametrize("condition, then, code", [
    ("running", ("start", "awaited"), -1), ("paused", ("pause", "awaited"), -1), ("exited", ("kill", "awaited"), 137),
    ("removed", ("rm", "-f", "-t", "0", "awaited"), 137), ("initialized", ("init", "awaited"), -1)])
def test_wait_for_a_condition(conman: Command, image: str, gone: list[str], condition: str, then: tuple[str, ...],
                              code: int) -> None:
    gone.append("awaited")
    conman.ok("create", "--name", "awaited", image, "sleep", "1000")
    if condition not in ("running", "initialized"):
        conman.ok("start", "awaited")
    waiting = conman.start("wait", "--condition", condition, "--condition", "removing", "awaited")
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(0.5)
    conman.ok(*then)
    out, err = waiting.communicate(timeout=60)
    assert (waiting.returncode, err) == (0, b"") and int(out) in (code, -1, 137)


def test_wait_for_health(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("checked")
    conman.ok("run", "-d", "--name", "checked", "--health-cmd", "test -e /well", "--health-interval", "200ms",
              "--health-retries", "1", image, "sleep", "1000")
    assert conman.ok("wait", "--condition", "unhealthy", "checked") == "-1\n"
    conman.ok("exec", "checked", "touch", "/well")
    assert conman.ok("wait", "--condition", "healthy", "checked") == "-1\n"


def test_wait_for_what_cannot_be(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("awaited")
    conman.ok("create", "--name", "awaited", image, "true")
    done = conman("wait", "--condition", "bogus", "awaited")
    assert (done.returncode, done.stderr.splitlines()[0]) == (125, "Error: unknown container state: bogus: invalid argument")
    assert conman.ok("wait", "--condition", "created", "awaited") == "-1\n"
    assert conman("wait", "--condition", "running", "nosuch").returncode == 125


def test_filters_stand_in_the_place_of_what_all_means(conman: Command, image: str, gone: list[str]) -> None:
    gone += ["on", "off"]
    conman.ok("run", "-d", "--name", "on", image, "sleep", "1000")
    conman.ok("create", "--name", "off", image, "true")
    conman.ok("stop", "--time", "0", "--filter", "status=created")
    assert conman.ok("ps", "--format", "{{.Names}}") == "on\n"
    conman.ok("stop", "--time", "0", "--filter", "name=on")
    assert conman.ok("ps", "-q") == ""


def test_prune_asks_and_takes_filters(conman: Command, image: str, gone: list[str]) -> None:
    gone += ["kept", "gone"]
    conman.ok("create", "--name", "kept", "--label", "keep=yes", image, "true")
    id = conman.ok("create", "--name", "gone", image, "true").strip()
    refused = conman("container", "prune", stdin=b"n\n")
    assert refused.returncode == 0 and refused.stdout.startswith("WARNING! This will remove all non running containers.\n")
    assert conman("container", "prune", stdin=b"").returncode == 125
    assert conman("container", "prune", "-f", "--filter", "bogus=1").stderr.startswith('Error: "bogus" is an invalid filter')
    assert conman.ok("container", "prune", "-f", "--filter", "until=1h") == ""
    assert conman.ok("container", "prune", "-f", "--filter", "label!=keep") == f"{id}\n"
    assert conman.ok("ps", "-a", "--format", "{{.Names}}") == "kept\n"
    told = conman.ok("events", "--since", "1m", "--stream=false", "--filter", "event=prune", "--format", "{{.Type}} {{.Status}}")
    assert told.splitlines()[-1] == "container prune"


def test_published_ports(conman: Command, image: str, gone: list[str]) -> None:
    """Only what was asked for is told: nothing runs, and no port is taken."""
    from conman_kernel import Conman, ContainerOptions
    from conman_kernel.oci.runtime.options import PublishedPort

    gone.append("serves")
    with Conman(root=conman.root, run_root=conman.run_root) as c:
        made = c.containers.create(image, ContainerOptions(name="serves", network="none", command=("true",)))
        options = made.options._replace(ports=(PublishedPort(80, 8080, "127.0.0.1"), PublishedPort(53, 5353, "", "udp")))
        from conman_kernel.containers import rows

        with c.containers.context.index.write() as connection:
            rows.update(connection, made.id, options=rows.options_json(options))
    assert conman.ok("port", "serves") == "80/tcp -> 127.0.0.1:8080\n53/udp -> 0.0.0.0:5353\n"
    assert conman.ok("port", "serves", "53") == conman.ok("container", "port", "serves", "53/udp") == "0.0.0.0:5353\n"
    assert conman.ok("port", "--all").startswith(f"{made.id[:12]}\t80/tcp -> 127.0.0.1:8080\n")
    done = conman("port", "serves", "80/udp")
    assert (done.returncode, done.stderr.splitlines()[0]) == (125, 'Error: failed to find published port "80/udp"')
    assert conman("port", "serves", "many").stderr.startswith("Error: invalid port 'many'")
    assert conman("port").stderr == "Error: you must supply a running container name or id\n"


def test_container_exists(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("here")
    conman.ok("create", "--name", "here", image, "true")
    assert [conman("container", "exists", *names).returncode for names in (("here",), ("nosuch",), (), ("here", "x"))] == \
        [0, 1, 125, 125]
