"""The hooks: how a plugin tells the kernel what it offers. One a slot; each is called with nothing and returns a provider.

A plugin module implements one with :data:`conman_kernel.hookimpl`::

    from conman_kernel import hookimpl
    from conman_kernel.slots.provider import NoOptions, Provider, provider
    from conman_kernel.slots.storage import StorageDriver

    @hookimpl
    def conman_storage_driver() -> Provider[StorageDriver]:
        return provider(api=1, summary="...", options=NoOptions, open=lambda context: Driver(context.state_dir))
"""

from __future__ import annotations

from typing import Sequence

import pluggy

from .slots.attach import Attach
from .slots.doctor import Check
from .slots.events import EventSink
from .slots.network import NetworkDriver
from .slots.provider import Provider
from .slots.runtime import Runtime
from .slots.spec import SpecEditor
from .slots.storage import StorageDriver
from .slots.transport import ImageTransport

hookspec = pluggy.HookspecMarker("conman")


@hookspec
def conman_image_transport() -> Provider[ImageTransport]:  # type: ignore[empty-body]
    """Declare an image transport: where images come from, and where they go.

    - *When*: a reference with a scheme of this plugin's (``[transports]``) is first used: ``pull``, ``run`` of an image that
      is not here, ``push``, ``copy``, ``load``, ``save``, ``login``, ``inspect`` of a remote one. Never where the store alone
      answers.
    - *By whom*: :class:`~conman_kernel.plugins.Plugins`, with nothing; ``plugin inspect`` and ``config check`` call it, too.
      ``open`` is called once for each :class:`~conman_kernel.slots.provider.Access` that callers of one Conman ask for.
    - *Then*: the object is asked for blobs from several threads at once; what it says is checked, byte for byte.

    :returns: one provider, the same each time, made without input or output.
    """


@hookspec
def conman_storage_driver() -> Provider[StorageDriver]:  # type: ignore[empty-body]
    """Declare a storage driver: where layers and the file systems of containers lie.

    - *When*: a layer is unpacked, or a container created, started, removed; where the store remembers a layer or container of
      this driver, also if another one is selected (``[storage] driver``) by then. Not for ``ps``, ``logs``, ``images``.
    - *By whom*: :class:`~conman_kernel.plugins.Plugins`, with nothing; ``plugin inspect`` and ``config check`` call it, too.
    - *Then*: the object is called for different keys at once, by threads and by other processes, each with an object of its own
      over the same ``state_dir``.

    :returns: one provider, the same each time, made without input or output.
    """


@hookspec
def conman_runtime() -> Provider[Runtime]:  # type: ignore[empty-body]
    """Declare a runtime: what starts a container's process.

    - *When*: a container that was created with this runtime is started, entered, paused, signalled through the runtime or
      cleaned up; also if another one is selected (``[runtime] name``) by then. And by ``info``.
    - *By whom*: :class:`~conman_kernel.plugins.Plugins`, with nothing; ``plugin inspect`` and ``config check`` call it, too.
    - *Then*: the tables are rendered by the kernel for itself and for the shim, which never sees the plugin.

    :returns: one provider, the same each time, made without input or output.
    """


@hookspec
def conman_attach() -> Provider[Attach]:  # type: ignore[empty-body]
    """Declare an attach plugin: the person's side of a container's standard streams.

    - *When*: a session is first joined to a caller's descriptors: ``run`` and ``exec`` in the foreground, ``attach``,
      ``start --attach``. Not for detached ones, nor where a program takes the session itself.
    - *By whom*: :class:`~conman_kernel.plugins.Plugins`, with nothing; ``plugin inspect`` and ``config check`` call it, too.
    - *Then*: the object's one method runs in the caller's thread until the session ends.

    :returns: one provider, the same each time, made without input or output.
    """


@hookspec
def conman_network() -> Provider[NetworkDriver]:  # type: ignore[empty-body]
    """Declare a network plugin: what joins containers to named networks and publishes their ports.

    - *When*: a container that is in a named network starts, ends or is joined to another one; also if another plugin is selected
      (``[network] name``) by then. And by ``network create``, ``rm`` and ``prune``. Not for ``--network none`` or ``host``.
    - *By whom*: :class:`~conman_kernel.plugins.Plugins`, with nothing; ``plugin inspect`` and ``config check`` call it, too.
    - *Then*: the object is called with requests, from several threads and processes at once.

    :returns: one provider, the same each time, made without input or output.
    """


@hookspec
def conman_doctor() -> Sequence[Check]:  # type: ignore[empty-body]
    """Offer checks to ``conman doctor``. Stands beside the slot's own hook, in the same module.

    - *When*: ``conman doctor`` is run (or :meth:`.Conman.doctor` called), once, for plugins that are selected or recorded
      in the store.
    - *By whom*: :class:`~conman_kernel.plugins.Plugins`, with nothing, after the slot's own hook.
    - *Then*: each check is run in a thread of its own, with a deadline. One that raises, or does not end in time, is a finding
      that names plugin and distribution, and keeps no other from its work.

    :returns: checks, made by :func:`conman_kernel.slots.doctor.check` without input or output; an empty sequence for none.
    """


@hookspec
def conman_event_sink() -> Provider[EventSink]:  # type: ignore[empty-body]
    """Declare an event sink: who is told what happens to containers and images.

    - *When*: something first happens in a command, or events are first asked for, and ``[events] sinks`` has this plugin. So
      every command that changes a container or an image loads it, and it should cost little.
    - *By whom*: :class:`~conman_kernel.plugins.Plugins`, with nothing; ``plugin inspect`` and ``config check`` call it, too.
    - *Then*: the object is told of each event after the change, sink by sink in the order of the configuration. One that raises
      is reported once and starves no other; it harms no container.

    :returns: one provider, the same each time, made without input or output.
    """


@hookspec
def conman_spec_editor() -> Provider[SpecEditor]:  # type: ignore[empty-body]
    """Declare an editor of runtime specs: what more the runtime is told of a container, as data that the kernel checks.

    - *When*: a container that asks for a device by name (``--device vendor.com/class=name``), or that was given annotations, is
      made or started, and ``[spec] editors`` has this plugin. Never for other containers.
    - *By whom*: :class:`~conman_kernel.plugins.Plugins`, with nothing; ``plugin inspect`` and ``config check`` call it, too.
    - *Then*: the object is asked for its edits, editor by editor in the order of the configuration. One that raises, or whose
      edits are refused, stops the command.

    :returns: one provider, the same each time, made without input or output.
    """
