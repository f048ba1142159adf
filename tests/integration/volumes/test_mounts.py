"""What the process in the container finds mounted."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from .conftest import place, volume, volumes_of


def options(conman, *words: str, target: str = "/x", image: str = "one") -> list[str]:
    """Of the mount at a target in a container that is made with these words."""
    line = conman.ok("run", "--rm", *words, image, "grep", f" {target} ", "/proc/mounts")
    return line.split()[3].split(",")


@pytest.mark.parametrize("word, there, missing", [
    ("", "rw nosuid nodev", "noexec"), (":ro", "ro nosuid nodev", "noexec"), (":exec,suid,dev", "rw", "nosuid nodev noexec"),
    (":noexec", "noexec nosuid", ""), (":z", "rw", ""), (":Z,nocopy", "rw", ""), (":copy,rslave", "rw", ""),
    (":unbindable", "rw", ""), (":cached", "rw", ""),
])
def test_options_of_a_volume(conman, word: str, there: str, missing: str) -> None:
    found = options(conman, "-v", f"v:/x{word}")
    assert set(there.split()) <= set(found) and not set(missing.split()) & set(found)


@pytest.mark.parametrize("mount, there", [
    ("type=volume,source=v,destination=/x,readonly", "ro"), ("type=volume,src=v,target=/x,ro=false", "rw"), ("src=v,dst=/x,ro=true", "ro"),
    ("type=volume,dst=/x", "rw"), ("type=tmpfs,dst=/x,tmpfs-size=1m,tmpfs-mode=700,ro=true", "size=1024k mode=700 ro"),
    ("type=tmpfs,dst=/x,noexec,consistency=cached", "noexec"), ("type=devpts,dst=/x,mode=600,gid=7", "mode=600 gid=7"),
    ('type=volume,dst=/x,volume-opt=type=tmpfs,"volume-opt=o=size=1m,mode=711"', "size=1024k mode=711"),
    ("type=volume,dst=/x,bind-propagation=rslave,relabel=shared,noexec", "noexec"),
])
def test_mount(conman, mount: str, there: str) -> None:
    assert set(there.split()) <= set(options(conman, "--mount", mount))


def test_mount_makes_a_volume_with_labels(conman) -> None:
    conman.ok("run", "--rm", "--mount", "type=volume,src=v,dst=/x,volume-label=a=b,volume-label=c", "one", "true")
    assert volume(conman, "v")["Labels"] == {"a": "b", "c": ""}


def test_nested_in_any_order(conman, folder: Path) -> None:
    (folder / "b").mkdir()
    conman.ok("run", "--rm", "-v", "inner:/a/b/c", "-v", f"{folder}:/a", "-v", "middle:/a/b", "one", "sh", "-c",
              "echo 1 > /a/one; echo 2 > /a/b/two; echo 3 > /a/b/c/three")
    assert (folder / "one").exists() and not list((folder / "b").iterdir())
    assert sorted(path.name for path in place(conman, "middle").iterdir()) == ["c", "two"]
    assert [path.name for path in place(conman, "inner").iterdir()] == ["three"]


def test_one_volume_at_two_places(conman) -> None:
    assert conman.ok("run", "--rm", "-v", "v:/x", "-v", "v:/data", "one", "sh", "-c", "echo x > /x/x; cat /data/x /x/a") == "x\nhello"


def test_a_volume_where_a_link_leads(conman) -> None:
    conman.ok("run", "--rm", "-v", "v:/out/mine", "one", "sh", "-c", "echo x > /etc/mine/x")
    assert (place(conman, "v") / "x").exists() and not Path("/etc/mine").exists()


def test_read_only_root_with_a_volume(conman) -> None:
    conman.ok("run", "--rm", "--read-only", "-v", "v:/new", "one", "sh", "-c", "echo x > /new/x")
    assert (place(conman, "v") / "x").exists()


def test_the_owner_becomes_the_user(conman, folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub/file").write_text("x")
    (folder / "link").symlink_to("/etc/passwd")
    before = Path("/etc/passwd").stat().st_uid
    conman.ok("run", "--rm", "-u", "5:6", "-v", f"{folder}:/x:U", "-v", "v:/data:U", "--tmpfs", "/t:U", "one", "sh", "-c",
              "echo x > /x/sub/new && echo x > /t/new")
    for path in (folder, folder / "sub", folder / "sub/file", folder / "link", *place(conman, "v").rglob("*")):
        assert (path.lstat().st_uid, path.lstat().st_gid) == (5, 6), path
    assert Path("/etc/passwd").stat().st_uid == before


def test_an_overlay_goes_with_the_run(conman, folder: Path) -> None:
    (folder / "kept").write_text("x")
    folder.chmod(0o1777)
    script = "cat /x/kept; rm /x/kept; echo new > /x/new; ls /x; stat -c %a /x"
    conman.ok("create", "--name", "c", "-v", f"{folder}:/x:O", "-v", "v:/data:O", "one", "sh", "-c", script)
    for _ in range(2):
        assert conman.ok("start", "-a", "c") == "xnew\n1777\n"
    assert [path.name for path in folder.iterdir()] == ["kept"] and (place(conman, "v") / "a").exists()
    done = conman("run", "--rm", "-v", f"{folder}/kept:/x:O", "one", "true")
    assert done.returncode == 125 and "is no folder" in done.stderr


def test_shared_needs_a_shared_mount(conman, folder: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=True)
    subprocess.run(["mount", "--make-private", folder], check=True)
    for word, kind in (("shared", "shared"), ("rshared", "shared"), ("rslave", "shared or slave")):
        done = conman("run", "--rm", "-v", f"{folder}:/x:{word}", "one", "true")
        assert done.returncode == 125
        assert done.stderr.splitlines()[0] == f"Error: path {folder} is mounted on {folder} but it is not a {kind} mount"
    subprocess.run(["mount", "--make-shared", folder], check=True)
    (folder / "m").mkdir()
    conman.ok("run", "--rm", "--privileged", "-v", f"{folder}:/x:rshared", "one", "mount", "-t", "tmpfs", "none", "/x/m")
    assert str(folder / "m") in Path("/proc/self/mountinfo").read_text()


def test_a_file_system_of_its_own_is_mounted_while_it_is_used(conman, folder: Path) -> None:
    conman.ok("volume", "create", "--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=size=1m,uid=5,mode=700", "t")
    conman.ok("volume", "create", "--opt", "type=none", "--opt", f"device={folder}", "--opt", "o=bind", "b")
    conman.ok("run", "-d", "--name", "a", "-v", "t:/data", "-v", "b:/b", "one", "sleep", "1000")
    conman.ok("run", "-d", "--name", "z", "-v", "t:/t", "one", "sleep", "1000")
    assert conman.ok("exec", "z", "cat", "/t/a") == "hello", "the image's content, in the one file system"
    conman.ok("exec", "a", "sh", "-c", "echo x > /b/x")
    assert (folder / "x").exists() and volume(conman, "t")["MountCount"] == 2
    conman.ok("rm", "-f", "-t", "0", "a")
    assert place(conman, "t").is_mount() and not place(conman, "b").is_mount()
    conman.ok("rm", "-f", "-t", "0", "z")
    assert not place(conman, "t").is_mount()
    conman.ok("volume", "rm", "b")
    assert (folder / "x").exists(), "what was mounted is not the volume's to remove"


def test_a_folder_of_the_host_keeps_its_owner_and_may_be_read_only(conman, folder: Path) -> None:
    folder.chmod(0o701)
    (folder / "mine").write_text("x")
    for name, words in (("w", "bind"), ("r", "bind,ro")):
        conman.ok("volume", "create", "--opt", "type=none", "--opt", f"device={folder}", "--opt", f"o={words}", name)
        assert conman.ok("run", "--rm", "-v", f"{name}:/data", "one", "ls", "/data") == "mine\n"
    assert (folder.stat().st_mode & 0o7777, folder.stat().st_uid) == (0o701, 0)
    (folder / "mine").unlink()
    conman.ok("volume", "create", "--opt", "type=none", "--opt", f"device={folder}", "--opt", "o=bind,ro", "e")
    assert conman.ok("run", "--rm", "-v", "e:/data", "one", "ls", "/data") == ""
    assert conman("run", "--rm", "-v", "e:/data", "one", "touch", "/data/x").returncode != 0


def test_one_that_cannot_be_mounted(conman) -> None:
    conman.ok("volume", "create", "--opt", "type=nosuchfs", "--opt", "device=/dev/zero", "n")
    done = conman("run", "--name", "c", "-v", "n:/x", "one", "true")
    assert done.returncode == 125 and len(done.stderr.splitlines()) <= 2
    assert done.stderr.startswith("Error: cannot mount volume n: mount: "), done.stderr
    assert conman.ok("ps", "-a", "-q") == "" and volumes_of(conman) == ["n"]
