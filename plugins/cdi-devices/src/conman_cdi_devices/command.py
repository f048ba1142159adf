"""``conman cdi``: the devices that ``--device`` knows by name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol, cast

import click

from conman_kernel.errors import NotFound
from conman_kernel.slots import SPEC

from .registry import Registry, summary

if TYPE_CHECKING:
    from conman_kernel import Conman


class _Context(Protocol):
    def conman(self) -> Conman: ...


class _Editor(Protocol):
    def registry(self) -> Registry: ...


def _registry(context: click.Context) -> Registry:
    conman = cast("_Context", context.obj).conman()
    return cast("_Editor", conman.plugins.get(SPEC, "cdi-devices")).registry()


@click.group()
def cdi() -> None:
    """List and show CDI devices."""


@cdi.command("ls")
@click.option("--format", "form", type=click.Choice(["json"]), help="json")
@click.pass_context
def ls(context: click.Context, form: str | None) -> None:
    """List the devices, and what is wrong with their files."""
    registry = _registry(context)
    if form:
        click.echo(json.dumps([summary(registry.devices[name]) for name in sorted(registry.devices)], indent=4))
    else:
        for name in sorted(registry.devices):
            click.echo(name)
    for problem in registry.problems:
        click.echo(f"conman: warning: {problem}", err=True)


@cdi.command("inspect")
@click.argument("names", nargs=-1, required=True, metavar="DEVICE...")
@click.pass_context
def inspect(context: click.Context, names: tuple[str, ...]) -> None:
    """Show what a container gets with a device."""
    registry = _registry(context)
    found = [placed for name in names for placed in registry.find(name)]
    if not found:
        raise NotFound("no such device")
    click.echo(json.dumps([summary(placed) for placed in found], indent=4))
