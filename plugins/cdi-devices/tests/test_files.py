"""CDI files: what is read, what is refused, and which device of a name counts."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Callable

import pytest

from conman_cdi_devices import conman_spec_editor
from conman_cdi_devices.document import VERSIONS, is_name, parse
from conman_cdi_devices.editor import CdiEditor
from conman_cdi_devices.registry import Registry
from conman_kernel.cancel import Cancel
from conman_kernel.errors import InvalidInput, NotFound
from conman_kernel.log import StderrLog
from conman_kernel.oci.runtime.options import ContainerOptions, MountOption
from conman_kernel.slots.spec import DeviceNode, EditRequest, Hook, IntelRdt, SpecEdits

WHOLE: dict[str, object] = {
    "cdiVersion": "1.0.0", "kind": "vendor.com/device", "annotations": {"a": "b"},
    "containerEdits": {"env": ["ALL=1"], "additionalGids": [0, 44]},
    "devices": [
        {"name": "one", "containerEdits": {
            "env": ["ONE=1=2"],
            "deviceNodes": [{"path": "/dev/one", "hostPath": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 384,
                             "permissions": "rw", "uid": 5, "gid": 6}],
            "mounts": [{"hostPath": "/etc/hostname", "containerPath": "/one"},
                       {"hostPath": "tmpfs", "containerPath": "/t", "type": "tmpfs", "options": ["size=1m"]}],
            "hooks": [{"hookName": "createContainer", "path": "/bin/true", "args": ["true", "x"], "env": ["A=b"], "timeout": 5}],
            "intelRdt": {"closID": "c", "enableCMT": True}}},
        {"name": "two", "containerEdits": {}}]}


def write(folder: Path, name: str, document: object, mode: int = 0o644) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    path.chmod(mode)


def editor(*folders: Path) -> CdiEditor:
    return CdiEditor(tuple(map(str, folders)), StderrLog("error"))


def asked(of: CdiEditor, *devices: str) -> SpecEdits:
    return of.edit(EditRequest("", ContainerOptions(), devices, (), Cancel()))


def test_it_declares_itself() -> None:
    assert [option.name for option in conman_spec_editor().options] == ["folders"] and conman_spec_editor().api == 1


def test_all_of_a_device(tmp_path: Path) -> None:
    write(tmp_path / "cdi", "v.json", WHOLE)
    assert asked(editor(tmp_path / "cdi"), "vendor.com/device=one") == SpecEdits(
        handled=("vendor.com/device=one",), env=(("ALL", "1"), ("ONE", "1=2")), groups=(44,),
        devices=(DeviceNode("/dev/one", "/dev/null", "c", 1, 3, "rw", 384, 5, 6),),
        mounts=(MountOption("bind", "/etc/hostname", "/one", ("ro", "nosuid", "nodev", "bind")),
                MountOption("tmpfs", "", "/t", ("size=1m",))),
        hooks=(Hook("createContainer", "/bin/true", ("true", "x"), ("A=b",), 5),), intel_rdt=IntelRdt("c", enable_cmt=True))


def test_all_devices_of_a_kind_and_what_they_share_once(tmp_path: Path) -> None:
    write(tmp_path / "cdi", "v.json", WHOLE)
    edits = asked(editor(tmp_path / "cdi"), "vendor.com/device=all", "vendor.com/device=one")
    assert edits.handled == ("vendor.com/device=all", "vendor.com/device=one") and edits.groups == (44,)
    assert len(edits.devices) == 1


def test_yaml_is_the_same(tmp_path: Path) -> None:
    yaml = import_module("yaml")
    write(tmp_path / "a", "v.json", WHOLE)
    write(tmp_path / "b", "v.yaml", yaml.safe_dump(WHOLE))
    one = "vendor.com/device=one"
    assert asked(editor(tmp_path / "a"), one) == asked(editor(tmp_path / "b"), one)


def test_what_is_no_name_is_left_to_others(tmp_path: Path) -> None:
    assert asked(editor(tmp_path), "some/thing else=x") == SpecEdits()
    assert is_name("vendor.com/device=gpu-0:1") and not is_name("vendor.com=gpu") and not is_name("a/b/c=d") and not is_name("a/b=")


def test_the_last_folder_counts_and_two_in_one_are_a_conflict(tmp_path: Path) -> None:
    def of(value: str) -> dict[str, object]:
        return {"cdiVersion": "0.6.0", "kind": "v.com/d", "devices": [{"name": "x", "containerEdits": {"env": [f"V={value}"]}}]}

    write(tmp_path / "a", "1.json", of("a"))
    write(tmp_path / "b", "1.json", of("b"))
    assert asked(editor(tmp_path / "a", tmp_path / "b"), "v.com/d=x").env == (("V", "b"),)
    assert asked(editor(tmp_path / "b", tmp_path / "a"), "v.com/d=x").env == (("V", "a"),)
    write(tmp_path / "b", "2.json", of("c"))
    with pytest.raises(NotFound, match=r"b/1.json and in .*b/2.json"):
        asked(editor(tmp_path / "a", tmp_path / "b"), "v.com/d=x")


def test_a_broken_file_starves_no_other_and_is_named(tmp_path: Path) -> None:
    write(tmp_path / "cdi", "a.json", "{")
    write(tmp_path / "cdi", "b.json", WHOLE)
    write(tmp_path / "cdi", "c.json", WHOLE, mode=0o666)
    write(tmp_path / "cdi", "d.yaml", "a: &x [1]\nb: *x\n")
    (tmp_path / "cdi" / "e.json").mkdir()
    write(tmp_path / "cdi", "notes.txt", "none of it")
    found = Registry((str(tmp_path / "cdi"), str(tmp_path / "nowhere")))
    assert sorted(found.devices) == ["vendor.com/device=one", "vendor.com/device=two"]
    assert [problem.split("/cdi/")[1][:6] for problem in found.problems] == ["a.json", "c.json", "d.yaml", "e.json"]
    with pytest.raises(NotFound, match=r"no CDI device vendor.com/device=three: .*a.json is no JSON"):
        found.find("vendor.com/device=three")


@pytest.mark.parametrize("version", VERSIONS)
def test_versions(version: str) -> None:
    assert parse({**WHOLE, "cdiVersion": version}).version == version


def changed(path: str, value: object) -> Callable[[], dict[str, object]]:
    def make() -> dict[str, object]:
        document: dict[str, object] = json.loads(json.dumps(WHOLE))
        at: object = document
        *steps, last = path.split(".")
        for step in steps:
            at = at[int(step)] if isinstance(at, list) else at[step]  # type: ignore[index]
        at[last] = value  # type: ignore[index]
        return document
    return make


@pytest.mark.parametrize("make", [
    changed("cdiVersion", "2.0.0"), changed("cdiVersion", 1), changed("kind", "novendor"), changed("kind", "a/b/c"),
    changed("devices", []), changed("devices", {}), changed("devices.1.name", "one"), changed("devices.1.name", "-x"),
    changed("more", 1), changed("devices.0.containerEdits.more", 1), changed("devices.0.containerEdits.env", ["NOVALUE"]),
    changed("devices.0.containerEdits.env", [1]), changed("devices.0.containerEdits.additionalGids", [-1]),
    changed("devices.0.containerEdits.additionalGids", [True]), changed("devices.0.containerEdits.deviceNodes.0.type", "p"),
    changed("devices.0.containerEdits.deviceNodes.0.major", "1"), changed("devices.0.containerEdits.mounts", [{"hostPath": "/a"}]),
    changed("devices.0.containerEdits.hooks.0.timeout", 1.5), changed("devices.0.containerEdits.intelRdt.enableCMT", "yes"),
    changed("containerEdits.netDevices", [{"hostInterfaceName": "eth0", "name": "x"}]), changed("containerEdits", []),
], ids=lambda make: "")
def test_what_is_no_specification(make: Callable[[], dict[str, object]]) -> None:
    with pytest.raises(InvalidInput):
        parse(make())


@pytest.mark.parametrize("document", [None, [], "x", 1, {}])
def test_what_is_no_table(document: object) -> None:
    with pytest.raises(InvalidInput):
        parse(document)
