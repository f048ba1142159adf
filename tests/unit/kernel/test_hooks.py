"""Each hook of ``conman_kernel.hookspecs`` by itself: called when its page says, with nothing, and what it returns is used.

``tests/docs/test_hooks.py`` looks here for a test of each hook, by its name.
"""

from __future__ import annotations

import sys

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import NotFound, PluginFailed
from conman_kernel.oci.descriptor import Descriptor
from conman_kernel.oci.runtime.options import ContainerOptions
from conman_kernel.plugins import Plugins
from conman_kernel.slots import ATTACH, EVENTS, NETWORK, RUNTIME, SLOTS, SPEC, STORAGE, TRANSPORT
from conman_kernel.slots.attach import AttachRequest, End, Outcome
from conman_kernel.slots.events import EmitRequest, Event
from conman_kernel.slots.network import DefineRequest, JoinRequest, LeaveRequest, Network
from conman_kernel.slots.provider import Access
from conman_kernel.slots.spec import EditRequest, SpecEdits
from conman_kernel.slots.storage import CommitRequest, KeyRequest, PrepareRequest
from conman_kernel.slots.transport import OpenRequest, ResolveRequest
from conman_kernel.store.layout import Layout
from conman_kernel.testing.memory_session import MemorySession

from .conftest import Open, Site

HEAD = """
from conman_kernel import hookimpl
from conman_kernel.errors import NotFound
from conman_kernel.slots.provider import NoOptions, provider
asked = []
opened = []
"""

TRANSPORTING = HEAD + """
from conman_kernel.oci.descriptor import Descriptor
from conman_kernel.slots.transport import API, Resolved

class Bytes:
    offset = 0
    def __iter__(self): yield b"words"
    def close(self): pass

class Transport:
    def resolve(self, request):
        if request.location != "there":
            raise NotFound(f"no image {request.location}")
        return Resolved(Descriptor("application/octet-stream", "sha256:" + "0" * 64, 5))
    def open(self, request): return Bytes()
    def close(self): pass

def make(context):
    opened.append(context.access)
    return Transport()

@hookimpl
def conman_image_transport():
    asked.append(1)
    return provider(api=API, summary="one image", options=NoOptions, open=make)
"""

STORING = HEAD + """
from conman_kernel.slots.storage import API, Mount, Usage, Whiteouts
from conman_kernel.support import trees
from conman_kernel.support.copying import copy_tree
from conman_kernel.support.snapshot_records import empty_tree
from conman_kernel.support.snapshots import FolderDriver

class Form:
    whiteouts = Whiteouts.APPLIED
    independent_layers = False
    def fill(self, place, cancel):
        empty_tree(place.tree)
        if place.lower:
            copy_tree(place.lower[0], place.tree, cancel)
    def seal(self, place): pass
    def mounts(self, place): return (Mount("bind", place.tree, ("bind", "rw")),)
    def remove(self, folder): trees.remove(folder)
    def usage(self, place): return trees.usage(place.tree)

def make(context):
    opened.append(context.state_dir)
    return FolderDriver(Form(), context.state_dir, sync=False)

@hookimpl
def conman_storage_driver():
    asked.append(1)
    return provider(api=API, summary="copies", options=NoOptions, open=make)
"""

RUNNING = HEAD + """
from conman_kernel.slots.runtime import API, Features, RuntimeCommands

class Runtime:
    binary = "/bin/true"
    def commands(self, *, systemd_cgroup):
        words = ("true", "{id}")
        return RuntimeCommands(create=words, start=words, state=words, kill=words, delete=words, force_delete=words, exec=words)
    def exit_code(self, message): return 127 if "found" in message else 125
    def features(self, cancel):
        return Features("true 1", "1.0.0", True, True, False, False, False, False)

@hookimpl
def conman_runtime():
    asked.append(1)
    return provider(api=API, summary="says yes", options=NoOptions, open=lambda context: opened.append(1) or Runtime())
"""

