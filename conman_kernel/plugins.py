"""Plugins: find by name, load on first need, check, probe, open; every failure typed. The only file that calls pluggy."""

from __future__ import annotations

import os
import sys
from _thread import allocate_lock
from typing import TYPE_CHECKING, Iterator, Mapping, TypeVar, cast

from .calls import Calls, Owner
from .config import Config, unknown_key
from .config_schema import Value
from .discovery import Discovery, EntryPoint
from .errors import (
    ConfigError,
    ConmanError,
    PluginApiMismatch,
    PluginConflict,
    PluginNotInstalled,
    PluginUnavailable,
)
from .guard import guard
from .record import Record
from .slots import SLOTS, Slot
from .slots.provider import AS_CONFIGURED, Access, Log, Option, PluginContext, Provider, RegistrySettings, Unavailable
from .store.layout import Layout
from .trace import traced

if TYPE_CHECKING:
    from .slots.doctor import Check

T = TypeVar("T")

_SEVERAL = {"conman.events": "events.sinks", "conman.spec": "spec.editors"}
"""Groups of which several plugins may be selected, and the key that lists them."""


class PluginInfo(Record):
    """One installed plugin, known from metadata alone.

    :param slot: its entry-point group, such as ``conman.storage``.
    :param name: as ``conman.toml`` selects it; ``selected``: that it does.
    :param distribution: what ships it, in ``version``.
    """

    slot: str
    name: str
    distribution: str
    version: str
    selected: bool


class OptionValue(Record):
    """One option of a plugin, the value in force and who set it."""

    option: Option
    value: Value
    origin: str


class PluginReport(Record):
    """One plugin, loaded and probed.

    :param info: what was known before. ``api``: the slot's version it was written for. ``summary``: its own line.
    :param options: its ``[plugin.NAME]`` table, filled with defaults.
    :param available: that it works here; else ``reason`` and ``hint`` say why it does not.
    """

    info: PluginInfo
    api: int
    summary: str
    options: tuple[OptionValue, ...]
    available: bool
    reason: str
    hint: str


class PluginState(Record):
    """One plugin, and whether it works on this host.

    :param info: what metadata says; of one that is not installed the name only.
    :param state: ``available``, ``unavailable`` (its probe says so), ``failed``, ``not installed``, or ``not checked``: nothing
        asks for it, and a plugin is only loaded where something does.
    :param reason: why, in one line; of an available one what is still wrong with it. ``hint``: what to do.
    :param needed: what else than the configuration asks for it: containers and images.
    """

    info: PluginInfo
    state: str
    reason: str
    hint: str
    needed: tuple[str, ...]


class PluginView(Record):
    """A plugin's report, and what it offers where it works: ``features``, JSON-ready; ``protocols`` beyond the slot's own."""

    report: PluginReport
    features: Mapping[str, object]
    protocols: tuple[str, ...]


