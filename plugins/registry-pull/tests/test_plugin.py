"""What the plugin declares, and what it costs to look at it."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import Mapping

import conman_registry_pull as plugin
from conman_kernel.slots.provider import PluginContext
from conman_kernel.slots.transport import API


def context(**options: object) -> PluginContext[Mapping[str, object]]:
    return PluginContext(name="registry-pull", options=options, state_dir="/nonexistent", run_dir="/nonexistent",
                         log=logging.getLogger("test"))


def test_the_declaration():
    declared = plugin.conman_image_transport()
    assert declared.api == API
    assert {option.name for option in declared.options} == set(plugin.Options.DOCS)
    assert all(option.doc for option in declared.options)
    assert declared.probe(context()) is None
    assert declared.probe(context(connect_timeout=0.0)) is not None


def test_opening_touches_no_network():
    transport = plugin.conman_image_transport().open(context())
    transport.close()
    transport.close()


def test_the_declaration_imports_no_http_library():
    code = ("import sys, conman_registry_pull as p; p.conman_image_transport();"
            "sys.exit([m for m in ('requests', 'urllib3', 'ssl', 'http.client') if m in sys.modules] or 0)")
    path = [entry for entry in sys.path if entry]
    done = subprocess.run([sys.executable, "-c", f"import sys; sys.path[:] = {path!r}; {code}"], capture_output=True)
    assert done.returncode == 0, done.stderr