ATTACHING = HEAD + """
from conman_kernel.slots.attach import API, End

class Waiting:
    direct = False
    def run(self, request):
        while not isinstance(item := request.session.receive(), End):
            request.cancel.wait_readable(request.session.fileno())
        return item

@hookimpl
def conman_attach():
    asked.append(1)
    return provider(api=API, summary="waits", options=NoOptions, open=lambda context: opened.append(1) or Waiting())
"""

NETWORKING = HEAD + """
from conman_kernel.slots.network import API
from conman_kernel.testing.paper_network import PaperNetwork

def make(context):
    opened.append(context.run_dir)
    return PaperNetwork(context.run_dir)

@hookimpl
def conman_network():
    asked.append(1)
    return provider(api=API, summary="joins", options=NoOptions, open=make)
"""

SINKING = HEAD + """
from conman_kernel.slots.events import API

class Sink:
    def __init__(self):
        self.told = []
    def emit(self, request):
        self.told.append(request.event)
    def close(self): pass

@hookimpl
def conman_event_sink():
    asked.append(1)
    return provider(api=API, summary="hears", options=NoOptions, open=lambda context: opened.append(Sink()) or opened[-1])
"""

EDITING = HEAD + """
from conman_kernel.slots.spec import SpecEdits

class Editor:
    def edit(self, request):
        return SpecEdits(handled=request.devices, env=(("GIVEN", ",".join(request.devices)),))
    def close(self): pass

@hookimpl
def conman_spec_editor():
    asked.append(1)
    return provider(api=1, summary="edits", options=NoOptions, open=lambda context: opened.append(1) or Editor())
"""


def counts(module: str) -> tuple[int, int]:
    """How often the hook was called, and how often ``open``."""
    loaded = sys.modules.get(module)
    return (len(loaded.asked), len(loaded.opened)) if loaded else (0, 0)


def not_before_it_is_needed(held: Plugins, module: str, name: str) -> None:
    """Listing imports nothing; inspecting asks the hook and opens nothing."""
    assert name in {plugin.name for plugin in held.list()}
    assert counts(module) == (0, 0)
    assert held.inspect(name).available
    assert counts(module) == (1, 0)


def test_hook_conman_image_transport(site: Site, plugins: Open) -> None:
    module = site.ship("one-transport", TRANSPORTING, group="conman.transport")
    held = plugins()
    not_before_it_is_needed(held, module, "one-transport")
    transport = held.get(TRANSPORT, "one-transport")
    found = transport.resolve(ResolveRequest("there", Cancel())).descriptor
    assert list(transport.open(OpenRequest("there", found, 0, Cancel()))) == [b"words"] and isinstance(found, Descriptor)
    with pytest.raises(NotFound, match=r"^no image elsewhere$"):
        transport.resolve(ResolveRequest("elsewhere", Cancel()))
    assert held.get(TRANSPORT, "one-transport") is transport and counts(module) == (2, 1)
    held.get(TRANSPORT, "one-transport", access=Access(tls_verify=False))
    assert sys.modules[module].opened == [Access(), Access(tls_verify=False)]


def test_hook_conman_storage_driver(site: Site, plugins: Open, layout: Layout) -> None:
    module = site.ship("copy-storage", STORING, group="conman.storage")
    held = plugins()
    not_before_it_is_needed(held, module, "copy-storage")
    driver = held.get(STORAGE, "copy-storage")
    driver.prepare(PrepareRequest("unpacking", None, Cancel()))
    driver.commit(CommitRequest("unpacking", "base", Cancel()))
    driver.prepare(PrepareRequest("container", "base", Cancel()))
    assert counts(module) == (2, 1) and sys.modules[module].opened == [layout.plugin_state("copy-storage")]
    other = plugins().get(STORAGE, "copy-storage")  # as another command's: over the same folder
    assert {(info.name, info.kind) for info in other.walk(Cancel())} == {("base", "committed"), ("container", "active")}
    assert other.mounts(KeyRequest("container", Cancel()))[0].source.startswith(layout.plugin_state("copy-storage"))