class Plugins:
    """The plugins of one :class:`~conman_kernel.Conman`. Each is loaded at most once. Thread-safe.

    :param looking: nothing is written: neither what was found to the cache, nor a folder made.
    """

    def __init__(self, config: Config, layout: Layout, log: Log, *, looking: bool = False) -> None:
        self._config = config
        self._layout = layout
        self._log = log
        self._looking = looking
        self._discovery = Discovery(layout, remember=not looking)
        self._open: dict[tuple[str, str, Access], object] = {}
        self._opening = allocate_lock()
        self.calls = Calls()

    def get(self, slot: Slot[T], name: str, *, access: Access = AS_CONFIGURED) -> T:
        """The object that the named plugin offers to a slot, opened on first need.

        :param access: how the caller wants registries approached; one object is kept per manner.
        :raises PluginNotInstalled, PluginConflict, PluginApiMismatch, PluginFailed, PluginUnavailable, ConfigError:
            see :mod:`conman_kernel.errors`; each names slot, plugin and distribution.
        """
        key = (slot.group, name, access)
        if key not in self._open:
            with self._opening:
                if key not in self._open:
                    self._open[key] = self._opened(slot, name, access)
        return cast("T", self._open[key])

    def shipped(self, slot: Slot[T], name: str) -> str:
        """The distribution of a plugin, with its version. Errors as :meth:`get`, of one that is not installed."""
        return _shipped(self._entry(slot, name))

    def list(self) -> tuple[PluginInfo, ...]:
        """Every installed plugin of every slot, from metadata alone; nothing is imported."""
        return tuple(self._info(entry) for entry in self._discovery.entries)

    def inspect(self, name: str) -> PluginReport:
        """Load and probe one plugin, selected or not.

        :raises ConmanError: as :meth:`get`, except that one which is unavailable here is reported, not raised.
        """
        return self.inspect_all(name)[0]

    def inspect_all(self, name: str) -> tuple[PluginReport, ...]:
        """As :meth:`inspect`, for each slot in which there is a plugin of that name: at least one."""
        found = tuple(self.report(slot, name) for slot in SLOTS if self._discovery.find(slot.group, name))
        if not found:
            raise self._not_installed("any slot", name)
        return found

    def selected(self) -> tuple[tuple[Slot[object], str], ...]:
        """What the configuration selects, whether or not it is installed, in the order of the slots."""
        return tuple((slot, name) for slot in SLOTS for name in self._selected(slot))

    def checks(self, slot: Slot[T], name: str) -> tuple[PluginContext[Mapping[str, object]], tuple[Check, ...]]:
        """What a plugin contributes to ``conman doctor``, and the context to run it in.

        :raises ConmanError: as :meth:`get`, but for a probe, which is not asked; its ``conman_doctor`` fails, or does not return
            checks.
        """
        from .slots.doctor import Check

        entry = self._entry(slot, name)
        context = self._context(slot, entry, self._provider(slot, entry))
        owner = self._owner(slot, entry)
        hook: object = getattr(self._import(owner, entry), "conman_doctor", None)
        if not callable(hook):
            return context, ()
        if not hasattr(hook, "conman_impl"):
            raise owner.failure("has a conman_doctor that is not marked with hookimpl")
        answer: object = owner.call("conman_doctor", lambda: tuple(hook()), loading=True)
        assert isinstance(answer, tuple)
        if not all(isinstance(one, Check) for one in answer):
            raise owner.failure("must return checks from conman_doctor, made by conman_kernel.slots.doctor.check")
        return context, answer

    def check_options(self) -> Iterator[ConmanError]:
        """Load every plugin that is selected or has a ``[plugin.NAME]`` table; yield what is wrong with it or its options."""
        wanted = {(slot, name) for slot in SLOTS for name in self._selected(slot)}
        for name in self._config.plugin_options:
            owners = [slot for slot in SLOTS if self._discovery.find(slot.group, name)]
            if not owners:
                yield self._not_installed("any slot", name)
            wanted |= {(slot, name) for slot in owners}
        for slot, name in sorted(wanted, key=lambda pair: (pair[0].group, pair[1])):
            try:
                entry = self._entry(slot, name)
                self._context(slot, entry, self._provider(slot, entry))
            except ConmanError as error:
                yield error

    def close(self) -> None:
        """Close what was opened. May be called twice. One that fails in it is reported, and keeps no other open."""
        opened, self._open = self._open, {}
        for plugin in opened.values():
            close = getattr(plugin, "close", None)
            if close is None:
                continue
            try:
                close()
            except ConmanError as error:
                self._log.warning("%s", error)

    def _opened(self, slot: Slot[T], name: str, access: Access) -> object:
        entry = self._entry(slot, name)
        provider = self._provider(slot, entry)
        context = self._context(slot, entry, provider, access)
        no = self._probe(slot, entry, provider, context)
        if no is not None:
            raise PluginUnavailable(f"{name} ({_shipped(entry)}) cannot work on this host: {no.reason}",
                                    slot=slot.group, plugin=name, distribution=_shipped(entry), hint=no.hint)
        if slot.group == "conman.storage" and not self._looking:
            # Drivers make their folders themselves; the one above is nobody else's to write, whatever the umask.
            self._layout.ensure(os.path.dirname(context.state_dir))
        owner = self._owner(slot, entry)
        made = owner.call("open", lambda: provider.open(context), loading=True)
        missing = owner.call("open", lambda: [member for member in slot.members if not hasattr(made, member)])
        if missing:
            raise owner.failure(f"lacks {', '.join(missing)} of the slot {slot.group}")
        return guard(made, owner)

    def _probe(self, slot: Slot[T], entry: EntryPoint, provider: Provider[T],
               context: PluginContext[Mapping[str, object]]) -> Unavailable | None:
        owner = self._owner(slot, entry)
        no: object = owner.call("probe", lambda: provider.probe(context), loading=True)
        if no is None or (isinstance(no, Unavailable) and all(isinstance(text, str) for text in tuple(no))):
            return no
        raise owner.failure(f"must answer None or Unavailable from probe, not {type(no).__name__}")

    def declared(self, name: str, group: str = "") -> tuple[str, Provider[object], PluginContext[Mapping[str, object]]]:
        """What an installed plugin declares, and what it would be opened with: for those who test it. Nothing is opened.

        :param group: the slot's entry-point group; empty: the first that has a plugin of that name.
        :returns: the group, the provider, the context.
        :raises ConmanError: as :meth:`get`, but for a probe, which is not asked.
        """
        for slot in SLOTS:
            if group in ("", slot.group) and self._discovery.find(slot.group, name):
                entry = self._entry(slot, name)
                provider = self._provider(slot, entry)
                return slot.group, provider, self._context(slot, entry, provider)
        raise self._not_installed(group or "any slot", name)

    def report(self, slot: Slot[T], name: str) -> PluginReport:
        """As :meth:`inspect`, of the plugin of one slot."""
        entry = self._entry(slot, name)
        provider = self._provider(slot, entry)
        context = self._context(slot, entry, provider)
        no = self._probe(slot, entry, provider, context)
        configured = self._config.plugin_options.get(name, {})
        values = tuple(
            OptionValue(o, configured[o.name].value, configured[o.name].origin) if o.name in configured
            else OptionValue(o, o.default, "built in") for o in provider.options)
        return PluginReport(self._info(entry), provider.api, provider.summary, values, no is None,
                            no.reason if no else "", no.hint if no else "")

    def _info(self, entry: EntryPoint) -> PluginInfo:
        chosen = any(slot.group == entry.group and entry.name in self._selected(slot) for slot in SLOTS)
        return PluginInfo(entry.group, entry.name, entry.distribution, entry.version, chosen)

    def _selected(self, slot: Slot[T]) -> tuple[str, ...]:
        if slot.group == "conman.transport":
            return tuple(sorted({str(value.value) for value in self._config.transports.values()}))
        if slot.group in _SEVERAL:
            return self._config.texts(_SEVERAL[slot.group])
        key = {"conman.storage": "storage.driver", "conman.runtime": "runtime.name", "conman.attach": "attach.name",
               "conman.network": "network.name"}[slot.group]
        return (self._config.text(key),)

    def _entry(self, slot: Slot[T], name: str) -> EntryPoint:
        found = self._discovery.find(slot.group, name)
        if not found:
            raise self._not_installed(slot.group, name)
        if len(found) > 1:
            shipped = " and ".join(_shipped(entry) for entry in found)
            raise PluginConflict(f"{name} of the slot {slot.group} is shipped twice: by {shipped}", slot=slot.group,
                                 plugin=name, distribution=shipped, hint=f"pip uninstall {found[-1].distribution}")
        return found[0]

    @property
    def unreadable(self) -> tuple[str, ...]:
        """Installed distributions whose metadata cannot be read, and which may ship plugins: the folders' names."""
        return self._discovery.unreadable

    def _not_installed(self, group: str, name: str) -> PluginNotInstalled:
        import difflib

        others = [e.group for e in self._discovery.entries if e.name == name]
        if others:
            return PluginNotInstalled(f"{name} is a plugin of {' and '.join(others)}, not of {group}", slot=group, plugin=name,
                                      hint="conman plugin ls")
        known = sorted({e.name for e in self._discovery.entries if e.group == group or group == "any slot"})
        broken = [folder for folder in self.unreadable if folder.replace("_", "-").startswith((f"conman-{name}-", f"{name}-"))]
        if broken:
            return PluginNotInstalled(f"{name} cannot be found: its distribution's metadata, {broken[0]}, cannot be read",
                                      slot=group, plugin=name, hint=f"pip install --force-reinstall conman-{name}")
        near = difflib.get_close_matches(name, known, 1, 0.6)
        hint = f"did you mean {near[0]}? Otherwise: " if near else ""
        return PluginNotInstalled(f"no plugin {name} for {group} is installed", slot=group, plugin=name,
                                  hint=f"{hint}pip install conman-{name}")

    def _owner(self, slot: Slot[T], entry: EntryPoint) -> Owner:
        return Owner(slot.group, entry.name, _shipped(entry), self.calls)

    def _provider(self, slot: Slot[T], entry: EntryPoint) -> Provider[T]:
        hook = None
        owner = self._owner(slot, entry)
        if self._discovery.is_verified(entry) and not traced("hooks"):
            hook = getattr(self._import(owner, entry), slot.hook, None)  # None: its code changed in place since
        answer: object = owner.call(slot.hook, hook, loading=True) if hook else self._checked_by_pluggy(slot, entry, owner)
        if not isinstance(answer, Provider):
            raise owner.failure(f"must return a Provider from {slot.hook}, not {type(answer).__name__}")
        if answer.api != slot.api:
            raise PluginApiMismatch(
                f"{entry.name} ({_shipped(entry)}) was written for version {answer.api} of {slot.group}, this conman speaks "
                f"{slot.api}", slot=slot.group, plugin=entry.name, distribution=_shipped(entry),
                hint=f"pip install --upgrade conman {entry.distribution}")
        declared: tuple[object, ...] = (answer.summary, *answer.options)
        if not isinstance(declared[0], str) or not all(isinstance(option, Option) for option in declared[1:]):
            raise owner.failure("must declare a summary of one line and options made by provider()")
        return cast("Provider[T]", answer)

    def _checked_by_pluggy(self, slot: Slot[T], entry: EntryPoint, owner: Owner) -> object:
        import pluggy

        from . import hookspecs

        module = self._import(owner, entry)
        manager = pluggy.PluginManager("conman")  # one a plugin: nothing shadows, a raising one starves no other
        if traced("hooks"):
            manager.trace.root.setwriter(lambda text: sys.stderr.write(f"hooks: {entry.name}: {text}"))
            manager.enable_tracing()
        manager.add_hookspecs(hookspecs)

        def register() -> None:
            try:
                manager.register(module, name=entry.name)
                manager.check_pending()
            except (pluggy.PluginValidationError, ValueError) as error:
                raise owner.failure(f"has a hook that does not fit: {error}") from error

        owner.call("register", register, loading=True)  # looks at every name of the module, whose attributes may do anything
        answers: list[object] = owner.call(slot.hook, getattr(manager.hook, slot.hook), loading=True)
        if len(answers) != 1:
            raise owner.failure(f"must implement {slot.hook} exactly once (a None is no answer)")
        self._discovery.set_verified(entry)
        return answers[0]

    def _import(self, owner: Owner, entry: EntryPoint) -> object:
        import importlib

        def load() -> object:
            module, _, attribute = entry.value.partition(":")
            loaded: object = importlib.import_module(module.strip())
            for part in attribute.split(".") if attribute else ():
                loaded = getattr(loaded, part.strip())
            return loaded

        # Nothing that is raised here was meant for a caller of the slot, our own errors included.
        return owner.call("import", load, words="cannot be imported: {1}", typed=(), loading=True)

    def _context(self, slot: Slot[T], entry: EntryPoint, provider: Provider[T],
                 access: Access = AS_CONFIGURED) -> PluginContext[Mapping[str, object]]:
        known = {option.name: option for option in provider.options}
        values: dict[str, object] = {}
        for name, value in self._config.plugin_options.get(entry.name, {}).items():
            if name not in known:
                raise unknown_key(value.key, [f"plugin.{entry.name}.{k}" for k in known], value.origin)
            wanted = type(known[name].default)
            given = float(value.value) if wanted is float and type(value.value) is int else value.value
            if type(given) is not wanted:
                raise ConfigError(f"{value.origin}: {value.key} must be a {known[name].type}, not {value.value!r}")
            values[name] = given
        registries = {"*": RegistrySettings(), **self._config.registries}
        verify = self._config.switch("registries.tls_verify") if access.tls_verify is None else access.tls_verify
        if access.tls_verify or not verify:
            registries = {host: settings._replace(insecure=not verify) for host, settings in registries.items()}
        return PluginContext(name=entry.name, options=values, state_dir=self._layout.plugin_state(entry.name),
                             run_dir=self._layout.plugin_run(entry.name), log=self._log, registries=registries, access=access)


def _shipped(entry: EntryPoint) -> str:
    return f"{entry.distribution} {entry.version}".rstrip()
