"""--sig-proxy: what the command gets without a raw terminal."""

from __future__ import annotations

import os
import select
import signal
import subprocess

from conman_kernel.testing.command import Command

PASSED = ("HUP", "INT", "QUIT", "TRAP", "ABRT", "USR1", "USR2", "ALRM", "TERM", "XCPU", "VTALRM", "PROF", "IO", "PWR", "SYS")
TALKS = ("for s in " + " ".join(PASSED) + "; do trap \"echo $s\" $s; done; trap 'echo LAST; exit 33' 35; echo up; "
         "while :; do sleep 1000 & wait; kill $!; done")


def line(process: subprocess.Popen[bytes]) -> bytes:
    """The next line of its output."""
    assert process.stdout
    assert select.select([process.stdout], [], [], 30)[0], "nothing came"
    return os.read(process.stdout.fileno(), 1000)


def ended(process: subprocess.Popen[bytes]) -> int:
    process.communicate(timeout=30)
    return process.returncode


def test_without_a_terminal_they_are_passed_on(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("talks")
    process = conman.start("run", "--rm", "--name", "talks", image, "sh", "-c", TALKS)
    assert line(process) == b"up\n"  # whoever has heard this may send signals
    for name in PASSED:
        process.send_signal(getattr(signal, f"SIG{name}"))
        assert line(process) == f"{name}\n".encode()
    for number in (signal.SIGPIPE, signal.SIGWINCH, signal.SIGURG, signal.SIGCHLD):
        process.send_signal(number)
    process.send_signal(35)  # a real-time signal; shells differ in what they call RTMIN
    assert line(process) == b"LAST\n"
    assert ended(process) == 33


def test_a_process_that_one_ends_says_so_by_its_code(conman: Command, image: str) -> None:
    process = conman.start("run", "--rm", "--init", image, "sh", "-c", "echo up; exec sleep 1000")
    assert line(process) == b"up\n"  # whoever has heard this may send signals
    process.send_signal(signal.SIGUSR1)
    assert ended(process) == 128 + signal.SIGUSR1


def test_attach_passes_on_what_ctrl_c_sends(conman: Command, image: str, gone: list[str], watched) -> None:
    gone.append("plain")
    conman.ok("run", "-d", "--name", "plain", image, "sh", "-c", "trap 'echo caught' INT; while :; do echo up || exit; sleep 0.1; done")
    terminal = watched("attach", "plain")
    terminal.expect(b"up\r\n")
    terminal.type(b"\x03")
    terminal.expect(b"caught\r\n")
    conman.ok("rm", "-f", "-t", "0", "plain")
    terminal.outcome()


def test_attach_without_it_ends_alone(conman: Command, image: str, gone: list[str], watched) -> None:
    gone.append("plain")
    conman.ok("run", "-d", "--name", "plain", image, "sh", "-c", "trap 'echo caught' INT; while :; do echo up || exit; sleep 0.1; done")
    terminal = watched("attach", "--sig-proxy=false", "plain")
    terminal.expect(b"up\r\n")
    terminal.type(b"\x03")
    assert terminal.outcome() == 130
    assert conman.ok("ps", "-q", "--filter", "name=plain") != ""
    assert "caught" not in conman.ok("logs", "plain")


def test_run_without_it_leaves_the_container(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("plain")
    process = conman.start("run", "--sig-proxy=false", "--name", "plain", image, "sh", "-c",
                           "trap 'echo caught' INT TERM; while :; do echo up || exit; sleep 0.1; done")
    assert line(process).startswith(b"up\n")
    process.send_signal(signal.SIGINT)
    assert ended(process) == 130
    assert conman.ok("exec", "plain", "echo", "lives") == "lives\n"
    assert "caught" not in conman.ok("logs", "plain")


def test_stopped_by_ctrl_z_the_container_goes_on(conman: Command, image: str, gone: list[str], bash) -> None:
    gone.append("plain")
    bash.type(f"conman run --name plain {image} sh -c 'while :; do echo up || exit; sleep 0.1; done'\r".encode())
    bash.expect(b"\nup\r\n")
    bash.type(b"\x1a")
    bash.expect(b"ready> ")
    assert conman.ok("exec", "plain", "echo", "lives") == "lives\n"
    conman.ok("kill", "plain")
    bash.type(b"fg; echo co''de $?\r")
    bash.expect(b"code 137\r\n")
