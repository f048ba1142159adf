"""What a plugin hands to the kernel: a :class:`Provider`, pure data and two callables.

Making a provider does no I/O. ``probe`` answers "does this work on this host"; ``open`` builds the object that
speaks the slot's protocol. The options' type is captured when the provider is made, so the kernel sees only
``Provider[StorageDriver]`` and never a plugin's own types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Generic, Mapping, Protocol, TypeVar

from ..record import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

T_co = TypeVar("T_co", covariant=True)
O = TypeVar("O")


class Unavailable(Record):
    """A probe's "no": this plugin is sound, but cannot work on this host.

    :param reason: one line: which fact of the host is missing.
    :param hint: one line: what would help (a package, a module, another plugin); may be empty.
    """

    reason: str
    hint: str = ""


class Log(Protocol):
    """Where a plugin reports what is not an error: a logger with the standard library's method names."""

    def debug(self, message: str, *args: object) -> None:
        """For whoever looks for a defect. ``args`` are put into ``message`` by ``%``, as in the others."""

    def info(self, message: str, *args: object) -> None:
        """What went as it should."""

    def warning(self, message: str, *args: object) -> None:
        """What went wrong, but stops nothing."""


class RegistrySettings(Record):
    """One ``[registry."host"]`` table, checked.

    :param insecure: True: plain HTTP and unverified TLS are allowed. None: only where the host is a loopback address.
    :param ca: path of a PEM bundle that signs the registry's certificate; empty: the system's.
    :param mirrors: hosts (``host[:port][/prefix]``) tried in order before the registry itself.
    :param cert: path of a PEM client certificate; ``key``: of its private key, empty where it is in the same file.
    """

    insecure: bool | None = None
    ca: str = ""
    mirrors: tuple[str, ...] = ()
    cert: str = ""
    key: str = ""


class Access(Record):
    """How one call wants registries to be approached, above the configuration. Transports look at it.

    :param tls_verify: False: plain HTTP and unverified TLS are allowed. None: as configured. (The kernel has put it into
        ``registries`` already.)
    :param auth_file: the only file that credentials are read from and kept in; empty: the usual places.
    :param credentials: user and password to use instead of any that are kept.
    :param cert_dir: a folder of ``*.crt`` (authorities), ``*.cert`` and ``*.key`` (of the client); empty: the usual places.
    """

    tls_verify: bool | None = None
    auth_file: str = ""
    credentials: tuple[str, str] | None = None
    cert_dir: str = ""


AS_CONFIGURED = Access()
"""No call-specific wishes."""


class PluginContext(Generic[O]):
    """What a plugin is given to work with; the same values for ``probe`` and ``open``.

    :ivar name: the plugin's name, as in ``conman.toml``.
    :ivar options: the plugin's own ``[plugin.NAME]`` table, checked and filled with defaults.
    :ivar state_dir: folder below ``--root`` that is this plugin's own and survives reboots. Not created.
    :ivar run_dir: folder below ``--run-root`` that is this plugin's own and is gone after a reboot. Not created.
    :ivar log: where to report; never print.
    :ivar registries: the ``[registry."host"]`` tables, by host. Only transports look at them.
    :ivar access: what the call says about registries; see :class:`Access`.
    """

    __slots__ = ("access", "log", "name", "options", "registries", "run_dir", "state_dir")

    def __init__(self, *, name: str, options: O, state_dir: str, run_dir: str, log: Log,
                 registries: Mapping[str, RegistrySettings] | None = None, access: Access = AS_CONFIGURED) -> None:
        self.name = name
        self.options = options
        self.state_dir = state_dir
        self.run_dir = run_dir
        self.log = log
        self.registries: Mapping[str, RegistrySettings] = registries or {}
        self.access = access


class Option(Record):
    """One key of a plugin's ``[plugin.NAME]`` table.

    :param name: the key.
    :param type: ``"str"``, ``"int"``, ``"bool"``, ``"float"`` or ``"list"`` (of strings).
    :param default: what holds where the key is not written.
    :param doc: one line of why one would set it.
    """

    name: str
    type: str
    default: str | int | bool | float | tuple[str, ...]
    doc: str


class Provider(Generic[T_co]):
    """A plugin's declaration for one slot. Make it with :func:`provider`."""

    __slots__ = ("_open", "_probe", "api", "options", "summary")

    def __init__(self, *, api: int, summary: str, options: tuple[Option, ...],
                 probe: Callable[[_Raw], Unavailable | None], open: Callable[[_Raw], T_co]) -> None:
        self.api = api
        self.summary = summary
        self.options = options
        self._probe = probe
        self._open = open

    def probe(self, context: _Raw) -> Unavailable | None:
        """Does it work on this host? None for yes. Called before ``open``; must change nothing that lasts."""
        return self._probe(context)

    def open(self, context: _Raw) -> T_co:
        """Build the object that speaks the slot's protocol. Called at most once per :class:`~conman_kernel.Conman`; of a
        transport once for each :class:`Access`."""
        return self._open(context)


_Raw = PluginContext[Mapping[str, object]]


def _type_name(value: object) -> str:
    if isinstance(value, tuple):
        return "list"
    return type(value).__name__


def provider(*, api: int, summary: str, open: Callable[[PluginContext[O]], T_co], options: type[O],
             probe: Callable[[PluginContext[O]], Unavailable | None] = lambda context: None) -> Provider[T_co]:
    """Declare what a plugin offers to one slot.

    :param api: the slot's API version the plugin was written for, as a number; the kernel refuses another. (Whoever passes on
        the slot's ``API`` says that it fits every kernel, and finds out otherwise in the middle of something.)
    :param summary: one line for ``conman plugin ls``.
    :param open: builds the object that speaks the slot's protocol.
    :param options: a ``NamedTuple`` class, every field with a default (str, int, bool, float or tuple of str); its
        ``DOCS`` mapping gives one line per field. ``NoOptions`` where there are none.
    :param probe: says whether the plugin can work on this host; must not change anything that lasts.
    """
    defaults: Mapping[str, str | int | bool | float | tuple[str, ...]] = getattr(options, "_field_defaults", {})
    fields: Sequence[str] = getattr(options, "_fields", ())
    docs: Mapping[str, str] = getattr(options, "DOCS", {})
    listed = tuple(Option(f, _type_name(defaults[f]), defaults[f], docs.get(f, "")) for f in fields)

    def typed(context: _Raw) -> PluginContext[O]:
        return PluginContext(name=context.name, options=options(**context.options), state_dir=context.state_dir,
                             run_dir=context.run_dir, log=context.log, registries=context.registries,
                             access=context.access)

    return Provider(api=api, summary=summary, options=listed,
                    probe=lambda context: probe(typed(context)), open=lambda context: open(typed(context)))


class NoOptions(Record):
    """The options of a plugin that has none."""
