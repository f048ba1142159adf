"""An image of three layers on a real Debian root: one by debootstrap, one by umoci, one entry by entry."""

from __future__ import annotations

import json
import os
import shutil
import stat
import struct
import subprocess
import tarfile
from pathlib import Path

from conman_kernel.oci.descriptor import Descriptor
from conman_kernel.oci.platform import Platform
from conman_kernel.testing.images import (
    REF_NAME,
    Entry,
    Image,
    device,
    directory,
    fifo,
    file,
    hardlink,
    host_platform,
    image,
    index,
    layer,
    opaque,
    symlink,
    whiteout,
    write_layout,
)

TAG = "latest"
IMAGES = ("latest", "arm", "index", "nowhere", "on-a-file")
"""What the layout holds: the image, another platform's, an index of both, and two with a working folder that is not there."""
CONFIG = {
    "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "GREETING=hello world"],
    "WorkingDir": "/srv/job", "Entrypoint": ["/usr/local/bin/entry"], "Cmd": ["default"],
    "StopSignal": "SIGUSR1", "Labels": {"org.example.made-by": "test"}, "ExposedPorts": {"80/tcp": {}},
}
ENTRY = b"""#!/bin/bash
if [ "$1" = default ]; then echo "entry $* as $(id -un) in $PWD"; exit 0; fi
if [ "$1" = wait ]; then trap 'echo stopped by USR1; exit 7' USR1; echo ready; while :; do sleep 0.05; done; fi
exec "$@"
"""
NET_RAW = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)
"""``security.capability`` of ``cap_net_raw+ep``: include/uapi/linux/capability.h, ``vfs_cap_data``, version 2."""
LONG = "/".join(["a-folder-with-a-rather-long-name-" + "x" * 40] * 4) + "/" + "n" * 200


