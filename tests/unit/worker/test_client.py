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
from conman_kernel.worker.jobs import UnpackRequest


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
        Worker(str(broken)).unpack(request(0, opened("t"), Cancel(30)))
    with pytest.raises(Unavailable, match="cannot start"):
        Worker(str(folder / "none")).unpack(request(0, opened("t"), Cancel(30)))


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
