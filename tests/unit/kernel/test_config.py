"""Configuration: who wins, what is refused, and where every value came from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable

import pytest

from conman_kernel import config
from conman_kernel.config import Config, load
from conman_kernel.config_schema import REGISTRY_KEYS, SCHEMA, TRANSPORTS, Key
from conman_kernel.errors import ConfigError
from conman_kernel.slots.provider import RegistrySettings

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file that root may trust; returns its path."""

    def written(text: str, name: str = "conman.toml") -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        path.chmod(0o600)
        return str(path)

    return written


def read(file: str, **more: object) -> Config:
    return load(file=file, environ={}, **more)  # type: ignore[arg-type]


def refused(file: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read(file, hostname="here")
    assert caught.value.exit_code == 125 and "\n" not in caught.value.message
    return caught.value


def test_nothing_set_gives_the_built_in_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "SYSTEM_FILE", str(tmp_path / "none"))
    found = load(environ={"HOME": str(tmp_path)})
    assert found.files == () and found.explicit_file == ""
    for key in SCHEMA:
        assert found.entry(key.name) == (key.name, key.default, "built in")
    assert [row.key for row in found.show()][:len(SCHEMA)] == [key.name for key in SCHEMA]


def test_precedence_layer_by_layer(tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    key, name = "storage.driver", "CONMAN_STORAGE_DRIVER"
    system = write('storage.driver = "from-etc"\n', "etc/conman.toml")
    monkeypatch.setattr(config, "SYSTEM_FILE", system)
    home: dict[str, str] = {"HOME": str(tmp_path / "home")}
    assert load(environ=home).entry(key) == (key, "from-etc", system)
    user = write('[storage]\ndriver = "from-user"\n', "home/.config/conman/conman.toml")
    both = load(environ=home)
    assert both.entry(key) == (key, "from-user", user) and both.files == (system, user)
    environment = {**home, name: "from-environment"}
    assert load(environ=environment).entry(key) == (key, "from-environment", f"environment {name}")
    flag = load(environ=environment, overrides={key: "from-flag"})
    assert flag.entry(key) == (key, "from-flag", "command line")
    assert flag.text(key) == "from-flag"


def test_the_users_file_leaves_what_it_does_not_say(tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "SYSTEM_FILE", write("keep_blobs = false\nlog_level = 'info'\n", "etc.toml"))
    write("log_level = 'debug'\n", "xdg/conman/conman.toml")
    found = load(environ={"XDG_CONFIG_HOME": str(tmp_path / "xdg"), "HOME": "/nonexistent"})
    assert (found.switch("keep_blobs"), found.text("log_level")) == (False, "debug")


def test_an_explicit_file_is_the_only_one(tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "SYSTEM_FILE", write("keep_blobs = false\n", "etc.toml"))
    own = write("log_level = 'debug'\n", "own.toml")
    for found in (load(file=own, environ={}), load(environ={"CONMAN_CONFIG": own}),
                  load(file=own, environ={"CONMAN_CONFIG": "/nonexistent"})):
        assert found.switch("keep_blobs") and found.files == (own,) and found.explicit_file == own


def test_an_explicit_file_must_exist(tmp_path: Path) -> None:
    error = refused(str(tmp_path / "missing.toml"))
    assert error.message == f"{tmp_path}/missing.toml: cannot be read: No such file or directory"
    assert "Is a directory" in refused(str(tmp_path)).message


def test_machine_tables_merge_in_file_order(write: Write) -> None:
    file = write('[machine."web-*"]\nlog_level = "info"\npull.parallel = 5\n[machine."*-7"]\nlog_level = "debug"\n'
                 '[machine."db-*"]\nlog_level = "error"\n[storage]\ndriver = "vfs-storage"\n')
    found = read(file, hostname="web-7")
    assert found.entry("log_level") == ("log_level", "debug", f'{file} [machine."*-7"]')
    assert found.entry("pull.parallel") == ("pull.parallel", 5, f'{file} [machine."web-*"]')
    assert found.entry("storage.driver").origin == file
    assert read(file, hostname="db-1").text("log_level") == "error"
    assert read(file, hostname="other").entry("log_level").origin == "built in"


def test_machine_tables_win_over_their_own_file_only(tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "SYSTEM_FILE", write('[machine."*"]\nlog_level = "error"\nkeep_blobs = false\n', "etc.toml"))
    write('log_level = "info"\n', "conman/conman.toml")
    found = load(environ={"XDG_CONFIG_HOME": str(tmp_path)}, hostname="any")
    assert (found.text("log_level"), found.switch("keep_blobs")) == ("info", False)


def test_the_hosts_own_name_is_the_default(write: Write) -> None:
    file = write(f'[machine."{os.uname().nodename}"]\nkeep_blobs = false\n[machine."not-{os.uname().nodename}"]\nkeep_blobs = true\n')
    assert not read(file).switch("keep_blobs")


@pytest.mark.parametrize("hostname", ["match", "no-match"])
def test_machine_tables_are_checked_even_where_they_do_not_hold(write: Write, hostname: str) -> None:
    file = write('[machine."match"]\nlog_levle = "info"\n')
    with pytest.raises(ConfigError, match="unknown key log_levle") as caught:
        read(file, hostname=hostname)
    assert file in caught.value.message and '[machine."match"]' in caught.value.message
    assert caught.value.hint == "did you mean log_level?"


@pytest.mark.parametrize(("text", "words"), [("machine = 3\n", "machine must be tables"), ('[machine]\n"x" = 3\n', 'machine."x" must be a table'),
                                             ('[machine."here"]\nmachine = 1\n', "unknown key machine")])
def test_bad_machine_tables(write: Write, text: str, words: str) -> None:
    assert words in refused(write(text)).message


def test_registry_tables(write: Write) -> None:
    file = write('[registry."a.example:5000"]\ninsecure = true\nmirrors = ["m1", "m2/x"]\n'
                 '[machine."here"]\nregistry."a.example:5000".ca = "/ca.pem"\n')
    found = read(file, hostname="here")
    assert found.registries == {"a.example:5000": RegistrySettings(True, "/ca.pem", ("m1", "m2/x"))}
    origins = {row.key: (row.value, row.origin) for row in found.show() if row.key.startswith("registry.")}
    assert origins == {'registry."a.example:5000".insecure': (True, file),
                       'registry."a.example:5000".ca': ("/ca.pem", f'{file} [machine."here"]'),
                       'registry."a.example:5000".cert': ("", "built in"),
                       'registry."a.example:5000".key': ("", "built in"),
                       'registry."a.example:5000".mirrors': (("m1", "m2/x"), file)}


def test_a_registry_key_that_is_not_set_is_built_in(write: Write) -> None:
    rows = {row.key: row for row in read(write('[registry."h"]\nca = "x"\n')).show()}
    assert rows['registry."h".insecure'][1:] == ("auto", "built in")


def test_registry_errors_name_file_key_and_nearest(write: Write) -> None:
    file = write('[registry."h"]\ninsecur = true\n')
    error = refused(file)
    assert error.message == f'{file}: unknown key registry."h".insecur'
    assert error.hint == 'did you mean registry."h".insecure?'
    assert 'registry."h".insecure must be true or false, not 1' in refused(write('[registry."h"]\ninsecure = 1\n')).message
    assert "must be a table" in refused(write("registry = 1\n")).message


def test_transports(write: Write) -> None:
    file = write('[transports]\ndocker = "my-pull"\ns3 = "s3-pull"\n')
    found = read(file)
    assert {s: v.value for s, v in found.transports.items()} == {**dict(TRANSPORTS), "docker": "my-pull", "s3": "s3-pull"}
    rows = {row.key: row.origin for row in found.show()}
    assert (rows["transports.docker"], rows["transports.oci"]) == (file, "built in")
    assert "transports.docker must be a string" in refused(write("[transports]\ndocker = 1\n")).message


def test_plugin_tables_are_kept_for_their_plugin(write: Write) -> None:
    file = write('[plugin.vfs-storage]\nsync = false\n[plugin.x]\nlist = ["a"]\nnumber = 1.5\n')
    found = read(file).plugin_options
    assert found["vfs-storage"]["sync"] == ("plugin.vfs-storage.sync", False, file)
    assert {name: row.value for name, row in found["x"].items()} == {"list": ("a",), "number": 1.5}
    assert "plugin.x.d must be a string" in refused(write("[plugin.x]\nd = 2020-01-01\n")).message
    assert "plugin.x.t must be" in refused(write("[plugin.x]\nt = [1]\n")).message
    assert "plugin.x must be a table" in refused(write("plugin.x = 1\n")).message


@pytest.mark.parametrize(("text", "key", "near"), [
    ("log_levle = 'info'\n", "log_levle", "did you mean log_level?"),
    ("[storage]\ndrvier = 'x'\n", "storage.drvier", "did you mean storage.driver?"),
    ("driver = 'x'\n", "driver", "did you mean storage.driver?"),
    ("[storge]\ndriver = 'x'\n", "storge", "did you mean storage.driver?"),
    ("zzzzzz = 1\n", "zzzzzz", "see docs/configuration.md"),
])
def test_an_unknown_key_names_file_key_and_nearest(write: Write, text: str, key: str, near: str) -> None:
    file = write(text)
    error = refused(file)
    assert (error.message, error.hint) == (f"{file}: unknown key {key}", near)


def test_an_unknown_override_says_so() -> None:
    with pytest.raises(ConfigError, match="command line: unknown key storage.drivr") as caught:
        load(environ={"HOME": "/nonexistent"}, overrides={"storage.drivr": "x"})
    assert caught.value.hint == "did you mean storage.driver?"


@pytest.mark.parametrize(("text", "words"), [
    ("root = 3\n", "root must be a string, not 3"),
    ("keep_blobs = 1\n", "keep_blobs must be true or false, not 1"),
    ("pull.parallel = true\n", "pull.parallel must be a whole number, not True"),
    ("pull.parallel = 1.5\n", "pull.parallel must be a whole number"),
    ("pull.parallel = 0\n", "pull.parallel must be at least 1, not 0"),
    ("containers.pids_limit = -1\n", "containers.pids_limit must be at least 0, not -1"),
    ("short_names = 'docker.io'\n", "short_names must be a list of strings"),
    ("short_names = ['a', 1]\n", "short_names must be a list of strings"),
    ("log_level = 'loud'\n", "log_level must be one of debug, info, warning, error, not 'loud'"),
    ("storage = 'vfs-storage'\n", "storage must be a table"),
    ("root = ''\n", "root must not be empty"),
    ("run_root = 'run'\n", "run_root must be an absolute path, not 'run'"),
    ("[containers.network]\nx = 1\n", "containers.network must be a string"),
])
def test_a_value_of_the_wrong_kind(write: Write, text: str, words: str) -> None:
    file = write(text)
    message = refused(file).message
    assert message.startswith(f"{file}: ") and words in message


@pytest.mark.parametrize("text", ["root = \n", "[[[\n", "a = 1\na = 2\n"])
def test_bad_toml(write: Write, text: str) -> None:
    file = write(text)
    message = refused(file).message
    assert message.startswith(f"{file}: not valid TOML: ") and "line" in message


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "conman.toml"
    path.write_bytes(b"root = '\xff'\n")
    path.chmod(0o600)
    assert "not valid TOML" in refused(str(path)).message


@pytest.mark.parametrize(("name", "text", "value"), [
    ("CONMAN_KEEP_BLOBS", "no", False), ("CONMAN_KEEP_BLOBS", "True", True), ("CONMAN_KEEP_BLOBS", "0", False),
    ("CONMAN_PULL_PARALLEL", "7", 7), ("CONMAN_SHORT_NAMES", " a.example/x , b ,", ("a.example/x", "b")),
    ("CONMAN_SHORT_NAMES", "", ()), ("CONMAN_CONTAINERS_DETACH_KEYS", "", ""), ("CONMAN_ROOT", "/a/../b", "/b"),
])
def test_values_from_the_environment(name: str, text: str, value: object) -> None:
    found = load(environ={"HOME": "/nonexistent", name: text})
    (row,) = [row for row in found.show() if row.origin != "built in"]
    assert (row.value, row.origin) == (value, f"environment {name}")


@pytest.mark.parametrize(("name", "text", "words"), [
    ("CONMAN_KEEP_BLOBS", "maybe", "keep_blobs must be true or false, not 'maybe'"),
    ("CONMAN_PULL_PARALLEL", "many", "pull.parallel must be a whole number, not 'many'"),
    ("CONMAN_PULL_PARALLEL", "0", "pull.parallel must be at least 1"),
    ("CONMAN_LOG_LEVEL", "loud", "log_level must be one of"),
    ("CONMAN_ROOT", "", "root must not be empty"),
])
def test_bad_values_from_the_environment(name: str, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(environ={"HOME": "/nonexistent", name: text})
    assert caught.value.message.startswith(f"environment {name}: ") and words in caught.value.message


def test_folders_of_the_command_line_are_made_absolute() -> None:
    found = load(environ={"HOME": "/nonexistent", "CONMAN_RUN_ROOT": "run"}, overrides={"root": "some/where"})
    assert found.text("root") == f"{os.getcwd()}/some/where" and found.text("run_root") == f"{os.getcwd()}/run"


def test_overrides_are_checked_like_files() -> None:
    with pytest.raises(ConfigError, match="command line: registries.tls_verify must be true or false, not 'no'"):
        load(environ={"HOME": "/nonexistent"}, overrides={"registries.tls_verify": "no"})
    found = load(environ={"HOME": "/nonexistent"}, overrides={"short_names": ["a", "b"]})
    assert found.texts("short_names") == ("a", "b")


@pytest.mark.parametrize("key", [*SCHEMA, *REGISTRY_KEYS], ids=lambda key: key.name)
def test_every_key_is_sane(key: Key) -> None:
    assert isinstance(key.default, (str, bool, int, tuple))
    assert key.doc.endswith(".") and 20 <= len(key.doc) <= 130 and "\n" not in key.doc
    assert not key.choices or key.default in key.choices
    assert not isinstance(key.default, tuple) or all(isinstance(item, str) for item in key.default)


def test_names_are_unique_also_in_the_environment() -> None:
    assert len({key.name for key in SCHEMA}) == len(SCHEMA) == len({key.environment for key in SCHEMA})
    taken = {key.environment for key in SCHEMA}
    assert not taken & {"CONMAN_CONFIG", "CONMAN_TRACE"}


def test_the_defaults_select_plugins_of_this_repository() -> None:
    chosen = {key.default for key in SCHEMA if key.name in ("storage.driver", "runtime.name", "attach.name")}
    folder = Path(__file__).parents[3] / "plugins"
    assert len(chosen) == 3 and chosen | {plugin for _, plugin in TRANSPORTS} <= {path.name for path in folder.iterdir()}
