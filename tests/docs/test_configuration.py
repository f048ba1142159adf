"""``conman.toml`` and ``docs/configuration.md`` are proved against the schema, both ways."""

from __future__ import annotations

import re
from pathlib import Path

import tomli

from conman_kernel import config
from conman_kernel.config_schema import REGISTRY_KEYS, SCHEMA, TRANSPORTS, Key
from conman_kernel.trust import check_trust

TOP = Path(__file__).resolve().parents[2]
SHIPPED = TOP / "conman.toml"
PAGE = TOP / "docs" / "configuration.md"


def written(key: Key) -> str:
    """A default as it is written in TOML."""
    if isinstance(key.default, bool):
        return str(key.default).lower()
    if isinstance(key.default, tuple):
        return "[" + ", ".join(f'"{item}"' for item in key.default) + "]"
    return f'"{key.default}"' if isinstance(key.default, str) else str(key.default)


def flat(table: dict[str, object], prefix: str = "") -> dict[str, object]:
    """Nested tables as dotted keys, lists as tuples."""
    found: dict[str, object] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            found.update(flat(value, f"{prefix}{name}."))
        else:
            found[prefix + name] = tuple(value) if isinstance(value, list) else value
    return found


def uncommented() -> dict[str, object]:
    """The shipped file with every ``#key = value`` and ``#[table]`` line brought to life."""
    text = re.sub(r"(?m)^# ?(\[[^\]\n]+\]|[\w-]+ = .*)$", r"\1", SHIPPED.read_text())
    return tomli.loads(text)


def test_the_shipped_file_holds_every_key_with_its_default() -> None:
    document = uncommented()
    transports = document.pop("transports")
    for example in ("machine", "registry", "plugin"):
        document.pop(example, None)
    assert flat(document) == {key.name: key.default for key in SCHEMA}
    assert transports == dict(TRANSPORTS)


def test_the_shipped_file_says_why_of_every_key() -> None:
    text = SHIPPED.read_text()
    assert [key.name for key in SCHEMA if key.doc not in text] == []


def test_the_shipped_file_as_it_stands_changes_nothing(tmp_path: Path) -> None:
    copy = tmp_path / "conman.toml"
    copy.write_bytes(SHIPPED.read_bytes())
    check_trust(str(copy))
    loaded = config.load(file=str(copy), environ={})
    assert {key.name: loaded.entry(key.name).value for key in SCHEMA} == {key.name: key.default for key in SCHEMA}


def test_the_page_has_a_row_for_every_key_and_no_other() -> None:
    text = PAGE.read_text()
    rows = {m[1]: m[0] for m in re.finditer(r"(?m)^\| `([a-z_.]+)` \|.*$", text)}
    known = {key.name: key for key in (*SCHEMA, *(k._replace(name=f"registry.{k.name}") for k in REGISTRY_KEYS))}
    assert set(rows) == set(known)
    for name, key in known.items():
        assert f"`{written(key)}`" in rows[name], f"{name}: the page's row must show the default {written(key)}"
        assert key.doc in rows[name], f"{name}: the page's row must hold the schema's line"
        for choice in key.choices:
            assert choice in text


def test_the_page_names_the_environment_and_the_tables() -> None:
    text = PAGE.read_text()
    for word in ("CONMAN_STORAGE_DRIVER", '[machine."', '[registry."', "[plugin.", "[transports]", config.SYSTEM_FILE):
        assert word in text, word
