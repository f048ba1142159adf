"""The root folder of a container as its processes see it, with everything mounted in it, as a descriptor.

Of one that runs it is ``/proc/PID/root``: what is opened beneath it goes through the container's own mounts, read-only ones
included, while no process of ours enters its namespaces or has its root; nothing can be loaded from there by mistake
(CVE-2019-14271). The process may have changed its root since; the way up from there ends at the container's. Of one that does not
run a worker mounts the same in a namespace of its own, under the container's lock.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import Iterator

from ...cancel import Cancel
from ...errors import InvalidState, Unavailable
from ...mounts import is_mounted
from ...oci.runtime.mounts import READ_ONLY_TMPFS, user_mount
from ...oci.runtime.options import ContainerOptions
from ...processes import start_time
from ...record import Record
from ...slots.storage import KeyRequest, Mount
from ...worker.client import Worker
from ...worker.jobs import InnerMount, ViewRequest
from .. import rootfs
from ..bundle import with_defaults
from ..context import Context
from ..rows import ContainerRow
from ..state import is_running, refreshed
from .resting import resting

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_KERNELS = frozenset((
    "proc", "sysfs", "cgroup", "cgroup2", "devpts", "devtmpfs", "mqueue", "debugfs", "tracefs", "securityfs", "configfs", "bpf",
    "pstore", "efivarfs", "binfmt_misc", "fusectl", "hugetlbfs", "selinuxfs", "autofs", "rpc_pipefs", "nsfs"))
_HIGHEST = 1000


class View(Record):
    """A container's root.

    :param root: descriptor (O_PATH) of its root folder. :param row: the container as it was then.
    :param running: whether it ran.
    :param hidden: devices of the file systems that the kernel and the runtime make in it, ``/dev`` included.
    :param worker: one to copy with; where the container does not run, it is the one that shows it.
    """

    root: int
    row: ContainerRow
    running: bool
    hidden: tuple[int, ...]
    worker: Worker


@contextmanager
def view(context: Context, row: ContainerRow, path: str, worker: Worker, cancel: Cancel, *,
         writing: bool = False) -> Iterator[View]:
    """See a container. While it does not run its lock is held, so that it does not begin to.

    :param path: what is looked for; a mount point on the way to it that is not there yet is made, as the next start would.
    :param writing: so is every other: what is written would be hidden by that start.
    :param worker: a kept one that shows nothing yet.
    :raises NotFound: it is gone. :raises InvalidState: it is being made or removed.
    :raises Unavailable: it cannot be mounted. :raises PluginNotInstalled: its storage driver is gone.
    """
    with ExitStack() as stack:
        lock = stack.enter_context(context.locks.acquire(row.num, cancel))
        now = refreshed(context, row.id)
        if now.state in ("creating", "removing"):
            raise InvalidState(f"container {now.name} is {now.state}: container state improper")
        if is_running(context, now):
            lock.release()
            root = _root_of_process(context, now)
            stack.callback(os.close, root)
            yield View(root, now, True, hidden_devices(f"/proc/{now.pid}/mountinfo"), worker)
            return
        over = context.layout.ensure(context.layout.run_root)
        options = with_defaults(context, now.parsed_options())
        options = options._replace(mounts=stack.enter_context(resting(context, now, options, cancel)))
        mounts = (Mount("bind", rootfs.path(context, now), ("rbind",)),) if is_mounted(rootfs.path(context, now)) else \
            tuple(context.driver_of(now).mounts(KeyRequest(now.id, cancel)))
        root = worker.show(ViewRequest(over=over, mounts=mounts, inner=_inner(options, path, writing=writing),
                                       read_only=options.read_only, cancel=cancel))
        try:
            yield View(root, now, False, hidden_devices("/proc/self/mountinfo"), worker)
        finally:
            os.close(root)
            worker.hide(over)


def hidden_devices(mountinfo: str) -> tuple[int, ...]:
    """``st_dev`` of file systems that are the kernel's own, and of what is mounted at ``/dev`` itself (mountinfo, proc(5))."""
    try:
        with open(mountinfo, "rb") as stream:
            lines = stream.read().split(b"\n")[:-1]
    except OSError:
        return ()  # its last process is just ending
    found = set()
    for line in lines:
        before, _, after = line.partition(b" - ")
        fields = before.split()
        if after.split()[0].decode() in _KERNELS or fields[4] == b"/dev":
            major, _, minor = fields[2].partition(b":")
            found.add(os.makedev(int(major), int(minor)))
    return tuple(sorted(found))


def _root_of_process(context: Context, row: ContainerRow) -> int:
    gone = InvalidState(f"container {row.name} has just ended", hint="try again")
    try:
        process = os.open(f"/proc/{row.pid}", _FOLDER)
    except FileNotFoundError:
        raise gone from None
    try:
        # The folder is that of one process, whoever gets its number afterwards: it is looked at after it is open.
        if start_time(row.pid) != row.pid_start:
            raise gone
        root = os.open("root", _FOLDER, dir_fd=process)
    except (FileNotFoundError, ProcessLookupError):
        raise gone from None
    finally:
        os.close(process)
    return _climbed(root, rootfs.path(context, row), row)


def _climbed(root: int, mounted: str, row: ContainerRow) -> int:
    """The container's own root folder, where its process has made another one its root (chroot(2)); ``root`` is used up.

    The way up ends at the folder that is mounted for it: a runtime may have given it that by chroot(2), too, and then the host
    lies above.
    """
    try:
        wanted = _identity(mounted)
        for _ in range(_HIGHEST):
            if _identity(root) == wanted:
                result, root = root, -1
                return result
            above = os.open("..", _FOLDER, dir_fd=root)
            os.close(root)
            root = above
    except FileNotFoundError:
        raise Unavailable(f"cannot find the root file system of container {row.name}: nothing is mounted at {mounted}",
                          hint="is this another mount namespace than the one it was started in?") from None
    finally:
        if root >= 0:
            os.close(root)
    raise Unavailable(f"cannot find the root file system of container {row.name}: its process has another one")


def _identity(folder: int | str) -> tuple[int, int]:
    state = os.stat(folder)
    return state.st_dev, state.st_ino


def _inner(options: ContainerOptions, path: str, *, writing: bool) -> tuple[InnerMount, ...]:
    """What a start would mount, but for what the runtime makes by itself; a tmpfs, which would be lost, as a read-only one."""
    found = {}
    for option in options.mounts:
        mount = user_mount(option)
        target, source, words = str(mount["destination"]), str(mount["source"]), mount["options"]
        assert isinstance(words, list)
        if mount["type"] in ("bind", "tmpfs"):
            make = mount["type"] == "bind" and (writing or f"/{path.strip('/')}/".startswith(target + "/"))
            found[target] = InnerMount(str(mount["type"]), source, target, tuple(words), make)
    for target in READ_ONLY_TMPFS if options.read_only else ():
        found.setdefault(target, InnerMount("tmpfs", "", target, (), False))
    return tuple(sorted(found.values(), key=lambda inner: inner.target.count("/")))
