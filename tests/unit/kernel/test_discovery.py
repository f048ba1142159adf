"""Discovery: what is installed, read from metadata alone, cached, and never at the mercy of one broken folder."""

from __future__ import annotations

import glob
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pluggy
import pytest

from conman_kernel.discovery import Discovery, EntryPoint
from conman_kernel.errors import PluginFailed
from conman_kernel.hooks import hookimpl
from conman_kernel.slots import ATTACH
from conman_kernel.store.layout import Layout

from .conftest import HEAD, HOOK, SOUND, Open, Site


def names(layout: Layout) -> set[str]:
    return {entry.name for entry in Discovery(layout).entries}


def cache(layout: Layout) -> Path:
    (path,) = glob.glob(layout.plugin_cache + ".*")
    return Path(path)


def touched(site: Site) -> None:
    """The folder changed: an instant later than before, whatever the file system's clock."""
    now = time.time_ns()
    os.utime(site.folder, ns=(now, now + 10_000_000))


def test_the_mark_is_pluggys() -> None:
    def ours() -> None: ...
    def theirs() -> None: ...

    pluggy.HookimplMarker("conman")(theirs)
    assert hookimpl(ours) is ours
    assert vars(ours) == vars(theirs) and list(vars(ours)) == ["conman_impl"]


def test_pluggys_own_marker_does(site: Site, plugins: Open) -> None:
    site.ship("pure", SOUND.replace("@hookimpl", "import pluggy\n@pluggy.HookimplMarker('conman')"))
    marked = "import pluggy\n@pluggy.HookimplMarker('conman')(specname='conman_attach')"
    site.ship("renamed", SOUND.replace("@hookimpl", marked).replace("def conman_attach", "def other_name"))
    for _ in ("by pluggy", "as verified"):
        for name in ("pure", "renamed"):
            assert plugins().get(ATTACH, name).echo(1) == ("ran", 1)  # type: ignore[attr-defined]


def test_entries_are_sorted_and_complete(site: Site, layout: Layout) -> None:
    site.metadata("conman-two", "[conman.storage]\nb = m\na = m:x.y\n[conman.events]\ne = m\n[console_scripts]\nrm = m:f\n")
    mine = [e for e in Discovery(layout).entries if e.distribution == "conman-two"]
    assert mine == [EntryPoint("conman.events", "e", "m", "conman-two", "1.2"),
                    EntryPoint("conman.storage", "a", "m:x.y", "conman-two", "1.2"),
                    EntryPoint("conman.storage", "b", "m", "conman-two", "1.2")]


@pytest.mark.parametrize(("entry_points", "metadata"), [
    ("[conman.attach]\nbroken = m\n", ""), ("[conman.attach]\nbroken = m\n", "Version: 1\n"), ("[conman.attach]\nbroken = m\n", "\n\n"),
    ("[conman.attach]\nbroken\n", None), ("broken = m\n", None), (b"\xff\xfe[conman.attach]\n", None), ("[conman.attach\n= =\n", None),
    (None, None), (None, ""),
])
@pytest.mark.filterwarnings("error")
def test_broken_metadata_starves_nobody(site: Site, layout: Layout, entry_points: str | bytes | None, metadata: str | None) -> None:
    site.metadata("aaa-broken", entry_points, metadata=metadata)
    site.ship("sound")
    site.metadata("zzz-broken", entry_points, metadata=metadata)
    assert "sound" in names(layout) and "broken" not in names(layout)


def test_broken_metadata_is_told(site: Site, layout: Layout) -> None:
    site.metadata("conman-hurt", "[conman.attach]\nhurt\n")
    site.metadata("acme", "[conman.attach]\nother\n")
    site.metadata("stranger", "[console_scripts\n= =\n")
    for _ in range(2):  # scanned, and remembered
        found = Discovery(layout)
        assert [folder.partition("-1.")[0].replace("_", "-") for folder in found.unreadable] == ["acme", "conman-hurt"]
        assert "hurt" not in {entry.name for entry in found.entries}


def test_an_empty_dist_info_folder(site: Site, layout: Layout) -> None:
    (site.folder / "hollow-1.dist-info").mkdir()
    (site.folder / "file-1.dist-info").write_text("no folder")
    site.ship("sound")
    assert "sound" in names(layout)


def test_a_distribution_without_version_is_found(site: Site, layout: Layout) -> None:
    site.metadata("conman-bare", "[conman.attach]\nbare = m\n", metadata="Name: conman-bare\n")
    assert [e.version for e in Discovery(layout).entries if e.name == "bare"] == [""]


@pytest.mark.parametrize("spelling", ["conman-dup", "Conman_Dup", "conman.dup"])
def test_the_first_folder_of_the_path_wins(site: Site, layout: Layout, tmp_path: Path, spelling: str,
                                           monkeypatch: pytest.MonkeyPatch) -> None:
    site.metadata("conman-dup", "[conman.attach]\ndup = first\n")
    second = tmp_path / "second"
    second.mkdir()
    Site(second, "x").metadata("dup", "[conman.attach]\ndup = second\n", metadata=f"Name: {spelling}\nVersion: 9\n")
    monkeypatch.setattr(sys, "path", [sys.path[0], str(second), *sys.path[1:]])
    assert [e.value for e in Discovery(layout).find("conman.attach", "dup")] == ["first"]


