"""How a worker ends: by itself, killed, crashed, or with no room left."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import Cancelled, DeadlineExceeded, InvalidInput, Unavailable
from conman_kernel.slots.storage import Whiteouts
from conman_kernel.worker.client import Worker
from conman_kernel.worker.jobs import CopyRequest, RemoveRequest, UnpackRequest, UsageRequest


def children() -> set[str]:
    with open(f"/proc/self/task/{threading.get_native_id()}/children", encoding="ascii") as listed:
        return set(listed.read().split())


@pytest.fixture
def opened(folder):
    made = []

    def open_folder(name: str) -> int:
        (folder / name).mkdir(exist_ok=True)
        made.append(os.open(folder / name, os.O_RDONLY | os.O_DIRECTORY))
        return made[-1]

    yield open_folder
    for fd in made:
        os.close(fd)


def request(blob: int, target: int, cancel: Cancel, **more) -> UnpackRequest:
    return UnpackRequest(blob_fd=blob, target_fd=target, media_type="", whiteouts=Whiteouts.OVERLAY, cancel=cancel,
                         base=True, **more)


def test_a_layer_comes_through_a_pipe_while_progress_is_told(opened, folder, new_layer):
    data = new_layer().add("f", data=os.urandom(3_000_000)).bytes()
    seen: list[int] = []
    reader, writer = os.pipe()

    def feed() -> None:
        with open(writer, "wb") as pipe:
            pipe.write(data)

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        result = Worker().unpack(request(reader, opened("t"), Cancel(60), progress=seen.append))
    finally:
        thread.join()
        os.close(reader)
    assert result.size == len(data) and (folder / "t/f").stat().st_size == 3_000_000
    assert seen and seen == sorted(seen) and 0 < seen[-1] <= len(data)


@pytest.mark.parametrize("fire, error", [(True, Cancelled), (False, DeadlineExceeded)])
def test_cancel_and_deadline_kill_the_worker(opened, fire, error):
    reader, writer = os.pipe()  # nothing ever comes
    before, cancel = children(), Cancel(None if fire else 0.3)
    if fire:
        threading.Timer(0.2, cancel.cancel).start()
    with pytest.raises(error):
        Worker().unpack(request(reader, opened("t"), cancel))
    assert children() == before
    os.close(reader)
    os.close(writer)


def test_a_worker_ends_when_its_caller_is_gone(opened, folder):
    reader, writer = os.pipe()
    target = opened("t")
    code = (f"import os, sys; sys.path[:] = {sys.path!r}\n"
            "from conman_kernel.cancel import Cancel\n"
            "from conman_kernel.slots.storage import Whiteouts\n"
            "from conman_kernel.worker.client import Worker\n"
            "from conman_kernel.worker.jobs import UnpackRequest\n"
            f"Worker().unpack(UnpackRequest({reader}, {target}, '', Whiteouts.OVERLAY, Cancel(), base=True,"
            " progress=lambda count: print('going', flush=True)))\n")
    with subprocess.Popen([sys.executable, "-c", code], pass_fds=(reader, target), stdout=subprocess.PIPE) as caller:
        assert caller.stdout is not None
        os.write(writer, bytes(512))
        assert caller.stdout.readline() == b"going\n"
        with open(f"/proc/{caller.pid}/task/{caller.pid}/children", encoding="ascii") as listed:
            worker = os.pidfd_open(int(listed.read()))
        caller.kill()
        caller.wait()
    assert Cancel(30).wait_readable(worker, timeout=20) == [worker]
    os.close(worker)
    os.close(reader)
    os.close(writer)


def test_a_crash_shows_what_the_worker_said(opened, folder):
    broken = folder / "python"
    broken.write_text("#!/bin/sh\necho 'Traceback: it broke' >&2; exit 3\n")
    broken.chmod(0o755)
    with pytest.raises(Unavailable, match=r"status 3: Traceback: it broke"):
        Worker(str(broken)).usage(UsageRequest(opened("t"), Cancel(30)))
    with pytest.raises(Unavailable, match="cannot start"):
        Worker(str(folder / "none")).usage(UsageRequest(opened("t"), Cancel(30)))


def test_a_full_disk_is_said(folder, new_layer):
    mount = folder / "small"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", mount], check=True)
    try:
        (folder / "blob").write_bytes(new_layer().add("f", data=bytes(3_000_000)).bytes())
        with open(folder / "blob", "rb") as blob:
            target = os.open(mount, os.O_RDONLY)
            try:
                with pytest.raises(Unavailable, match="no space left on device while unpacking 'f'") as caught:
                    Worker().unpack(request(blob.fileno(), target, Cancel(60)))
            finally:
                os.close(target)
        assert caught.value.hint
    finally:
        subprocess.run(["umount", mount], check=True)


def test_applied_whiteouts_need_a_tree(opened):
    bad = UnpackRequest(blob_fd=0, target_fd=opened("t"), media_type="", whiteouts=Whiteouts.APPLIED, cancel=Cancel())
    with pytest.raises(InvalidInput):
        Worker().unpack(bad)


def test_workers_run_at_once(folder, opened, new_layer):
    results: list[str] = []

    def one(index: int) -> None:
        (folder / f"b{index}").write_bytes(new_layer().add(f"f{index}", data=bytes(100_000)).bytes())
        with open(folder / f"b{index}", "rb") as blob:
            results.append(Worker().unpack(request(blob.fileno(), targets[index], Cancel(60))).diff_id)

    targets = [opened(f"t{index}") for index in range(4)]
    threads = [threading.Thread(target=one, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(results)) == 4 and all((folder / f"t{index}/f{index}").exists() for index in range(4))


def test_remove_goes_to_any_depth_and_through_no_symlink(folder, opened):
    parent = opened("p")
    (folder / "kept").mkdir()
    (folder / "kept/file").write_text("x")
    deep = os.open(folder / "p", os.O_RDONLY)
    for _ in range(5000):
        os.mkdir("d", dir_fd=deep)
        os.symlink(folder / "kept", "s", dir_fd=deep)
        inner = os.open("d", os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = inner
    os.close(deep)
    Worker().remove(RemoveRequest(parent, "d", Cancel(60)))
    Worker().remove(RemoveRequest(parent, "s", Cancel(60)))
    Worker().remove(RemoveRequest(parent, "nothing", Cancel(60)))
    assert os.listdir(parent) == [] and (folder / "kept/file").exists()
    for name in ("", ".", "..", "a/b"):
        with pytest.raises(InvalidInput):
            Worker().remove(RemoveRequest(parent, name, Cancel(60)))


def test_copy_and_usage(folder, opened):
    from conman_kernel.testing.trees import differences

    source = folder / "source"
    source.mkdir()
    subprocess.run(["sh", "-c", "mkdir -p a/b; echo hi > a/f; ln a/f a/b/g; ln -s x a/l; mkfifo a/p; mknod a/n c 1 3;"
                    "truncate -s 5M a/hole; echo end >> a/hole; chown 5:6 a/b a/f; chmod 4751 a/f; chmod 2775 a/b;"
                    "setfattr -n user.x -v 1 a/f; chown -h 7 a/l; touch -h -d @7 a/l a/f a/p a/b a ."],
                   cwd=source, check=True)
    usage = Worker().usage(UsageRequest(opened("source"), Cancel(30)))
    assert usage.inodes == 8 and 0 < usage.size < 200_000
    copied = Worker().copy(CopyRequest(opened("source"), opened("target"), Cancel(30)))
    assert copied.inodes == 8 and differences(str(source), str(folder / "target")) == []
    assert (folder / "target/a/hole").stat().st_blocks < 100
