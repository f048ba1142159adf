"""Who is who among processes, across pid reuse and reboots: pid with start time and boot id."""

from __future__ import annotations

import os

BOOT_ID = "/proc/sys/kernel/random/boot_id"


_CALLERS_OWN = frozenset(("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"))


def environment() -> dict[str, str]:
    """The environment of shims and runtimes: the caller's, without what its service manager meant for it alone (sd_notify(3),
    sd_listen_fds(3)). A runtime hands that on into the container, and waits for the container to answer."""
    return {name: value for name, value in os.environ.items() if name not in _CALLERS_OWN}


def boot_id() -> str:
    """The running kernel's boot id, a UUID (proc(5))."""
    fd = os.open(BOOT_ID, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 128).decode("ascii").strip()
    finally:
        os.close(fd)


def start_time(pid: int) -> int:
    """When a process started, in clock ticks after boot (proc(5), field 22 of ``stat``).

    :returns: 0 where there is none, or only its zombie.
    """
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        text = os.read(fd, 4096)
    except ProcessLookupError:
        return 0
    finally:
        os.close(fd)
    fields = text[text.rfind(b")") + 2:].split()
    return 0 if fields[0] in (b"Z", b"X") else int(fields[19])


def parent(pid: int) -> int:
    """The parent of a process (proc(5), field 4 of ``stat``); 0 where there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            text = stream.read(4096)
    except OSError:
        return 0
    return int(text[text.rfind(b")") + 2:].split()[1])


def alive(pid: int, start: int) -> bool:
    """True where the process that had this pid and start time still runs."""
    return pid > 0 and start > 0 and start_time(pid) == start


def open_pidfd(pid: int, start: int) -> int:
    """A pidfd of exactly that process.

    :returns: a descriptor, readable once the process is gone; -1 where it is gone already.
    """
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return -1
    if not alive(pid, start):
        os.close(fd)
        return -1
    return fd


def kill_exactly(pid: int, start: int) -> None:
    """SIGKILL for exactly that process; one that is gone is no error."""
    pidfd = open_pidfd(pid, start)
    if pidfd < 0:
        return
    from signal import SIGKILL, pidfd_send_signal

    try:
        pidfd_send_signal(pidfd, SIGKILL)
    except ProcessLookupError:
        return  # it went by itself
    finally:
        os.close(pidfd)
