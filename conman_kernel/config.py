"""Configuration: flags, environment, the user's file, the host's file, built-in defaults; the first that speaks wins.

Every value remembers its origin. In each file, ``[machine."glob"]`` tables whose glob matches the host name are
merged over it in file order. An unknown key is an error that names file, key and nearest match.
As root, a file is refused unless it and every folder above belong to root and nobody else may write them (a
sticky folder such as /tmp passes: nobody can replace root's file in it).
"""

from __future__ import annotations

import os
from typing import Mapping, cast

from .config_schema import REGISTRY_KEYS, SCHEMA, TRANSPORTS, Key, Value
from .errors import ConfigError
from .record import Record
from .slots.provider import RegistrySettings
from .trust import check_trust

SYSTEM_FILE = "/etc/conman/conman.toml"
"""The host's configuration file."""


class ConfigValue(Record):
    """One value and who set it: ``built in``, a file's path, ``environment NAME`` or ``command line``."""

    key: str
    value: Value
    origin: str


class Config:
    """The merged configuration of one :class:`~conman_kernel.Conman`. It does not change once it was read."""

    __slots__ = ("_registry_origins", "_values", "explicit_file", "files", "plugin_options", "registries", "transports")

    def __init__(self, values: dict[str, ConfigValue], transports: dict[str, ConfigValue],
                 registries: dict[str, RegistrySettings], plugin_options: dict[str, dict[str, ConfigValue]],
                 files: tuple[str, ...]) -> None:
        self._values = values
        self.transports = transports
        self.registries = registries
        self.plugin_options = plugin_options
        self.files = files
        self.explicit_file = ""
        self._registry_origins: dict[str, str] = {}

    def entry(self, key: str) -> ConfigValue:
        """The value of one key, such as ``storage.driver``, with its origin.

        :raises KeyError: there is no such key; ``docs/configuration.md`` lists them.
        """
        return self._values[key]

    def text(self, key: str) -> str:
        """A text value."""
        return cast("str", self._values[key].value)

    def number(self, key: str) -> int:
        """A whole number."""
        return cast("int", self._values[key].value)

    def switch(self, key: str) -> bool:
        """A switch."""
        return cast("bool", self._values[key].value)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts."""
        return cast("tuple[str, ...]", self._values[key].value)

    def show(self) -> tuple[ConfigValue, ...]:
        """Every value in force, schema order first, then transports and plugin options."""
        rows = [self._values[key.name] for key in SCHEMA]
        rows += [self.transports[scheme] for scheme in sorted(self.transports)]
        for host in sorted(self.registries):
            settings = self.registries[host]
            for field, value in zip(settings._fields, settings):
                name = f'registry."{host}".{field}'
                rows.append(ConfigValue(name, "auto" if value is None else value, self._registry_origins.get(name, "built in")))
        for name in sorted(self.plugin_options):
            rows += [self.plugin_options[name][key] for key in sorted(self.plugin_options[name])]
        return tuple(rows)


def user_file(environ: Mapping[str, str]) -> str:
    """Where the user's own file lies (XDG base directory specification)."""
    base = environ.get("XDG_CONFIG_HOME") or os.path.join(environ.get("HOME") or "/root", ".config")
    return os.path.join(base, "conman", "conman.toml")


def load(*, file: str | None = None, overrides: Mapping[str, object] | None = None,
         environ: Mapping[str, str] | None = None, hostname: str | None = None) -> Config:
    """Read and merge the configuration.

    :param file: read this file only, instead of the user's and the host's; it must exist.
    :param overrides: values of the command line, by dotted key.
    :param environ: environment variables; the process's own where None.
    :param hostname: what ``[machine]`` globs are matched with; the host's own name where None.
    :raises ConfigError: a file that cannot be read or trusted, an unknown key, a value of the wrong type.
    """
    environ = os.environ if environ is None else environ
    file = file or environ.get("CONMAN_CONFIG") or None
    values = {key.name: ConfigValue(key.name, key.default, "built in") for key in SCHEMA}
    transports = {s: ConfigValue(f"transports.{s}", plugin, "built in") for s, plugin in TRANSPORTS}
    config = Config(values, transports, {}, {}, ())
    files = [file] if file else [f for f in (SYSTEM_FILE, user_file(environ)) if os.path.exists(f)]
    for path in files:
        _merge_file(config, path, hostname)
    config.files = tuple(files)
    config.explicit_file = os.path.abspath(file) if file else ""
    for key in SCHEMA:
        text = environ.get(key.environment)
        if text is not None:
            origin = f"environment {key.environment}"
            values[key.name] = ConfigValue(key.name, _checked(key, _from_text(key, text, origin), origin), origin)
    for name, value in (overrides or {}).items():
        key = _key(name, "command line")
        values[name] = ConfigValue(name, _checked(key, value, "command line"), "command line")
    for name in ("root", "run_root"):
        values[name] = _folder(values[name])
    return config


def _folder(entry: ConfigValue) -> ConfigValue:
    """Made absolute where a person typed it; a file means the same folder wherever it is read from."""
    value = cast("str", entry.value)
    if not value:
        raise ConfigError(f"{entry.origin}: {entry.key} must not be empty")
    if "\0" in value:
        raise ConfigError(f"{entry.origin}: {entry.key} must not hold a NUL")
    if not os.path.isabs(value) and entry.origin != "command line" and not entry.origin.startswith("environment "):
        raise ConfigError(f"{entry.origin}: {entry.key} must be an absolute path, not {value!r}")
    return entry._replace(value=os.path.abspath(value))


