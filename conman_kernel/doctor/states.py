"""Plugins looked at one by one: does each that may be loaded work here, and what does it offer. Changes nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Iterator, Mapping

from ..cancel import Cancel
from ..errors import ConmanError, PluginNotInstalled, Unavailable
from ..plugins import PluginInfo, PluginReport, PluginState, PluginView
from ..slots import ATTACH, NETWORK, RUNTIME, SLOTS, STORAGE, TRANSPORT, Slot
from .parts import needed_by

if TYPE_CHECKING:
    from .examine import Subject

STOCK = frozenset(("registry-pull", "oci-archive", "docker-archive", "dir-transport", "overlay-storage", "vfs-storage",
                   "btrfs-storage", "runc-runtime", "crun-runtime", "pty-attach", "record-attach", "cni-network", "events-jsonl",
                   "cdi-devices"))
"""Names of plugins that come with conman."""

_OPTIONAL: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "conman.transport": {"WritableTransport": ("write",), "ListingTransport": ("images",),
                         "RegistryTransport": ("login", "logout", "account", "tags", "repositories")},
    "conman.storage": {"TidyDriver": ("leftovers", "clear")},
}


def states(subject: Subject) -> tuple[PluginState, ...]:
    """Every plugin that is installed, or asked for and is not. Those that may be loaded are: the stock ones, those that the
    configuration (or the command line) names, those that containers and images were made with."""
    recorded = needed_by(subject.index)
    selected = {(slot.group, name) for slot, name in subject.plugins.selected()}
    named = set(subject.config.plugin_options)
    found: list[PluginState] = []
    listed = subject.plugins.list()
    for info in listed:
        key = (info.slot, info.name)
        slot = next((slot for slot in SLOTS if slot.group == info.slot), None)
        needed = tuple(recorded.get(key, ()))
        if slot is None:
            continue  # of a group that is no slot: events, commands
        if key in selected or needed or info.name in STOCK or info.name in named:
            found.append(_state(subject, slot, info, needed))
        else:
            found.append(PluginState(info, "not checked", "nothing asks for it, so it is not loaded",
                                     f"conman plugin inspect {info.name}", needed))
    for group, name in sorted({*selected, *recorded} - {(info.slot, info.name) for info in listed}):
        info = PluginInfo(group, name, "", "", (group, name) in selected)
        slot = next(slot for slot in SLOTS if slot.group == group)
        found.append(_state(subject, slot, info, tuple(recorded.get((group, name), ()))))
    return tuple(found)


def view(subject: Subject, name: str) -> tuple[PluginView, ...]:
    """One plugin (in each slot that it serves), loaded, and opened where it works.

    :raises ConmanError: it is not installed, or fails.
    """
    reports = subject.plugins.inspect_all(name)
    return tuple(_view(subject, report) for report in reports)


def _view(subject: Subject, report: PluginReport) -> PluginView:
    slot = next(slot for slot in SLOTS if slot.group == report.info.slot)
    if not report.available:
        return PluginView(report, {}, ())
    plugin = subject.plugins.get(slot, report.info.name)
    offers = tuple(protocol for protocol, members in _OPTIONAL.get(slot.group, {}).items()
                   if all(hasattr(plugin, member) for member in members))
    return PluginView(report, dict(_features(subject, slot, report.info.name)), offers)


def _features(subject: Subject, slot: Slot[object], name: str) -> Iterator[tuple[str, object]]:
    if slot.group == STORAGE.group:
        driver = subject.plugins.get(STORAGE, name)
        yield "Whiteouts", driver.whiteouts.value
        yield "IndependentLayers", driver.independent_layers
    elif slot.group == ATTACH.group:
        yield "Direct", subject.plugins.get(ATTACH, name).direct
    elif slot.group == NETWORK.group:
        yield "Drivers", list(subject.plugins.get(NETWORK, name).drivers)
    elif slot.group == RUNTIME.group:
        runtime = subject.plugins.get(RUNTIME, name)
        yield "Binary", runtime.binary
        try:
            features = runtime.features(Cancel(10))
        except Unavailable as error:
            yield "Error", error.message
            return
        for field, value in features._asdict().items():
            yield "".join(word.capitalize() for word in field.split("_")), value
    elif slot.group == TRANSPORT.group:
        yield "Schemes", sorted(s for s, value in subject.config.transports.items() if value.value == name)


def _state(subject: Subject, slot: Slot[object], info: PluginInfo, needed: tuple[str, ...]) -> PluginState:
    before = _descriptors()
    try:
        report = subject.plugins.report(slot, info.name)
    except PluginNotInstalled as error:
        return PluginState(info, "not installed", error.message, error.hint, needed)
    except ConmanError as error:
        return PluginState(info, "failed", error.message, error.hint, needed)
    if not report.available:
        return PluginState(info, "unavailable", report.reason, report.hint, needed)
    leaked = sorted(path for fd, path in _descriptors().items() if fd not in before)
    reason = f"leaves {len(leaked)} descriptors open after its probe: {' '.join(leaked[:4])}" if leaked else ""
    return PluginState(info, "available", reason, "this is a defect of the plugin" if leaked else "", needed)


def _descriptors() -> dict[int, str]:
    """The open descriptors of this process, and what they are."""
    found: dict[int, str] = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue  # the one that the folder was listed by
    return found
