"""Distributions with a plugin that is bad in one way: a stock plugin of the slot, with one thing made wrong."""

from __future__ import annotations

from pathlib import Path

HOOKS = {"runtime": ("conman_runtime", "conman_runc_runtime"), "storage": ("conman_storage_driver", "conman_vfs_storage"),
         "attach": ("conman_attach", "conman_pty_attach"), "transport": ("conman_image_transport", "conman_registry_pull")}

SOURCE = """
import os, signal, subprocess, sys, time
from conman_kernel import hookimpl
from conman_kernel.errors import ConmanError
from conman_kernel.slots.provider import NoOptions, PluginContext, Unavailable, provider

class Escape(BaseException):
    pass

class Unspeakable(Exception):
    def __str__(self):
        raise ValueError("not even that")

def stay():
    while True:
        time.sleep(1000)

{top}

def probe(context):
    {probe}

class Wrapped:
    def __init__(self, context):
        import {stock} as stock
        raw = PluginContext(name=context.name, options={{}}, state_dir=context.state_dir, run_dir=context.run_dir,
                            log=context.log, registries=context.registries, access=context.access)
        self._real = stock.{hook}().open(raw)

    def __getattr__(self, name):
        return getattr(self._real, name)

{methods}

def make(context):
    {open}

@hookimpl
def {hook}():
    {hookbody}
"""


def source(slot: str, *, top: str = "", probe: str = "return None", methods: str = "", open: str = "return Wrapped(context)",
           hook: str = "return provider(api=1, summary='bad', options=NoOptions, probe=probe, open=make)") -> str:
    """The code of a plugin that is sound where nothing is given."""
    name, stock = HOOKS[slot]
    indented = "".join(f"    {line}\n" for line in methods.splitlines())
    return SOURCE.format(top=top, probe=probe, methods=indented, open=open, hook=name, hookbody=hook, stock=stock)


def install(folder: Path, slot: str, code: str, *, distribution: str = "bad-dist", name: str = "") -> str:
    """Put it into a folder for PYTHONPATH; returns the plugin's name, ``bad-SLOT``."""
    module = distribution.replace("-", "_")
    (folder / f"{module}.py").write_text(code)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[conman.{slot}]\n{name or f'bad-{slot}'} = {module}\n")
    return name or f"bad-{slot}"
