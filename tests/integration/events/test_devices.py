"""Devices by name and editors of runtime specs, by real runc: applied, checked again, and nothing left behind."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from conman_kernel import Conman, ContainerOptions
from conman_kernel.testing.command import Command

from .test_told import install

EDITOR = """
from conman_kernel import hookimpl
from conman_kernel.oci.runtime.options import MountOption
from conman_kernel.slots.provider import NoOptions, provider
from conman_kernel.slots.spec import *

class Editor:
    def edit(self, request):
        {code}
    def close(self):
        pass

@hookimpl
def conman_spec_editor():
    return provider(api=1, summary="x", options=NoOptions, open=lambda context: Editor())
"""

DEVICE: dict[str, object] = {
    "cdiVersion": "0.7.0", "kind": "vendor.com/thing",
    "devices": [{"name": "x", "containerEdits": {
        "env": ["THING=yes"], "additionalGids": [4321],
        "deviceNodes": [{"path": "/dev/thing", "hostPath": "/dev/zero"}],
        "mounts": [{"hostPath": "/etc/hostname", "containerPath": "/thing/file"}],
        "hooks": [{"hookName": "createRuntime", "path": "/bin/sh", "args": ["sh", "-c", "cat > HERE/state"]}]}}]}


@pytest.fixture
def cdi(folder: Path) -> dict[str, str]:
    """A configuration that looks for CDI files in a folder with one device."""
    text = json.dumps(DEVICE).replace("HERE", str(folder))
    (folder / "cdi").mkdir()
    (folder / "cdi" / "vendor.json").write_text(text)
    (folder / "cdi" / "vendor.json").chmod(0o644)
    (folder / "conman.toml").write_text(f'[plugin.cdi-devices]\nfolders = ["{folder}/cdi"]\n')
    (folder / "conman.toml").chmod(0o600)
    return {"CONMAN_CONFIG": str(folder / "conman.toml")}


def test_a_device_by_name(conman: Command, image: str, folder: Path, cdi: dict[str, str], left_as_it_was: None) -> None:
    script = "echo $THING; head -c 3 /dev/thing | od -An -tx1; cat /thing/file; id -G; ls -l /dev/thing"
    said = conman.ok("run", "--rm", "--device", "vendor.com/thing=x", image, "sh", "-c", script, **cdi).splitlines()  # type: ignore[arg-type]
    assert said[:2] == ["yes", " 00 00 00"] and said[2] == Path("/etc/hostname").read_text().strip()
    assert "4321" in said[3].split() and said[4].startswith("crw")
    assert json.loads((folder / "state").read_text())["status"] in ("creating", "created")


def test_the_callers_words_come_first(conman: Command, image: str, cdi: dict[str, str], left_as_it_was: None) -> None:
    for more, says in (("--env=THING=no", "given otherwise"), ("--volume=/etc:/thing/file", "/thing/file"),
                       ("--device=/dev/null:/dev/thing", "/dev/thing")):
        done = conman("run", "--rm", "--device", "vendor.com/thing=x", more, image, "true", **cdi)  # type: ignore[arg-type]
        assert done.returncode == 125 and says in done.stderr and "cdi-devices" in done.stderr, done.stderr
        assert done.stderr.count("\n") <= 2


def test_one_that_does_not_exist(conman: Command, image: str, cdi: dict[str, str], left_as_it_was: None) -> None:
    for device in ("vendor.com/thing=y", "no/such=thing"):
        done = conman("create", "--device", device, image, "true", **cdi)  # type: ignore[arg-type]
        assert done.returncode == 125 and f"no CDI device {device}" in done.stderr


def test_a_file_that_goes_between_create_and_start(conman: Command, image: str, folder: Path, cdi: dict[str, str],
                                                   gone: list[str]) -> None:
    gone.append("late")
    conman.ok("create", "--name", "late", "--device", "vendor.com/thing=x", image, "true", **cdi)  # type: ignore[arg-type]
    os.unlink(folder / "cdi" / "vendor.json")
    done = conman("start", "late", **cdi)  # type: ignore[arg-type]
    assert done.returncode == 125 and "no CDI device" in done.stderr
    assert conman.ok("ps", "-a", "--filter", "name=late", "--format", "{{.State}}") == "created\n"


def test_the_command(conman: Command, cdi: dict[str, str]) -> None:
    assert conman.ok("cdi", "ls", **cdi) == "vendor.com/thing=x\n"  # type: ignore[arg-type]
    shown = json.loads(conman.ok("cdi", "inspect", "vendor.com/thing=x", **cdi))  # type: ignore[arg-type]
    assert shown[0]["Env"] == ["THING=yes"] and shown[0]["DeviceNodes"] == ["/dev/thing"]
    assert conman("cdi", "inspect", "vendor.com/thing=z", **cdi).returncode == 125  # type: ignore[arg-type]
    assert "cdi" in conman.ok("--help") and "Brought by conman-cdi-devices" in conman.ok("--help")


def test_from_python(conman: Command, image: str, folder: Path, cdi: dict[str, str]) -> None:
    with Conman(root=conman.root, run_root=conman.run_root, config=cdi["CONMAN_CONFIG"]) as c:
        options = ContainerOptions(named_devices=("vendor.com/thing=x",), remove=True)
        assert c.containers.run(image, ["sh", "-c", "echo $THING"], options=options).stdout == b"yes\n"


@pytest.mark.parametrize(("code", "says"), [
    ("raise ValueError('inside')", "ValueError: inside"),
    ("raise SystemExit(3)", "SystemExit"),
    ("return None", "SpecEdits"),
    ("return SpecEdits(handled=('other/x=y',))", "nobody asked"),
    ("return SpecEdits(handled=request.devices, env=(('A=', 'b'),))", "environment variable"),
    ("return SpecEdits(handled=request.devices, env=(('A', 5),))", "env"),
    ("return SpecEdits(handled=request.devices, env=(('A', 'b' * 200000),))", "longer than"),
    ("return SpecEdits(handled=request.devices, env=(('A', 'b'),) * 300)", "more than"),
    ("return SpecEdits(handled=request.devices, env=[])", "env"),
    ("return SpecEdits(handled=request.devices, devices=(DeviceNode('dev/x'),))", "absolute"),
    ("return SpecEdits(handled=request.devices, devices=(DeviceNode('/dev/x', '/dev/../etc'),))", "absolute"),
    ("return SpecEdits(handled=request.devices, devices=(DeviceNode('/dev/x', '/etc/hostname'),))", "no device node"),
    ("return SpecEdits(handled=request.devices, devices=(DeviceNode('/dev/x', '/dev/null', 'c', 8, 0),))", "c 1:3"),
    ("return SpecEdits(handled=request.devices, devices=(DeviceNode('/dev/null', '/dev/zero'),))", "there already"),
    ("return SpecEdits(handled=request.devices, devices=(DeviceNode('/dev/x', '/dev/null', permissions='rx'),))", "permissions"),
    ("return SpecEdits(handled=request.devices, mounts=(MountOption('bind', '/etc', '/proc/x'),))", "/proc/x"),
    ("return SpecEdits(handled=request.devices, mounts=(MountOption('bind', '/etc', '/sys'),))", "/sys"),
    ("return SpecEdits(handled=request.devices, mounts=(MountOption('bind', '/nowhere', '/x'),))", "does not exist"),
    ("return SpecEdits(handled=request.devices, mounts=(MountOption('proc', 'proc', '/x'),))", "mount type"),
    ("return SpecEdits(handled=request.devices, mounts=(MountOption('bind', '/etc', '/x', ('idmap',)),))", "idmap"),
    ("return SpecEdits(handled=request.devices, hooks=(Hook('sometime', '/bin/true'),))", "stage"),
    ("return SpecEdits(handled=request.devices, hooks=(Hook('prestart', 'true'),))", "executable"),
    ("return SpecEdits(handled=request.devices, groups=(-1,))", "group"),
    ("return SpecEdits(handled=request.devices, groups=(True,))", "groups"),
    ("return SpecEdits(handled=request.devices, intel_rdt='x')", "IntelRdt"),
    ("return SpecEdits()", "no selected editor knows"),
])
def test_an_editor_that_asks_for_nonsense(conman: Command, image: str, folder: Path, left_as_it_was: None, code: str,
                                          says: str) -> None:
    install(folder, "bad-editor", EDITOR.format(code=code), "conman.spec")
    done = conman("run", "--rm", "--device", "a.com/b=c", image, "true", PYTHONPATH=str(folder), CONMAN_SPEC_EDITORS="bad-editor")
    assert done.returncode == 125 and says in done.stderr, done.stderr
    assert done.stderr.startswith("Error: ") and done.stderr.count("\n") <= 2
    if "no selected" not in says:
        assert "bad-editor" in done.stderr and "dist-bad-editor" in done.stderr
    other = conman("run", "--rm", image, "echo", "well", PYTHONPATH=str(folder), CONMAN_SPEC_EDITORS="bad-editor")
    assert (other.stdout, other.stderr) == ("well\n", ""), "one that asks for nothing does not load it"
