"""Devices by name, ``--device vendor.com/class=name``, from the files of the Container Device Interface (CDI)."""

from __future__ import annotations

from typing import ClassVar, Mapping

from conman_kernel import hookimpl
from conman_kernel.record import Record
from conman_kernel.slots.provider import PluginContext, Provider, provider
from conman_kernel.slots.spec import SpecEditor


class _Keys(Record):
    folders: tuple[str, ...] = ("/etc/cdi", "/var/run/cdi")


class Options(_Keys):
    """The table ``[plugin.cdi-devices]``."""

    __slots__ = ()
    DOCS: ClassVar[Mapping[str, str]] = {
        "folders": "where CDI files lie; a device in a later folder takes the place of one of its name in an earlier",
    }


def _open(context: PluginContext[Options]) -> SpecEditor:
    from .editor import CdiEditor

    return CdiEditor(context.options.folders, context.log)


@hookimpl
def conman_spec_editor() -> Provider[SpecEditor]:
    """See :mod:`conman_kernel.hookspecs`."""
    return provider(api=1, summary="devices by name, from the files of the Container Device Interface", options=Options,
                    open=_open)