def test_hook_conman_runtime(site: Site, plugins: Open) -> None:
    module = site.ship("yes-runtime", RUNNING, group="conman.runtime")
    held = plugins()
    not_before_it_is_needed(held, module, "yes-runtime")
    runtime = held.get(RUNTIME, "yes-runtime")
    assert runtime.commands(systemd_cgroup=False).pause == () and runtime.exit_code("not found") == 127
    assert runtime.features(Cancel()).version == "true 1" and counts(module) == (2, 1)


def test_hook_conman_attach(site: Site, plugins: Open) -> None:
    module = site.ship("wait-attach", ATTACHING)
    held = plugins()
    not_before_it_is_needed(held, module, "wait-attach")
    with MemorySession() as session:
        session.say(b"hello\n")
        session.exit()
        end = held.get(ATTACH, "wait-attach").run(AttachRequest(session=session, stdin=-1, stdout=-1, stderr=-1, detach_keys=b"",
                                                                forward_signals=False, cancel=Cancel(10)))
    assert end == End(Outcome.EXITED) and counts(module) == (2, 1)


def test_hook_conman_network(site: Site, plugins: Open, layout: Layout) -> None:
    module = site.ship("paper-network", NETWORKING, group="conman.network")
    held = plugins()
    not_before_it_is_needed(held, module, "paper-network")
    driver = held.get(NETWORK, "paper-network")
    network = driver.define(DefineRequest(Network("web", "a" * 64), (), Cancel(5)))
    request = JoinRequest(network, "c" * 64, "box", "/proc/self/ns/net", "eth0", Cancel(5))
    joined = driver.join(request)
    assert joined.gateways == (network.subnets[0].gateway,) and sys.modules[module].opened == [layout.plugin_run("paper-network")]
    other = plugins().get(NETWORK, "paper-network")  # as another command's
    other.leave(LeaveRequest(request, joined.state, Cancel(5)))
    assert driver.join(request).addresses == joined.addresses and counts(module) == (3, 2)


def test_hook_conman_event_sink(site: Site, plugins: Open) -> None:
    module = site.ship("hear-events", SINKING, group="conman.events")
    held = plugins()
    not_before_it_is_needed(held, module, "hear-events")
    event = Event(1, "image", "pull", "ab", "box:latest")
    held.get(EVENTS, "hear-events").emit(EmitRequest(event, Cancel(1)))
    assert counts(module) == (2, 1) and sys.modules[module].opened[0].told == [event]


def test_hook_conman_spec_editor(site: Site, plugins: Open) -> None:
    module = site.ship("give-spec", EDITING, group="conman.spec")
    held = plugins()
    not_before_it_is_needed(held, module, "give-spec")
    request = EditRequest("", ContainerOptions(), ("a/b=c",), (), Cancel(1))
    assert held.get(SPEC, "give-spec").edit(request) == SpecEdits(handled=("a/b=c",), env=(("GIVEN", "a/b=c"),))
    assert counts(module) == (2, 1)


@pytest.mark.parametrize("slot", SLOTS, ids=lambda slot: slot.group)
def test_a_hook_of_another_slot_is_no_answer(site: Site, plugins: Open, slot: object) -> None:
    """The group says which hook is called; that a module has one of another slot does not help it there."""
    source = {TRANSPORT: ATTACHING, STORAGE: TRANSPORTING, RUNTIME: STORING, ATTACH: RUNNING, NETWORK: RUNNING, EVENTS: RUNNING,
              SPEC: RUNNING}[slot]  # type: ignore[index]
    site.ship("misplaced", source, group=slot.group)  # type: ignore[attr-defined]
    with pytest.raises(PluginFailed, match=f"must implement {slot.hook} exactly once"):  # type: ignore[attr-defined]
        plugins().get(slot, "misplaced")  # type: ignore[arg-type]