def test_the_scan_is_cached_until_a_folder_changes(site: Site, layout: Layout) -> None:
    site.ship("one")
    assert {"one"} <= names(layout)
    written = json.loads(cache(layout).read_text())
    written["entries"].append(["conman.attach", "planted", "m", "d", "1"])
    cache(layout).write_text(json.dumps(written))
    assert "planted" in names(layout), "the cache was not used"
    site.ship("two")
    touched(site)
    found = names(layout)
    assert "two" in found and "planted" not in found


def test_another_interpreters_path_has_another_cache(site: Site, layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site.ship("one")
    assert "one" in names(layout)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p != str(site.folder)])
    assert "one" not in names(layout)
    assert len(glob.glob(layout.plugin_cache + ".*")) == 2


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xff", b'{"key": 1}', "no entries", "short row", "not text", "numbers"])
def test_a_corrupt_cache_is_ignored(site: Site, layout: Layout, content: bytes | str) -> None:
    site.ship("one")
    assert "one" in names(layout)
    good = json.loads(cache(layout).read_text())
    if isinstance(content, str):
        good = {"no entries": {"key": good["key"]}, "short row": {**good, "entries": [["x"]]},
                "not text": {**good, "entries": [[1, 2, 3, 4, None]]}, "numbers": {**good, "verified": 3}}[content]
        content = json.dumps(good).encode()
    cache(layout).write_bytes(content)
    assert "one" in names(layout)
    assert json.loads(cache(layout).read_text())["entries"], "it was not mended"


def test_a_cache_that_cannot_be_read_or_written(site: Site, layout: Layout) -> None:
    site.ship("one")
    assert "one" in names(layout)
    path = cache(layout)
    path.unlink()
    path.mkdir()
    assert "one" in names(layout)
    assert os.listdir(layout.root) == [path.name], "a temporary file was left"


def test_nothing_is_made_where_there_is_no_store(site: Site, tmp_path: Path) -> None:
    layout = Layout(str(tmp_path / "absent"), str(tmp_path / "absent-run"))
    site.ship("one")
    assert "one" in names(layout)
    assert not (tmp_path / "absent").exists()


def test_verified_means_the_same_as_checked(site: Site, layout: Layout, plugins: Open) -> None:
    module = site.ship("one")
    first = plugins().get(ATTACH, "one")
    assert json.loads(cache(layout).read_text())["verified"] == ["conman.attach/one"]
    del sys.modules["pluggy"]
    try:
        second = plugins().get(ATTACH, "one")
        assert "pluggy" not in sys.modules, "the check was made again"
    finally:
        sys.modules["pluggy"] = pluggy
    assert first.echo(1) == second.echo(1) == ("ran", 1)  # type: ignore[attr-defined]
    assert module in sys.modules


def test_a_failed_check_is_not_remembered(site: Site, layout: Layout, plugins: Open) -> None:
    site.ship("bad", HEAD + HOOK.replace("conman_attach()", "conman_attach(more)"))
    with pytest.raises(PluginFailed):
        plugins().get(ATTACH, "bad")
    assert json.loads(cache(layout).read_text())["verified"] == []


def test_code_changed_in_place_is_checked_again(site: Site, plugins: Open) -> None:
    """An editable installation: the folder with the metadata does not change, the module does."""
    module = site.ship("edited")
    plugins().get(ATTACH, "edited")
    for source, words in ((SOUND.replace("conman_attach", "conman_atach"), "does not fit"), ("x = 1", "must implement"),
                          (SOUND.replace("conman_attach()", "conman_attach(more)"), "failed in conman_attach: TypeError")):
        site.module(source, module)
        sys.modules.pop(module, None)
        with pytest.raises(PluginFailed, match=words):
            plugins().get(ATTACH, "edited")


LIST = """
import sys
sys.path.insert(0, sys.argv[1])
before = set(sys.modules)
from conman_kernel.config import load
from conman_kernel.plugins import Plugins
from conman_kernel.store.layout import Layout
found = Plugins(load(environ={"HOME": "/nonexistent"}), Layout(sys.argv[2], sys.argv[2]), None).list()
print(" ".join(p.name for p in found))
print(" ".join(m for m in set(sys.modules) - before if m.startswith(("conman_", "throwaway_", "pluggy")) and not m.startswith("conman_kernel")))
"""


def test_listing_imports_nothing(site: Site, layout: Layout) -> None:
    site.ship("tripwire", "raise SystemExit('imported')")
    for _ in ("scan", "cache"):
        done = subprocess.run([sys.executable, "-c", LIST, str(site.folder), layout.root], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        shown, imported = done.stdout.split("\n")[:2]
        assert "tripwire" in shown.split() and imported == ""


def test_tracing_shows_the_calls(site: Site, plugins: Open, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    site.ship("one")
    plugins().get(ATTACH, "one")
    assert capfd.readouterr() == ("", "")
    monkeypatch.setenv("CONMAN_TRACE", "exec,hooks")
    plugins().get(ATTACH, "one")
    out, err = capfd.readouterr()
    assert out == "" and "hooks: one:" in err and "conman_attach" in err
