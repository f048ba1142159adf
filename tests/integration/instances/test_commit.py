"""Containers as writable instances of images, without a process: create, mount, change, diff, commit, export, import."""

from __future__ import annotations

import io
import lzma
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from conman_kernel import Cancel, Conman, ContainerOptions
from conman_kernel.containers.container import Container
from conman_kernel.errors import DeadlineExceeded, InvalidInput, NotFound, Unavailable
from conman_kernel.testing.aftermath import differences, look
from conman_kernel.testing.trees import read_tree


def changed(store: Conman, box: str) -> Container:
    """A container whose tree was changed in every way that a layer can tell."""
    container = store.containers.create(box)
    with container.mount() as path:
        root = Path(path)
        (root / "new").mkdir()
        (root / "new/file").write_text("hello")
        os.link(root / "new/file", root / "new/same")
        os.symlink("file", root / "new/link")
        os.mkfifo(root / "new/pipe")
        os.mknod(root / "new/null", 0o20666, os.makedev(1, 3))
        os.setxattr(root / "new/file", "user.note", b"x")
        os.chown(root / "new/file", 7, 8)
        os.utime(root / "new/file", ns=(1, 1_234_567_890))
        listed = sorted(os.listdir(root / "bin"))
        os.unlink(root / "bin" / next(name for name in listed if name != "busybox" and name != "sh"))
    return container


def entries(path: str) -> object:
    """A tree, entry by entry, but for the time of its root: a layer tells of the root only where more than that differs."""
    tree = read_tree(path)
    return {**tree, ".": tree["."]._replace(mtime=0)}


def test_commit_gives_the_same_tree_and_says_so(store: Conman, box: str) -> None:
    container = changed(store, box)
    kinds = {change.path: change.kind for change in container.diff()}
    assert kinds["/new"] == kinds["/new/file"] == "A"
    assert kinds["/bin"] == "C"
    assert "D" in kinds.values()
    image = container.commit("made:1", author="me", message="why", changes=['CMD ["cat", "/new/file"]', "ENV A=b"])
    assert image.names == ("localhost/made:1",)
    with container.mount() as above, image.mount() as made:
        assert entries(above) == entries(made)
    found = store.images.get("made:1")
    assert found.id == image.id
    assert found.config.cmd == ("cat", "/new/file")
    assert "A=b" in found.config.env
    step = store.images.history("made:1")[0]
    assert (step.comment, step.id) == ("why", image.id)
    assert len(found.layers) == len(store.images.get(box).layers) + 1
    assert {change.path for change in found.diff()} == set(kinds)
    assert store.containers.run("made:1", options=ContainerOptions(network="none", remove=True)).stdout == b"hello"
    again = container.commit("made:2")
    assert again.layers == image.layers
    assert store.system.check().findings == ()


def test_an_image_that_was_made_here_can_be_saved_and_loaded(store: Conman, box: str, scratch: Path) -> None:
    container = changed(store, box)
    image = container.commit("made")
    image.save(f"oci-archive:{scratch}/made.tar")
    container.remove()
    store.images.remove("made")
    (loaded,) = store.images.load(f"{scratch}/made.tar")
    assert loaded.image.id == image.id
    assert store.system.check().findings == ()


def test_squash_leaves_one_layer(store: Conman, box: str) -> None:
    container = changed(store, box)
    image = container.commit("flat", squash=True, format="docker")
    assert len(image.layers) == 1
    with container.mount() as above, image.mount() as made:
        assert entries(above) == entries(made)
    assert len(store.images.history("flat")) == 1


def test_what_it_was_made_with_goes_into_the_image(store: Conman, box: str) -> None:
    options = ContainerOptions(command=("x", "y"), env=(("K", "v"),), workdir="/tmp", user="1:2", labels=(("l", "w"),), stop_signal=2)
    config = store.containers.create(box, options).commit(include_volumes=True).config
    assert (config.cmd, config.working_dir, config.user, config.stop_signal) == (("x", "y"), "/tmp", "1:2", "SIGINT")
    assert "K=v" in config.env
    assert config.labels["l"] == "w"


def test_a_running_container_is_committed_paused_and_runs_on(store: Conman, box: str) -> None:
    container = store.containers.run_detached(box, ContainerOptions(command=("sh", "-c", "echo hi > /f; sleep 1000"), network="none"))
    assert container.exec(["sh", "-c", "until [ -s /f ]; do :; done"]).exit_code == 0
    image = container.commit("live")
    assert container.refresh().state == "running"
    with image.mount() as path:
        assert Path(f"{path}/f").read_text() == "hi\n"


