"""The options that every verb has. They may stand before the verb or after it, as with podman."""

from __future__ import annotations

from .declare import FLAG, Option, Verb
from .values import Values

OPTIONS: tuple[Option, ...] = (
    Option("--root", "Folder of what lasts: images, layers, containers, logs", metavar="FOLDER"),
    Option("--run-root", "Folder of what a reboot clears: mounts, sockets, bundles", metavar="FOLDER",
           aliases=("--runroot",)),
    Option("--config", "Read this configuration file only", metavar="FILE"),
    Option("--storage-driver", "Storage plugin for new layers and containers, such as vfs-storage", metavar="PLUGIN"),
    Option("--attach-plugin", "Attach plugin that joins you to a container this time, such as record-attach", metavar="PLUGIN"),
    Option("--runtime", "Runtime plugin for new containers, such as crun-runtime", metavar="PLUGIN"),
    Option("--log-level", "How much conman says about itself: debug, info, warning, error", metavar="LEVEL",
           choices=("debug", "info", "warning", "warn", "error")),
)

GLOBAL = Verb(
    "conman", "Manage containers and images, without a daemon", run=lambda context, values: 125,
    options=(*OPTIONS, Option("--version", "Print the version", FLAG, short="-v")), interspersed=False)
"""The command line before the verb, as the parser sees it."""

_KEYS: tuple[tuple[str, str], ...] = (
    ("storage-driver", "storage.driver"),
    ("runtime", "runtime.name"),
    ("attach-plugin", "attach.name"),
    ("log-level", "log_level"),
)


def overrides(values: Values) -> dict[str, object]:
    """The configuration that global options set, by dotted key."""
    found: dict[str, object] = {key: values.text(name) for name, key in _KEYS if values.given(name)}
    if found.get("log_level") == "warn":
        found["log_level"] = "warning"
    if values.given("storage-driver"):
        found["storage.driver"] = storage_driver(values.text("storage-driver"))
    if values.text("runtime") in ("runc", "crun"):
        found["runtime.name"] = values.text("runtime") + "-runtime"  # podman's names for the same things
    return found


def storage_driver(name: str) -> str:
    """The plugin that a person means who knows podman's names of storage drivers."""
    return f"{name}-storage" if name in ("overlay", "vfs", "btrfs") else name


def with_globals(verb: Verb) -> Verb:
    """The verb, taking the global options too; they stay out of its help."""
    return verb._replace(options=verb.options + tuple(option._replace(hidden=True) for option in OPTIONS))


def merged(before: Values, after: Values) -> Values:
    """The global options in force: those after the verb win over those before it."""
    given = {option.key: values.value(option.key) for values in (before, after) for option in OPTIONS
             if values.given(option.key)}
    return Values(given, {option.key: None for option in OPTIONS}, ())