def umoci(*arguments: str) -> None:
    """Run umoci.

    :raises AssertionError: it failed; with its words.
    """
    done = subprocess.run(["umoci", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout


def build(root_archive: Path, layout: Path, scratch: Path) -> None:
    """Write the image into a layout folder as ``latest``.

    :param root_archive: of the Debian root, as ``tools/debian_root.py`` makes it.
    """
    write_layout(image([root_archive.read_bytes()], config=CONFIG), str(layout), tag=TAG)
    umoci("unpack", "--image", f"{layout}:{TAG}", str(scratch / "bundle"))
    change(scratch / "bundle/rootfs")
    umoci("repack", "--image", f"{layout}:{TAG}", str(scratch / "bundle"))
    (scratch / "top.tar").write_bytes(layer(top(), compress=False))
    umoci("config", "--image", f"{layout}:{TAG}", "--config.user", "app", "--no-history")
    umoci("raw", "add-layer", "--image", f"{layout}:{TAG}", str(scratch / "top.tar"))
    shutil.rmtree(scratch / "bundle")
    umoci("config", "--image", f"{layout}:{TAG}", "--tag", "nowhere", "--config.workingdir", "/not/there", "--no-history")
    umoci("config", "--image", f"{layout}:{TAG}", "--tag", "on-a-file", "--config.workingdir", "/etc/passwd", "--no-history")
    arm = image([layer([file("arm", b"64")])], config={"Cmd": ["/arm"]}, platform=Platform("linux", "arm64", "v8"))
    write_layout(arm, str(layout), tag="arm")
    here = described(layout, TAG)
    both = index([Image(here._replace(platform=host_platform()), {}, {}), arm])
    write_layout(both, str(layout), tag="index")


def described(layout: Path, tag: str) -> Descriptor:
    """The descriptor of an image of a layout folder."""
    rows = json.loads((layout / "index.json").read_bytes())["manifests"]
    row, = (row for row in rows if row.get("annotations", {}).get(REF_NAME) == tag)
    return Descriptor(row["mediaType"], row["digest"], row["size"])


def unlisted(layout: Path) -> set[str]:
    """Folders that some layer puts something into and does not list: podman dates them "now", conman leaves them as they are."""
    folder = layout / "blobs/sha256"
    manifest = json.loads((folder / described(layout, TAG).digest.partition(":")[2]).read_bytes())
    found: set[str] = set()
    for row in manifest["layers"][1:]:
        with tarfile.open(folder / row["digest"].partition(":")[2]) as archive:
            listed = {name.removeprefix("./").rstrip("/") for name in archive.getnames()}
        above = {str(parent) for name in listed for parent in Path(name).parents}
        found |= above - listed
    return found - {"."}


def change(root: Path) -> None:
    """What the second layer does to the first."""
    shutil.rmtree(root / "usr/share/doc")
    (root / "etc/issue.net").unlink()
    _replaced(root)
    _special(root)
    with open(root / "etc/passwd", "a", encoding="utf-8") as users, open(root / "etc/group", "a", encoding="utf-8") as groups:
        users.write("app:x:1000:1000:App:/home/app:/bin/bash\n")
        groups.write("app:x:1000:\nhelpers:x:2000:app\n")
    (root / "home/app").mkdir(mode=0o700)
    os.chown(root / "home/app", 1000, 1000)
    (root / "srv/job").mkdir()
    (root / "usr/local/bin/entry").write_bytes(ENTRY)
    (root / "usr/local/bin/entry").chmod(0o755)


def _replaced(root: Path) -> None:
    """A folder for a file, a file for a folder, a folder for a link, other attributes for old content."""
    (root / "etc/issue").unlink()
    (root / "etc/issue").mkdir()
    (root / "etc/issue/inside").write_text("was a file\n")
    shutil.rmtree(root / "usr/share/man")
    (root / "usr/share/man").write_text("was a folder\n")
    (root / "etc/os-release").unlink()
    (root / "etc/os-release").symlink_to("/usr/lib/os-release")
    (root / "var/tmp").chmod(0o1770)
    os.chown(root / "etc/hostname" if (root / "etc/hostname").exists() else root / "etc/fstab", 12, 34)


def _special(root: Path) -> None:
    """Devices, a pipe, links, sparse and oddly named files, set-id bits, capabilities."""
    place = root / "opt/special"
    place.mkdir()
    os.mknod(place / "null", stat.S_IFCHR | 0o620, os.makedev(1, 3))
    os.mknod(place / "disk", stat.S_IFBLK | 0o600, os.makedev(7, 200))
    os.mkfifo(place / "pipe", 0o640)
    (place / "null").chmod(0o620)
    shutil.copy(root / "usr/bin/id", place / "id-setuid")
    (place / "id-setuid").chmod(0o4755)
    shutil.copy(root / "usr/bin/id", place / "id-setgid")
    os.chown(place / "id-setgid", 0, 2000)
    (place / "id-setgid").chmod(0o2755)
    (place / "sticky").mkdir()
    (place / "sticky").chmod(0o3777)
    shutil.copy(root / "usr/bin/cat", place / "capable")
    os.setxattr(place / "capable", "security.capability", NET_RAW)
    (place / "one").write_text("one of three names\n")
    os.link(place / "one", place / "two")
    os.link(place / "one", place / "sticky/three")
    (place / "dangling").symlink_to("../nowhere at all")
    for name in ("with space", "new\nline", "ünï-çødé", "back\\slash", "-dash", "*", ".hidden"):
        (place / name).write_text(name)
    with open(place / "sparse", "wb") as stream:
        stream.seek(8 << 20)
        stream.write(b"end")
    os.utime(place / "one", ns=(10**18, 987_654_321_123_456_789))
    os.utime(place / "dangling", ns=(10**18, 10**18), follow_symlinks=False)


def top() -> list[Entry]:
    """The third layer: what umoci never writes. No hard link to a lower layer, nothing through a link of one: podman refuses
    the first and hides the link for the second; what conman makes of them is tested beside the storage drivers."""
    return [
        directory("usr"), directory("usr/share"), directory("usr/share/zoneinfo"), opaque("usr/share/zoneinfo"),
        file("usr/share/zoneinfo/only", b"the rest is hidden\n"),
        directory("opt"), directory("opt/special", mode=0o751, uid=3, gid=4), whiteout("opt/special/two"),
        file("opt/special/id-setgid", b"another", mode=0o2711, gid=2000),
        hardlink("opt/special/again", "opt/special/id-setgid")._replace(mode=0o2711, gid=2000), whiteout("opt/special/*"),
        directory("opt/attributes"),
        file("opt/attributes/file", b"x")._replace(xattrs=(("user.note", b"a value"), ("user.empty", b""))),
        directory("opt/attributes/folder")._replace(xattrs=(("user.note", b"of a folder"),)),
        file("opt/attributes/half", b"y")._replace(mtime=1_500_000_000.5),
        device("opt/attributes/zero", 1, 5, mode=0o606), fifo("opt/attributes/fifo", mode=0o604),
        directory("opt/" + os.path.dirname(LONG)), file("opt/" + LONG, b"far away\n"),
        symlink("opt/far", LONG),
        file("unlisted/parents/file", b"z"),
        file("etc/issue", b"a file again\n"),
    ]
