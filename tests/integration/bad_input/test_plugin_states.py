"""``plugin ls --check`` and ``plugin inspect``: what each plugin is, whether it works, what it offers; nothing is made for it."""

from __future__ import annotations

import json
from pathlib import Path

from conman_kernel.testing.command import Command

from .bad_distributions import install, source


def shown(conman: Command, **environ: str) -> dict[str, dict[str, object]]:
    found = json.loads(conman.ok("plugin", "ls", "--check", "--format", "json", stdin=None, **environ))
    return {row["Name"]: row for row in found}


def test_each_is_what_it_is(tmp_path: Path, folder: Path) -> None:
    conman = Command(str(tmp_path))
    install(folder, "runtime", source("runtime", top="raise ValueError('broken inside')"), distribution="raises-dist")
    install(folder, "attach", source("attach", probe="leak = os.open('/dev/null', os.O_RDONLY)"), distribution="leaks-dist")
    install(folder, "storage", source("storage", probe="return Unavailable('no moon', 'wait')"), distribution="shy-dist")
    install(folder, "transport", source("transport", top="raise SystemExit('loaded')"), distribution="unasked-dist")
    config = folder / "conman.toml"
    config.write_text('[storage]\ndriver = "bad-storage"\n[runtime]\nname = "bad-runtime"\n[attach]\nname = "bad-attach"\n'
                      '[transports]\ndocker = "gone-transport"\n')
    rows = shown(conman, PYTHONPATH=str(folder), CONMAN_CONFIG=str(config))
    said = {name: (row["State"], row["Reason"], row["Hint"]) for name, row in rows.items()}
    assert said["bad-runtime"][0] == "failed"
    assert said["bad-runtime"][1] == "bad-runtime (raises-dist 1.0) cannot be imported: ValueError: broken inside"
    assert said["bad-attach"] == ("available", "leaves 1 descriptors open after its probe: /dev/null", "this is a defect of the plugin")
    assert said["bad-storage"] == ("unavailable", "no moon", "wait")
    assert said["gone-transport"][0] == "not installed"
    assert said["bad-transport"] == ("not checked", "nothing asks for it, so it is not loaded", "conman plugin inspect bad-transport")
    assert said["runc-runtime"][0] == said["vfs-storage"][0] == "available"
    assert not Path(conman.root).exists()
    table = conman.ok("plugin", "ls", "--check", PYTHONPATH=str(folder), CONMAN_CONFIG=str(config))
    assert "raises-dist 1.0" in table and "STATE" in table


def test_one_that_a_container_was_made_with_is_asked(conman: Command, box: str, folder: Path) -> None:
    install(folder, "runtime", source("runtime"))
    conman.ok("--runtime", "bad-runtime", "create", "--name", "keeper", box, "true", PYTHONPATH=str(folder))
    try:
        row = shown(conman, PYTHONPATH=str(folder))["bad-runtime"]
        assert (row["State"], row["Selected"], row["NeededBy"]) == ("available", False, ["container keeper"])
        gone = shown(conman)["bad-runtime"]
        assert (gone["State"], gone["NeededBy"]) == ("not installed", ["container keeper"])
    finally:
        conman.ok("rm", "keeper", PYTHONPATH=str(folder))


def test_inspect_says_what_it_offers(tmp_path: Path) -> None:
    conman = Command(str(tmp_path))
    config = tmp_path / "conman.toml"
    config.write_text("[plugin.vfs-storage]\nsync = false\n")
    found = json.loads(conman.ok("--config", str(config), "plugin", "inspect", "vfs-storage", "runc-runtime", "oci-archive", "pty-attach"))
    storage, runtime, transport, attach = found
    assert storage["Features"] == {"Whiteouts": "applied", "IndependentLayers": False} and storage["Protocols"] == ["TidyDriver"]
    (sync,) = storage["Options"]
    assert (sync["Type"], sync["Default"], sync["Value"], sync["Origin"]) == ("bool", True, False, f"{config}:2") and sync["Doc"]
    assert runtime["Features"]["CgroupV1"] in (True, False) and runtime["Features"]["Binary"].startswith("/")
    assert transport["Protocols"] == ["WritableTransport", "ListingTransport"] and "oci" in transport["Features"]["Schemes"]
    assert attach["Features"] == {"Direct": True}
    assert not Path(conman.root).exists()
