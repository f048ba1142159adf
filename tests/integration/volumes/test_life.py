"""Which volumes there are, who has them, and what takes them away."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import place, volumes_of


def test_one_in_use_is_not_removed(conman) -> None:
    id = conman.ok("create", "--name", "c", "-v", "data:/x", "one", "true").strip()
    done = conman("volume", "rm", "data")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.splitlines()[0] == \
        f"Error: volume data is being used by the following container(s): {id}: volume is being used"
    assert conman.ok("volume", "prune", "--force") == ""
    conman.ok("rm", "c")
    assert conman.ok("volume", "rm", "data") == "data\n"
    assert volumes_of(conman) == []


def test_force_removes_who_has_it(conman) -> None:
    conman.ok("run", "-d", "--name", "c", "-v", "data:/x", "one", "sleep", "1000")
    assert conman.ok("volume", "rm", "--force", "--time", "0", "data") == "data\n"
    assert conman.ok("ps", "-a", "-q") == ""


@pytest.mark.parametrize("words, code, line", [
    (("rm", "nope"), 1, 'Error: no volume with name "nope" found: no such volume'),
    (("rm",), 125, "Error: choose either one or more volumes or all"),
    (("rm", "a", "--time", "3"), 125, "Error: --force option must be specified to use the --time option"),
    (("inspect", "nope"), 125, "Error: inspecting object: no such volume nope"),
    (("inspect",), 125, "Error: provide one or more volume names or use --all"),
    (("exists", "nope"), 1, ""), (("rm", "--force", "nope"), 0, ""),
    (("create", "a/b"), 125, 'Error: "a/b" is no valid volume name'),
    (("create", "--driver", "ceph", "x"), 125, 'Error: no volume driver "ceph": required plugin missing'),
    (("create", "--opt", "bogus=1", "x"), 125, "Error: invalid mount option bogus for driver 'local'"),
    (("create", "--opt", "type=none", "--opt", "device=/no/such", "--opt", "o=bind", "x"), 125,
     "Error: invalid volume option device for driver 'local': /no/such is no folder on this host"),
    (("ls", "--filter", "bogus=x"), 125, 'Error: "bogus" is an invalid volume filter'),
    (("prune", "--force", "--filter", "bogus=x"), 125, 'Error: "bogus" is an invalid volume filter'),
])
def test_bad_words(conman, words: tuple[str, ...], code: int, line: str) -> None:
    done = conman("volume", *words)
    assert (done.returncode, (done.stderr.splitlines() or [""])[0]) == (code, line)
    assert volumes_of(conman) == []


@pytest.mark.parametrize("words, line", [
    (("-v", "a:/x", "-v", "b:/x"), "/x: duplicate mount destination"),
    (("-v", "a:/x", "--tmpfs", "/x/"), "/x: duplicate mount destination"),
    (("-v", "a/b:/x"), '"a/b" is no valid volume name'), (("-v", "a:x"), "must be absolute"),
    (("-v", "new:/x", "-v", "/no/such:/y"), "statfs /no/such: no such file or directory"),
    (("-v", "new:/x", "--volumes-from", "nope"), 'looking up container "nope" for volumes-from'),
    (("-v", "new:/x", "--image-volume", "bogus"), 'invalid image volume mode "bogus"'),
    (("-v", "new:/x", "--mount", "type=volume,src=o,dst=/o,volume-opt=bogus=1"), "invalid mount option bogus"),
    (("-v", "new:/x", "--cidfile", "/no/such/folder/cid"), "cannot write the container ID file"),
    (("-v", "/etc:/x:U",), 'chown on host path "/etc" is not permitted'),
    (("-v", "a:/x:idmap",), "does not offer the option idmap"), (("-v", "a:/x:bogus",), "unknown option 'bogus'"),
    (("--mount", "type=volume,src=a,dst=/x,volume-subpath=y"), "does not offer volume-subpath"),
])
def test_nothing_is_left_of_what_is_refused(conman, words: tuple[str, ...], line: str) -> None:
    for verb in ("create", "run"):
        done = conman(verb, *words, "one", "true")
        assert done.returncode == 125 and line in done.stderr.splitlines()[0], done.stderr
        assert volumes_of(conman) == [] and conman.ok("ps", "-a", "-q") == ""


def test_rm_with_volumes(conman) -> None:
    conman.ok("run", "--name", "one", "-v", "named:/n", "-v", "/anonymous", "two", "true")
    conman.ok("create", "--name", "two", "--volumes-from", "one:ro", "--image-volume", "ignore", "two", "true")
    assert len(volumes_of(conman)) == 4
    conman.ok("rm", "-v", "one")
    assert len(volumes_of(conman)) == 4, "the other container has them"
    conman.ok("rm", "-v", "two")
    assert volumes_of(conman) == ["named"]


@pytest.mark.parametrize("flags", [(), ("-d",)])
def test_run_rm_takes_anonymous_ones_along(conman, flags: tuple[str, ...]) -> None:
    done = conman.ok("run", "--rm", *flags, "--name", "c", "-v", "named:/n", "-v", "/anonymous", "two", "true")
    if flags:
        conman("wait", done.strip())
        conman("rm", "--ignore", "c")
    assert volumes_of(conman) == ["named"]


def test_a_run_that_cannot_be_started_leaves_none_without_a_name(conman) -> None:
    assert conman("run", "-v", "/anonymous", "two", "/no/such").returncode == 127
    assert volumes_of(conman) == []


def test_volumes_from(conman, folder: Path) -> None:
    conman.ok("create", "--name", "a", "-v", "data:/x", "-v", f"{folder}:/host:ro", "--tmpfs", "/t", "-v", "/y", "one", "true")
    conman.ok("run", "--name", "b", "--volumes-from", "a:ro", "-v", "other:/y", "one", "sh", "-c", "grep -c ' ro,' /proc/mounts")
    shown = {mount["Destination"]: (mount.get("Name", ""), mount["RW"]) for mount in conman.inspect("b")["Mounts"]}
    assert shown == {"/x": ("data", False), "/host": ("", False), "/y": ("other", True)}
    assert conman.inspect("b")["HostConfig"]["VolumesFrom"] == ["a:ro"]
    for text, line in (("a:bogus", 'invalid option "bogus" specified'), ("a:ro,rw", "ro and rw exclude each other")):
        done = conman("create", "--volumes-from", text, "one", "true")
        assert done.returncode == 125 and line in done.stderr


def test_what_inspect_says(conman, folder: Path) -> None:
    """podman 4.3 says the same of the same words, but for the paths."""
    conman.ok("create", "--name", "c", "-v", "data:/x", "-v", "o:/o:ro,noexec,dev", "-v", f"{folder}:/h:ro", "--tmpfs", "/t:size=1m",
              "one", "true")
    one, other, bind = conman.inspect("c")["Mounts"]
    assert one == {"Type": "volume", "Name": "data", "Source": str(place(conman, "data")), "Destination": "/x", "Driver": "local",
                   "Mode": "", "Options": ["nosuid", "nodev", "rbind"], "RW": True, "Propagation": "rprivate"}
    assert (other["Options"], other["RW"]) == (["noexec", "dev", "nosuid", "rbind"], False)
    assert bind == {"Type": "bind", "Source": str(folder), "Destination": "/h", "Driver": "", "Mode": "", "Options": ["rbind"],
                    "RW": False, "Propagation": "rprivate"}
    host = conman.inspect("c")["HostConfig"]
    assert host["Binds"][0] == "data:/x:rw,rprivate,nosuid,nodev,rbind" and host["Binds"][2] == f"{folder}:/h:ro,rprivate,rbind"
    assert host["Tmpfs"] == {"/t": "size=1048576,rw,rprivate,nosuid,nodev,tmpcopyup"} and host["VolumesFrom"] is None


def test_found_by_its_volume(conman) -> None:
    conman.ok("create", "--name", "a", "-v", "data:/x", "one", "true")
    conman.ok("create", "--name", "b", "-v", "other:/y", "one", "true")
    for value in ("data", "/x"):
        assert conman.ok("ps", "-a", "--filter", f"volume={value}", "--format", "{{.Names}}") == "a\n"


def test_prune_asks(conman) -> None:
    conman.ok("volume", "create", "a")
    warning = "WARNING! This will remove all volumes not used by at least one container. The following volumes will be removed:\n"
    assert conman.ok("volume", "prune", stdin=b"n\n") == f"{warning}a\nAre you sure you want to continue? [y/N] "
    assert conman.ok("volume", "prune", stdin=b"y\n").endswith("[y/N] a\n")
    assert conman.ok("volume", "prune") == f"{warning}No dangling volumes found\n"


def test_the_store_as_a_whole(conman) -> None:
    conman.ok("create", "--name", "c", "-v", "used:/x", "one", "true")
    (Path(conman.ok("volume", "inspect", "-f", "{{.Mountpoint}}", conman.ok("volume", "create", "free").strip()).strip())
     / "x").write_bytes(b"x" * 8192)
    rows = {row["Type"]: row for row in json.loads(conman.ok("system", "df", "--format", "json"))}["Local Volumes"]
    assert (rows["Total"], rows["Active"]) == (2, 1) and rows["RawReclaimable"] >= 8192
    shown = conman.ok("system", "df", "--verbose")
    assert "free         0" in shown and "used         1" in shown
    assert conman.ok("system", "prune", "--force").count("free") == 0
    report = conman.ok("system", "prune", "--force", "--volumes")
    assert "Deleted Volumes\nfree\nused\n" in report
    assert volumes_of(conman) == []


def test_check_finds_what_is_missing_and_what_is_left(conman) -> None:
    conman.ok("volume", "create", "data")
    kept = place(conman, "data")
    kept.rmdir()
    (kept.parents[1] / "orphan/_data").mkdir(parents=True)
    done = conman("system", "check", "--format", "{{.Kind}} {{.Subject}}")
    assert done.returncode == 1
    assert done.stdout.splitlines() == [f"volume-left {kept.parents[1]}/orphan", "volume-missing data"]
    assert "all repaired" in conman.ok("system", "check", "--repair")
    assert kept.is_dir() and not (kept.parents[1] / "orphan").exists()


def test_what_happens_is_told(conman) -> None:
    conman.ok("create", "--name", "c", "-v", "told:/x", "-v", "/y", "one", "true")
    conman.ok("rm", "-v", "c")
    conman.ok("volume", "prune", "--force")
    told = conman.ok("events", "--stream=false", "--since", "1m", "--filter", "volume=told", "--format", "{{.Type}} {{.Status}}")
    assert told.splitlines() == ["volume create", "volume remove", "volume prune"]


def test_explained_and_nothing_made(conman) -> None:
    conman.ok("volume", "create", "there")
    text = conman.ok("run", "--explain", "-v", "there:/a", "-v", "new:/b", "two", "true")
    assert "volume: there, here already, at /a\nvolume: new, a new one, at /b\n" in text
    assert "volume: a new one without a name, at /data\n" in text and f"{conman.root}/volumes/new/_data" in text
    assert volumes_of(conman) == ["there"]


def test_committed_as_the_images_volumes(conman) -> None:
    conman.ok("run", "--name", "c", "-v", "data:/x", "one", "true")
    id = conman.ok("commit", "-q", "--include-volumes", "c").strip()
    assert conman.inspect(id)["Config"]["Volumes"] == {"/x": {}}
    conman.ok("rmi", id)