def _from_text(key: Key, text: str, origin: str) -> object:
    if isinstance(key.default, bool):
        switch = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(text.lower())
        if switch is None:
            raise ConfigError(f"{origin}: {key.name} must be true or false, not {text!r}")
        return switch
    if isinstance(key.default, int):
        try:
            return int(text)
        except ValueError:
            raise ConfigError(f"{origin}: {key.name} must be a whole number, not {text!r}") from None
    if isinstance(key.default, tuple):
        return [part for part in (p.strip() for p in text.split(",")) if part]
    return text


_TYPES: Mapping[type, str] = {str: "a string", bool: "true or false", int: "a whole number", float: "a number",
                              tuple: "a list of strings"}


def _checked(key: Key, value: object, origin: str) -> Value:
    if isinstance(value, list):
        value = tuple(value)
    kind = type(key.default)
    good = isinstance(value, kind) and (isinstance(value, bool) == (kind is bool))
    if good and isinstance(value, tuple):
        good = all(isinstance(item, str) for item in value)
    if not good:
        raise ConfigError(f"{origin}: {key.name} must be {_TYPES[kind]}, not {value!r}")
    if key.choices and value not in key.choices:
        raise ConfigError(f"{origin}: {key.name} must be one of {', '.join(key.choices)}, not {value!r}")
    if type(value) is int and value < key.least:
        raise ConfigError(f"{origin}: {key.name} must be at least {key.least}, not {value}")
    return cast("Value", value)


def _key(name: str, origin: str) -> Key:
    for key in SCHEMA:
        if key.name == name:
            return key
    raise unknown_key(name, [k.name for k in SCHEMA], origin)


def unknown_key(name: str, known: list[str], origin: str) -> ConfigError:
    """The error for a key that nobody knows, with the nearest one that exists."""
    import difflib

    near = difflib.get_close_matches(name, known, 1, 0.6) or \
        [k for k in known if k.rpartition(".")[2] == name.rpartition(".")[2]][:1]
    return ConfigError(f"{origin}: unknown key {name}", hint=f"did you mean {near[0]}?" if near else "see docs/configuration.md")


def _merge_file(config: Config, path: str, hostname: str | None) -> None:
    import tomli

    try:
        check_trust(path)
        with open(path, "rb") as stream:
            document: dict[str, object] = tomli.load(stream)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomli.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    machines = document.pop("machine", {})
    _merge_table(config, document, path)
    if not isinstance(machines, dict):
        raise ConfigError(f'{path}: machine must be tables [machine."glob"]')
    for glob, table in machines.items():
        import fnmatch

        if not isinstance(table, dict):
            raise ConfigError(f'{path}: machine."{glob}" must be a table')
        if fnmatch.fnmatchcase(os.uname().nodename if hostname is None else hostname, glob):
            _merge_table(config, table, f'{path} [machine."{glob}"]')
        else:
            _merge_table(Config({}, {}, {}, {}, ()), table, f'{path} [machine."{glob}"]')


def _merge_table(config: Config, table: Mapping[str, object], origin: str) -> None:
    sections = {key.name.partition(".")[0] for key in SCHEMA if "." in key.name}
    for name, value in table.items():
        if name == "transports":
            for scheme, plugin in _table(value, name, origin).items():
                key = Key(f"transports.{scheme}", "", "")
                config.transports[scheme] = ConfigValue(key.name, _checked(key, plugin, origin), origin)
        elif name == "registry":
            for host, keys in _table(value, name, origin).items():
                _merge_registry(config, host, _table(keys, f'registry."{host}"', origin), origin)
        elif name == "plugin":
            for plugin, keys in _table(value, name, origin).items():
                _merge_plugin(config, plugin, _table(keys, f"plugin.{plugin}", origin), origin)
        elif name in sections:
            for inner, item in _table(value, name, origin).items():
                _set(config, f"{name}.{inner}", item, origin)
        else:
            _set(config, name, value, origin)


def _set(config: Config, name: str, value: object, origin: str) -> None:
    config._values[name] = ConfigValue(name, _checked(_key(name, origin), value, origin), origin)


def _table(value: object, name: str, origin: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ConfigError(f"{origin}: {name} must be a table")
    return cast("dict[str, object]", value)


def _merge_registry(config: Config, host: str, table: Mapping[str, object], origin: str) -> None:
    known = {key.name: key for key in REGISTRY_KEYS}
    settings = config.registries.get(host, RegistrySettings())
    for name, value in table.items():
        full = f'registry."{host}".{name}'
        if name not in known:
            raise unknown_key(full, [f'registry."{host}".{k}' for k in known], origin)
        settings = settings._replace(**{name: _checked(known[name]._replace(name=full), value, origin)})  # type: ignore[arg-type]
        config._registry_origins[full] = origin
    config.registries[host] = settings


def _merge_plugin(config: Config, plugin: str, table: Mapping[str, object], origin: str) -> None:
    options = config.plugin_options.setdefault(plugin, {})
    for name, value in table.items():
        full = f"plugin.{plugin}.{name}"
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            value = tuple(value)
        if not isinstance(value, (str, int, float, bool, tuple)):
            raise ConfigError(f"{origin}: {full} must be a string, number, true or false, or a list of strings")
        options[name] = ConfigValue(full, cast("Value", value), origin)
