"""Real containers from built specs: a busybox root file system, run by the real runc, and podman's spec for the same words."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Iterator, NamedTuple, Protocol

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.containers import cgroups
from conman_kernel.containers.hostfacts import devices_for, read_facts
from conman_kernel.containers.users import resolve_user
from conman_kernel.oci.runtime.options import ContainerOptions
from conman_kernel.oci.runtime.request import BindFile, ImageParts, SpecRequest
from conman_kernel.oci.runtime.spec import build_spec

APPLETS = ("sh cat ls id env mount grep sleep true false echo stat ulimit hostname unshare chroot touch mkdir test readlink df "
           "tr kill dd chown ping sysctl mknod").split()
PASSWD = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:App:/home/app:/bin/sh\n"
GROUP = "root:x:0:\napp:x:1001:\nvideo:x:44:\nextra:x:2000:app\n"

NO_IMAGE = ImageParts()


class Ran(NamedTuple):
    """How a container ended, and the spec it was made from."""

    code: int
    out: str
    err: str
    spec: dict[str, object]


class Run(Protocol):
    def __call__(self, *command: str, root: Path = ..., files: tuple[BindFile, ...] = (), image: ImageParts = ...,
                 init_path: str = "", **options: object) -> Ran: ...


@pytest.fixture(scope="session")
def rootfs() -> Iterator[Path]:
    busybox = shutil.which("busybox")
    runc = shutil.which("runc", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if os.geteuid() != 0 or not busybox or not runc:
        pytest.skip("needs root, busybox-static and runc: apt-get install busybox-static runc")
    folder = Path(tempfile.mkdtemp(prefix="spec-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    root = folder / "rootfs"
    for name in ("bin", "etc", "tmp", "var/tmp", "home/app", "proc", "sys", "dev"):
        (root / name).mkdir(parents=True)
    shutil.copy(busybox, root / "bin/busybox")
    for applet in APPLETS:
        (root / "bin" / applet).symlink_to("busybox")
    (root / "etc/passwd").write_text(PASSWD)
    (root / "etc/group").write_text(GROUP)
    (root / "tmp").chmod(0o1777)
    (root / "var/tmp/kept").write_text("copied up\n")
    yield root
    shutil.rmtree(folder)


@pytest.fixture
def run(rootfs: Path, tmp_path: Path) -> Iterator[Run]:
    """Run a command in a new container and wait for it; ``user``, ``files``, ``image``, ... as keywords beside the options."""
    facts = read_facts(cgroup_manager="cgroupfs")
    names: list[str] = []

    def go(*command: str, root: Path = rootfs, files: tuple[BindFile, ...] = (),
           image: ImageParts = NO_IMAGE, init_path: str = "", **options: object) -> Ran:
        name = f"spec-{os.getpid()}-{tmp_path.name[-20:]}-{len(names)}".replace("_", "-")
        names.append(name)
        asked = ContainerOptions(command=command)._replace(**options)  # type: ignore[arg-type]
        fd = os.open(root, os.O_PATH | os.O_DIRECTORY)
        try:
            user = resolve_user(fd, asked.user, asked.groups)
        finally:
            os.close(fd)
        spec = build_spec(SpecRequest(
            id=name, name="box", hostname=asked.hostname or "boxhost", rootfs=str(root), options=asked, user=user, facts=facts,
            image=image, files=files, devices=devices_for(asked), init_path=init_path,
            cgroups_path=cgroups.spec_path(facts, name)))
        bundle = tmp_path / name
        bundle.mkdir()
        (bundle / "config.json").write_text(json.dumps(spec))
        done = subprocess.run(["runc", "--root", str(tmp_path / "state"), "run", "--bundle", str(bundle), name],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
        return Ran(done.returncode, done.stdout, done.stderr, spec)

    yield go
    for name in names:
        cgroups.remove(facts, name, Cancel(20))


@pytest.fixture(scope="session")
def podman_spec(rootfs: Path) -> Iterator[object]:
    """Podman's config.json for some flags: ``podman_spec("--user", "app")``."""
    if not shutil.which("podman"):
        pytest.skip("podman is missing: apt-get install podman")
    home = rootfs.parent / "podman"
    base = ["podman", "--root", str(home / "root"), "--runroot", str(home / "run"), "--runtime", "runc",
            "--cgroup-manager", "cgroupfs"]
    tar = subprocess.run(["tar", "-C", str(rootfs), "-c", "."], capture_output=True, check=True).stdout
    subprocess.run([*base, "import", "-", "box:1"], input=tar, capture_output=True, check=True)

    def make(*flags: str) -> dict[str, object]:
        limits = [] if any("nofile" in f for f in flags) else ["--ulimit", "nofile=1024:1024"]
        made = subprocess.run([*base, "create", "--ulimit", "nproc=1000:1000", *limits, *flags, "box:1", "sleep", "1000"],
                              capture_output=True, text=True, check=True).stdout.strip()
        try:
            subprocess.run([*base, "start", made], capture_output=True, check=True, timeout=60)
            path, = home.glob(f"root/overlay-containers/{made}/userdata/config.json")
            found: dict[str, object] = json.loads(path.read_text())
            return found
        finally:
            subprocess.run([*base, "rm", "-f", "-t", "0", made], capture_output=True, check=True)

    yield make
    subprocess.run([*base, "system", "reset", "--force"], capture_output=True, check=False)
    for point in [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()][::-1]:
        if point.startswith(f"{home}/"):
            subprocess.run(["umount", "-l", point], check=True)
