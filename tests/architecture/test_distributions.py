"""Each distribution is a wheel that installs alone: it holds all of its files and declares all that it imports."""

from __future__ import annotations

import email
import re
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
WHEELS = TOP / "build" / "wheels"
FOLDERS = [TOP, TOP / "shim", *sorted(p for p in (TOP / "plugins").iterdir() if (p / "src").is_dir())]
IDS = [folder.name if folder != TOP else "conman" for folder in FOLDERS]


def project(folder: Path):
    return tomllib.loads((folder / "pyproject.toml").read_text())["project"]


def package(folder: Path) -> Path:
    if folder == TOP:
        return TOP / "conman_kernel"
    return folder / "src" / str(project(folder)["name"]).replace("-", "_")


@pytest.mark.parametrize("folder", FOLDERS, ids=IDS)
def test_it_has_what_a_stranger_looks_for(folder):
    assert (folder / "README.md").is_file()
    assert (package(folder) / "py.typed").is_file()
    stated = project(folder)
    assert stated["description"] and ("version" in stated or "version" in stated["dynamic"])
    assert stated["requires-python"] == project(TOP)["requires-python"]


@pytest.mark.parametrize("folder", FOLDERS, ids=IDS)
def test_it_declares_what_it_imports(folder, kernel, plugins, shim):
    sources = {TOP: kernel, TOP / "shim": shim}.get(folder) or plugins[folder.name]
    stated = {re.split(r"[^\w-]", r)[0] for r in project(folder).get("dependencies", ())}
    testing = {re.split(r"[^\w-]", r)[0] for r in project(folder).get("optional-dependencies", {}).get("testing", ())}
    shipped = {"conman_kernel": "conman", "urllib3": "requests"}  # requests' own API hands urllib3's errors out
    own = package(folder).name
    used = {i.module.split(".")[0] for s in sources for i in s.imports if ".testing" not in s.module}
    used = {shipped.get(name, name) for name in used - {own} - set(sys.stdlib_module_names)}
    assert used == stated
    tests_use = {i.module.split(".")[0] for s in sources for i in s.imports if ".testing" in s.module}
    assert tests_use - {own} - set(sys.stdlib_module_names) - stated <= testing


@pytest.fixture(scope="module")
def wheels(request: pytest.FixtureRequest) -> dict[str, zipfile.ZipFile]:
    """Distribution name -> its wheel, as ``make setup`` built it."""
    if not request.config.getoption("--installed"):
        pytest.skip("without --installed (make test) the wheels may be older than the sources")
    found = {}
    for path in WHEELS.glob("*.whl"):
        archive = zipfile.ZipFile(path)
        metadata = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        found[str(email.message_from_bytes(archive.read(metadata))["Name"])] = archive
    return found


@pytest.mark.parametrize("folder", FOLDERS, ids=IDS)
def test_the_wheel_holds_every_file_and_no_other(folder, wheels):
    names = {n for n in wheels[str(project(folder)["name"])].namelist() if ".dist-info/" not in n}
    base = package(folder)
    wanted = {str(p.relative_to(base.parent)) for p in base.rglob("*")
              if p.is_file() and "__pycache__" not in p.parts and p.suffix in {".py", ".json", ".sql", ".tmpl", ".toml", ".typed"}}
    assert names == wanted


def test_the_standard_set_is_complete(wheels):
    named = {str(r).split(">")[0] for r in project(TOP)["optional-dependencies"]["standard"] if r.startswith("conman-")}
    assert {"conman", *named} == set(wheels) == {str(project(f)["name"]) for f in FOLDERS}
