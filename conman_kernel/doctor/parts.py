"""The kernel's own checks of what conman is made of: plugins, distributions, the shim, optional packages, configuration files."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Iterator, Mapping

from .._version import VERSION
from ..cancel import Cancel
from ..errors import ConmanError
from ..record import Record
from ..slots import RUNTIME, STORAGE, Slot
from ..slots.doctor import Check, Finding
from ..slots.provider import PluginContext

if TYPE_CHECKING:
    from ..plugins import Plugins
    from ..store.index import Index
    from .examine import Subject


class Wanted(Record):
    """A plugin that the configuration selects, or that the store needs.

    :param needed: why: ``the configuration selects it``, or whose container or image needs it.
    :param source: as :class:`~.report.Examined` has it.
    """

    slot: Slot[object]
    name: str
    needed: str
    selected: bool
    source: str


class Offered(Record):
    """What a plugin contributes, and the context to run it in."""

    context: PluginContext[Mapping[str, object]]
    checks: tuple[Check, ...]


def needed_by(index: Index) -> dict[tuple[str, str], list[str]]:
    """Per slot's group and plugin: the containers and images that were made with it, named for a person."""
    found: dict[tuple[str, str], list[str]] = {}
    with index.read() as db:
        for name, storage, runtime in db.execute("SELECT name, storage, runtime FROM containers ORDER BY num"):
            found.setdefault((STORAGE.group, storage), []).append(f"container {name}")
            found.setdefault((RUNTIME.group, runtime), []).append(f"container {name}")
        for driver, image, name in db.execute(
                "SELECT DISTINCT l.driver, i.image_id, (SELECT min(name) FROM image_names n WHERE n.image_id = i.image_id) "
                "FROM layers l JOIN image_layers i ON i.chain_id = l.chain_id ORDER BY 3"):
            found.setdefault((STORAGE.group, driver), []).append(f"image {name or image[:12]}")
    return found


def wanted(subject: Subject) -> tuple[Wanted, ...]:
    """Every plugin to be looked at, the selected ones first."""
    shipped = {(info.slot, info.name): f"{info.name} ({info.distribution} {info.version})" for info in subject.plugins.list()}
    try:
        recorded = needed_by(subject.index)
    except ConmanError:
        recorded = {}  # the check of the index tells it
    chosen = {(slot.group, name): slot for slot, name in subject.plugins.selected()}
    found = [Wanted(slot, name, "the configuration selects it", True, shipped.get((group, name), name))
             for (group, name), slot in chosen.items()]
    for (group, name), users in sorted(recorded.items()):
        if (group, name) not in chosen:
            slot: Slot[object] = STORAGE if group == STORAGE.group else RUNTIME
            found.append(Wanted(slot, name, f"needed by {told(users)}", False, shipped.get((group, name), name)))
    return tuple(found)


def absent(plugins: Plugins, index: Index) -> tuple[tuple[str, str, str], ...]:
    """Slot's group, name and users of each plugin that containers or images need and that is not installed; from metadata
    alone."""
    installed = {(info.slot, info.name) for info in plugins.list()}
    return tuple((*key, told(users)) for key, users in sorted(needed_by(index).items()) if key not in installed)


def told(users: list[str]) -> str:
    """At most eight names."""
    return ", ".join(users[:8]) + (f" and {len(users) - 8} more" if len(users) > 8 else "")


def load(subject: Subject, plugin: Wanted) -> tuple[list[Finding], Offered]:
    """Load a plugin, ask whether it works here, and what it contributes.

    :raises ConmanError: it is not installed, or fails.
    """
    try:
        context, checks = subject.plugins.checks(plugin.slot, plugin.name)
        report = subject.plugins.inspect(plugin.name)
    except ConmanError as error:
        error.message = f"{error.message} ({plugin.needed})"
        raise
    found: list[Finding] = []
    if not report.available:
        found.append(Finding("error", plugin.name, f"it cannot work on this host: {report.reason} ({plugin.needed})",
                             report.hint))
    return found, Offered(context, checks)