def test_who_was_killed_while_it_was_paused_is_resumed_by_the_next(store: Conman, box: str) -> None:
    container = store.containers.run_detached(box, ContainerOptions(command=("sleep", "1000"), network="none"))
    program = ("import sys; from conman_kernel import Conman; from conman_kernel.cancel import Cancel\n"
               "from conman_kernel.containers.still import still\n"
               "c = Conman(root=sys.argv[1], run_root=sys.argv[2])\n"
               "row = c.containers.get(sys.argv[3]).row\n"
               "with still(c.containers.context, row, pause=True, whole=False, cancel=Cancel()):\n"
               "    print('paused', flush=True); sys.stdin.read()\n")
    with subprocess.Popen([sys.executable, "-c", program, store.layout.root, store.layout.run_root, container.id], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == "paused\n"
        assert container.refresh().state == "paused"
        process.send_signal(signal.SIGKILL)
    with Conman(root=store.layout.root, run_root=store.layout.run_root) as other:
        assert other.containers.get(container.id).state == "running"
        assert other.containers.get(container.id).exec(["true"]).exit_code == 0


@pytest.mark.parametrize("step", ["conman_kernel.images.making:make", "conman_kernel.images.making:_record",
                                  "conman_kernel.images.bring:Bringing.bring", "conman_kernel.store.blobs:Blobs.adopt",
                                  "conman_kernel.worker.client:Worker.pack"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_commit_that_is_killed_leaves_nothing(store: Conman, box: str, step: str, after: bool) -> None:
    container = changed(store, box)
    container.commit("warm")
    store.images.remove("warm")
    before = look(store.layout.root, store.layout.run_root)
    program = ("import importlib, os, sys; from conman_kernel import Conman\n"
               "module, _, name = sys.argv[4].partition(':'); *owner, name = name.split('.')\n"
               "place = importlib.import_module(module)\n"
               "for word in owner: place = getattr(place, word)\n"
               "work = getattr(place, name)\n"
               "def killed(*a, **k):\n"
               "    if sys.argv[5] == 'True': work(*a, **k)\n"
               "    os.kill(os.getpid(), 9)\n"
               "setattr(place, name, killed)\n"
               "import conman_kernel.images.writable as w\n"
               "if name == 'make': w.make = killed\n"
               "c = Conman(root=sys.argv[1], run_root=sys.argv[2], overrides={'storage.driver': sys.argv[6]})\n"
               "c.containers.get(sys.argv[3]).commit('killed')\n")
    ended = subprocess.run([sys.executable, "-c", program, store.layout.root, store.layout.run_root, container.id, step, str(after),
                            store.images.parts.default_storage], check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    done = after and step.endswith((":make", ":_record"))
    if done:
        store.images.remove("killed")
    else:
        with pytest.raises(NotFound):
            store.images.get("killed")
    store.images.collect()
    assert differences(before, store.layout.root, store.layout.run_root) == []
    assert store.system.check().findings == ()


def test_export_and_import_give_the_same_tree(store: Conman, box: str, scratch: Path) -> None:
    container = changed(store, box)
    container.export(f"{scratch}/x.tar")
    with open(f"{scratch}/y.tar", "wb") as file:
        container.export(file)
    assert Path(f"{scratch}/x.tar").read_bytes() == Path(f"{scratch}/y.tar").read_bytes()
    plain = store.images.import_(f"{scratch}/x.tar", "imported", changes=["CMD sh"], message="from afar")
    assert plain.names == ("localhost/imported:latest",)
    with container.mount() as above, plain.mount() as made:
        assert entries(above) == entries(made)
    Path(f"{scratch}/x.tar.xz").write_bytes(lzma.compress(Path(f"{scratch}/x.tar").read_bytes(), preset=0))
    assert store.images.import_(f"{scratch}/x.tar.xz").layers == plain.layers
    fd = os.open(f"{scratch}/x.tar", os.O_RDONLY)
    try:
        assert store.images.import_(fd).layers == plain.layers
        os.lseek(fd, 0, os.SEEK_END)
        assert store.images.import_(fd).layers == plain.layers
    finally:
        os.close(fd)


def test_import_reads_pipes_to_their_end(store: Conman, box: str, scratch: Path) -> None:
    changed(store, box).export(f"{scratch}/x.tar")
    plain = store.images.import_(f"{scratch}/x.tar")
    with subprocess.Popen(["gzip", "-1c", f"{scratch}/x.tar"], stdout=subprocess.PIPE) as gzip:
        assert gzip.stdout is not None
        assert store.images.import_(gzip.stdout.fileno()).layers == plain.layers
    os.mkfifo(f"{scratch}/fifo")
    with subprocess.Popen(["sh", "-c", f"cat {scratch}/x.tar > {scratch}/fifo"]):
        assert store.images.import_(f"{scratch}/fifo").layers == plain.layers


def test_a_fifo_that_nobody_writes_to_does_not_outlast_the_deadline(store: Conman, scratch: Path) -> None:
    os.mkfifo(f"{scratch}/fifo")
    with Cancel(0.2) as cancel, pytest.raises(DeadlineExceeded):
        store.images.import_(f"{scratch}/fifo", cancel=cancel)
    with Cancel(0.2) as cancel, pytest.raises(DeadlineExceeded):
        store.images.load(f"{scratch}/fifo", cancel=cancel)


@pytest.mark.parametrize("content", [b"no tar at all\n", b"", b"\x1f\x8b\x08garbage", b"BZh9garbage", b"\xfd7zXZ\0garbage"])
def test_what_is_no_tar_leaves_nothing(store: Conman, scratch: Path, content: bytes) -> None:
    place = Path(f"{scratch}/bad")
    place.write_bytes(content)
    with pytest.raises(InvalidInput):  # what the first one makes and keeps
        store.images.import_(str(place), "bad")
    before = look(store.layout.root, store.layout.run_root)
    with pytest.raises(InvalidInput, match="bad is"):
        store.images.import_(str(place), "bad")
    assert differences(before, store.layout.root, store.layout.run_root) == []
    assert store.system.check().findings == ()


def test_refusals_come_before_anything_is_made(store: Conman, box: str, scratch: Path) -> None:
    container = store.containers.create(box)
    container.export(f"{scratch}/x.tar")  # what the first one makes and keeps
    before = look(store.layout.root, store.layout.run_root)
    with pytest.raises(InvalidInput, match="is no repository name"):
        container.commit("bad name")
    with pytest.raises(InvalidInput, match='invalid change "FOO x"'):
        container.commit("x", changes=["FOO x"])
    with pytest.raises(InvalidInput, match="is not on this machine"):
        store.images.import_("https://example.com/x.tar")
    with pytest.raises(NotFound):
        store.images.import_(f"{scratch}/nosuch")
    with pytest.raises(InvalidInput, match="is a folder, not a tar"):
        store.images.import_(f"{scratch}")
    with pytest.raises(Unavailable, match="cannot write"):
        container.export(f"{scratch}/no/such/x.tar")
    with pytest.raises(Unavailable):
        container.export("/dev/full")
    assert differences(before, store.layout.root, store.layout.run_root) == []


def test_a_full_disk_leaves_nothing(box: str, scratch: Path) -> None:
    disk = scratch / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", disk], check=True)
    try:
        with Conman(root=f"{disk}/root", run_root=f"{scratch}/run") as store:
            store.images.pull(box)
            container = store.containers.create(box)
            container.commit("warm")
            store.images.remove("warm")
            with container.mount() as path:
                free = os.statvfs(disk)
                Path(f"{path}/big").write_bytes(os.urandom(int(free.f_bavail * free.f_bsize * 0.7)))
            before = look(store.layout.root, store.layout.run_root)
            with pytest.raises(Unavailable):
                container.commit("big")
            assert differences(before, store.layout.root, store.layout.run_root) == []
            container.remove()
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_container_without_a_command_is_an_instance(store: Conman) -> None:
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("hello"))
    place = Path(store.layout.root).parent / "hello.tar"
    place.write_bytes(tar.getvalue())
    image = store.images.import_(str(place), "bare")
    container = store.containers.create(image)
    assert container.command == ()
    assert container.inspect()["Path"] == ""
    with container.mount() as path:
        assert os.listdir(path) == ["hello"]
    with pytest.raises(InvalidInput, match="no command"):
        store.containers.create(image, runnable=True)
    with pytest.raises(InvalidInput, match="no command"):
        container.start()


def test_held_images_count_and_go_with_the_image(store: Conman, box: str) -> None:
    images = store.images
    first = images.hold(box)
    assert images.hold(box) == first
    assert [(image.names[0], path) for image, path in images.held()] == [(box, first)]
    assert images.let_go(box)
    assert os.path.exists(f"{first}/bin")
    assert images.let_go(box)
    assert not os.path.exists(first)
    assert not images.let_go(box)
    again = images.hold(box)
    assert store.system.check().findings == ()
    subprocess.run(["umount", again], check=True)
    assert images.held() == ()
    assert images.hold(box) == again
    images.remove(box)
    assert not os.path.exists(again)
    assert store.system.check().findings == ()


def test_a_container_that_its_user_paused_stays_so(store: Conman, box: str) -> None:
    container = store.containers.run_detached(box, ContainerOptions(command=("sleep", "1000")))
    try:
        container.pause()
        container.commit("of-a-paused:1")
        assert container.refresh().state == "paused"
        container.unpause()
        assert container.state == "running"
    finally:
        container.remove(force=True, timeout=0)