def runtime(subject: Subject, cancel: Cancel) -> Iterator[Finding]:
    """The selected runtime's own words about itself."""
    name = subject.config.text("runtime.name")
    try:
        program = subject.plugins.get(RUNTIME, name)
    except ConmanError:
        return  # the plugin's own check tells it
    features = program.features(cancel)
    yield Finding("note", name, f"{program.binary}: {features.version}, runtime-spec {features.oci_version}")
    if not features.seccomp:
        yield Finding("warning", name, f"{program.binary} was built without seccomp: containers run without that protection",
                      "install one that has it")


def shim(subject: Subject, cancel: Cancel) -> Iterator[Finding]:
    """The program beside each container can be started, and speaks the kernel's version of the protocol."""
    from ..containers.shim import VERSION as SPOKEN

    command = subject.config.texts("shim.command")
    if command:
        if not os.path.isabs(command[0]) or not os.access(command[0], os.X_OK):
            yield Finding("error", "shim.command", f"{command[0]} is no absolute path of a program: no container can be started",
                          f"correct shim.command ({subject.config.entry('shim.command').origin})")
        return
    if not os.access(sys.executable or "", os.X_OK):
        yield Finding("error", "shim", f"its interpreter {sys.executable or '(unknown)'} cannot be run: no container can be "
                      f"started",
                      "install conman for an interpreter that is there")
    try:
        from importlib import import_module

        version = int(vars(import_module("conman_shim.config"))["VERSION"])
    except ImportError:
        yield Finding("error", "shim", "conman-shim is not installed: no container can be started", "pip install conman-shim")
        return
    if version != SPOKEN:
        yield Finding("error", "shim", f"it speaks version {version} of the protocol, this conman {SPOKEN}: no container can "
                      f"be started",
                      "pip install --upgrade conman conman-shim")


def distributions(subject: Subject, cancel: Cancel) -> Iterator[Finding]:
    """All of the stock distributions should be of one release."""
    from importlib import metadata

    versions = {info.distribution: info.version for info in subject.plugins.list() if info.distribution.startswith("conman-")}
    for name in ("conman-shim",):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue  # the check of the shim tells it
    for name, version in sorted(versions.items()):
        if version.split(".")[:2] != VERSION.split(".")[:2] and name in _stock():
            yield Finding("warning", name, f"it is of version {version}, conman itself of {VERSION}: they were not tested "
                          f"together",
                          f"pip install --upgrade conman {name}")


def _stock() -> frozenset[str]:
    """The distributions that conman's own metadata names."""
    from importlib import metadata

    try:
        lines = metadata.requires("conman") or []
    except metadata.PackageNotFoundError:
        return frozenset()  # a checkout on sys.path
    names = ("".join(c if c.isalnum() or c in "-_." else " " for c in line).split()[0] for line in lines)
    return frozenset(name for name in names if name.startswith("conman-"))


def optional(subject: Subject, cancel: Cancel) -> Iterator[Finding]:
    """Packages that make it faster, or read more."""
    from importlib.util import find_spec

    if find_spec("isal") is None:
        yield Finding("note", "isal", "it is not installed: layers are inflated by zlib, at less than half the speed", "pip "
                      "install isal")
    if sys.version_info < (3, 14) and not _has("backports.zstd"):
        yield Finding("note", "zstd", "backports.zstd is not installed: images with zstd layers cannot be pulled",
                      "pip install backports.zstd")


def _has(name: str) -> bool:
    from importlib.util import find_spec

    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False  # not even the package above it


def configuration(subject: Subject, cancel: Cancel) -> Iterator[Finding]:
    """Tables of plugins that are not installed; those that are check their own options when they are loaded."""
    installed = {info.name for info in subject.plugins.list()}
    for name, options in sorted(subject.config.plugin_options.items()):
        if name not in installed:
            origin = next((value.origin for value in options.values()), "the configuration")
            yield Finding("warning", f"plugin.{name}", f"{origin} has options for it, and no such plugin is installed",
                          f"pip install conman-{name}, or take the table out")


CHECKS = (("configuration", configuration), ("runtime", runtime), ("shim", shim), ("distributions", distributions),
          ("optional packages", optional))
"""In the order in which they are told."""
