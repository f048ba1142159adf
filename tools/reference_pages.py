"""Which public names the reference has, and on which page. What is public is decided here; the rest is read from the source."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """One name, or all public names of a module.

    :param dotted: the name, as it is defined or as the package exports it.
    :param reached: how callers come by an object of the class; then what it is made from is nobody's business.
    """

    dotted: str
    reached: str = ""


class Page(NamedTuple):
    """One page of the reference.

    :param stem: its file's name without ``.md``.
    :param intro: Markdown below the title.
    """

    stem: str
    title: str
    intro: str
    entries: tuple[Entry, ...]


K = "conman_kernel"


def _modules(*names: str) -> tuple[Entry, ...]:
    return tuple(Entry(f"{K}.{name}") for name in names)


def _slot(stem: str, title: str, hook: str) -> Page:
    """The page of one slot: its hook, then its protocol."""
    intro = (f"Entry points of the group `conman.{stem}`, one named plugin each: the module has the hook,\n"
             "and what its provider opens has the methods of the protocol. [plugins.md](../plugins.md) is the way in.")
    return Page(f"slot-{stem}", f"Slot: {title}", intro, (Entry(f"{K}.hookspecs.{hook}"), *_modules(f"slots.{stem}")))


PAGES = (
    Page("conman", "Conman, and what every call takes", "One object per store; a token for whatever may block.", (
        Entry(f"{K}.Conman"),
        Entry(f"{K}.Cancel"),
        Entry(f"{K}.Access"), Entry(f"{K}.slots.provider.AS_CONFIGURED"),
        Entry(f"{K}.config.Config", "Conman.config"), Entry(f"{K}.config.ConfigValue"), Entry(f"{K}.config_schema.Value"),
        Entry(f"{K}.plugins.Plugins", "Conman.plugins"), Entry(f"{K}.plugins.PluginInfo"),
        Entry(f"{K}.plugins.PluginReport"), Entry(f"{K}.plugins.OptionValue"), Entry(f"{K}.plugins.PluginState"),
        Entry(f"{K}.plugins.PluginView"))),
    Page("images", "Images", "The tutorial is [images.md](../images.md).", (
        Entry(f"{K}.images.service.Images", "Conman.images"),
        Entry(f"{K}.images.service.Policy"), Entry(f"{K}.images.conversion.ManifestFormat"),
        Entry(f"{K}.Image", "Images.pull, .get, .list and others"), Entry(f"{K}.images.records.ImageRecord"),
        Entry(f"{K}.images.instances.Mounted", "Images.mount, Image.mount"),
        Entry(f"{K}.Progress"), Entry(f"{K}.images.records.RemoveReport"), Entry(f"{K}.images.pruning.PruneReport"),
        Entry(f"{K}.images.history.HistoryEntry"), Entry(f"{K}.images.tree.ImageTree"), Entry(f"{K}.images.tree.TreeImage"),
        Entry(f"{K}.images.tree.TreeLayer"), Entry(f"{K}.images.copying.CopyReport"),
        Entry(f"{K}.images.loading.Loaded"))),
    Page("registries", "Registries", "Accounts, repositories, tags. [images.md](images.md) is about what is in them.", (
        Entry(f"{K}.images.registries.Registries", "Conman.registries"),)),
    Page("containers", "Containers", "[python.md](../python.md#containers) shows them at work.", (
        Entry(f"{K}.containers.service.Containers", "Conman.containers"),
        Entry(f"{K}.Container", "Containers.create, .get, .list and others"),
        Entry(f"{K}.ContainerOptions"), Entry(f"{K}.MountOption"), Entry(f"{K}.Device"), Entry(f"{K}.Ulimit"),
        Entry(f"{K}.NetworkOption"), Entry(f"{K}.PublishedPort"),
        Entry(f"{K}.HealthCheck"), Entry(f"{K}.containers.health.Health", "Container.health"),
        Entry(f"{K}.containers.health.HealthResult"),
        Entry(f"{K}.containers.create.ImageLike"), Entry(f"{K}.RunResult"), Entry(f"{K}.RunOutcome"), Entry(f"{K}.Streams"),
        Entry(f"{K}.ContainerStats", "Container.stats, Containers.stats"),
        Entry(f"{K}.containers.instance.MountPoint", "Container.mount"),
        Entry(f"{K}.containers.writable.NewImage", "Container.commit"), Entry(f"{K}.worker.jobs.Change"),
        Entry(f"{K}.worker.jobs.PackResult"),
        Entry(f"{K}.containers.top.listing.ProcessTable", "Container.top"),
        Entry(f"{K}.containers.logs.LogEntry"), Entry(f"{K}.containers.logs.LogReader", "Container.log_reader"))),
    Page("networks", "Networks", "[networks.md](../networks.md) shows them at work, [python.md](../python.md#networks) too.", (
        Entry(f"{K}.networks.service.Networks", "Conman.networks"),
        Entry(f"{K}.Network", "Networks.create, .get, .list"), Entry(f"{K}.networks.network.Connectable"),
        Entry(f"{K}.networks.rows.Membership", "Container.networks"), Entry(f"{K}.networks.rows.Wish"),
        Entry(f"{K}.networks.rows.Result"))),
    Page("sessions", "Sessions", "Connections to the standard streams of processes: [sessions.md](../sessions.md).", (
        Entry(f"{K}.containers.session.SocketSession", "Container.session, ExecSession.session and others"),
        Entry(f"{K}.containers.pump.Source"), Entry(f"{K}.containers.pump.Sink"),
        Entry(f"{K}.ExecSession", "Container.create_exec, Containers.exec_session"), Entry(f"{K}.ExecOptions"),
        *_modules("aio"))),
    Page("system", "The store as a whole", "", (
        Entry(f"{K}.system.service.System", "Conman.system"),
        Entry(f"{K}.system.boot.BootReport", "System.boot"), Entry(f"{K}.system.boot.BootFailure"),
        *_modules("system.findings"),
        Entry(f"{K}.system.usage.Usage"), Entry(f"{K}.system.usage.Total"), Entry(f"{K}.system.usage.ImageUsage"),
        Entry(f"{K}.system.usage.ContainerUsage"), Entry(f"{K}.system.usage.ContainerSize"),
        Entry(f"{K}.system.usage.VolumeUsage"),
        Entry(f"{K}.system.prune.SystemPruneReport"),
        Entry(f"{K}.system.holders.Holder"), Entry(f"{K}.system.migration.MigrateReport"),
        Entry(f"{K}.system.migration.MigrateStep"))),
    Page("events", "Events", "What happens to containers and images: [python.md](../python.md#events) follows it.", (
        Entry(f"{K}.events.service.Events", "Conman.events"),)),
    Page("volumes", "Volumes", "[volumes.md](../volumes.md) tells what they are.", (
        Entry(f"{K}.volumes.service.Volumes", "Conman.volumes"), Entry(f"{K}.Volume", "Volumes.create, .get, .list"),
        Entry(f"{K}.volumes.records.VolumePruneReport"), Entry(f"{K}.volumes.records.VolumeRecord"))),
    Page("explain", "What would be done", "", (
        Entry(f"{K}.explain.Explanation", "Conman.explain_run, .explain_pull"), Entry(f"{K}.explain.Chosen"))),
    Page("errors", "Errors", "", _modules("errors")),
    Page("slots", "Slots: what a plugin is", "[plugins.md](../plugins.md) writes some.", (
        *_modules("slots", "slots.provider", "hookspecs"), Entry(f"{K}.hookimpl"), *_modules("record"))),
    _slot("transport", "image transport", "conman_image_transport"),
    _slot("storage", "storage driver", "conman_storage_driver"),
    _slot("runtime", "runtime", "conman_runtime"),
    _slot("attach", "attach", "conman_attach"),
    _slot("network", "network", "conman_network"),
    Page("doctor", "Checks for `conman doctor`", "Any plugin module may contribute some, beside its slot's hook.", (
        Entry(f"{K}.hookspecs.conman_doctor"), *_modules("slots.doctor", "doctor.report"))),
    _slot("events", "event sinks", "conman_event_sink"),
    _slot("spec", "editors of runtime specs", "conman_spec_editor"),
    Page("oci", "OCI documents", "Functions on references, digests and documents: no input, no output.", _modules(
        "oci.reference", "oci.digest", "oci.descriptor", "oci.platform", "oci.media_types", "oci.manifest", "oci.docker_manifest",
        "oci.image_config", "oci.documents", "oci.instructions", "oci.recipe")
        + (Entry(f"{K}.oci.recipe.Format"),)),
    Page("support-storage", "Support for storage drivers", "", _modules(
        "support", "support.snapshots", "support.snapshot_form", "support.snapshot_records", "support.trees", "support.copying",
        "support.filesystems", "support.syncing")),
    Page("support-archives", "Support for archives and folders", "",
         (Entry(f"{K}.support.archives"), Entry(f"{K}.support.archives.*"))),
    Page("support-runtime", "Support for runtimes", "", _modules("support.oci_runtime", "support.oci_features")),
    Page("support-attach", "Support for attach plugins", "", (Entry(f"{K}.support.joined"), Entry(f"{K}.support.joined.*"))),
    Page("support-network", "Support for network plugins", "", _modules("support.networks", "support.programs")),
    Page("support-events", "Support for those who wait for files", "", _modules("support.inotify")),
    Page("testing", "Testing", "Shipped for those who test plugins, or programs that use this library.",
         (Entry(f"{K}.testing"), Entry(f"{K}.testing.*"))),
    Page("testing-hostile", "Hostile layers", "The cases that the storage kit and tests/hostile share.",
         (Entry(f"{K}.testing.hostile.*"),)),
    Page("kit-storage", "The storage kit", "Each test is a promise of [the slot](slot-storage.md).",
         (Entry(f"{K}.testing.kits.*"), Entry(f"{K}.testing.kits.storage.*"))),
    Page("kit-transport", "The transport kit", "Each test is a promise of [the slot](slot-transport.md).",
         (Entry(f"{K}.testing.kits.transport.*"),)),
    Page("kit-network", "The network kit", "Each test is a promise of [the slot](slot-network.md).",
         (Entry(f"{K}.testing.kits.network.*"),)),
)

COVERED = ("slots", "oci", "support", "testing")
"""Packages of which every module must be on a page."""

LEFT_OUT = {
    f"{K}.oci.runtime": "the runtime specification's builder is the kernel's own; its options are on the page of containers",
    f"{K}.testing.kits.on_this_host": "what conman plugin test runs",
    f"{K}.testing.registry_http": "the HTTP side of testing.registry",
    f"{K}.testing.registry_uploads": "likewise, of what is sent there",
}
"""Modules of those packages that are not, and why."""

INTERNAL = (
    f"{K}.containers.context", f"{K}.containers.rows", f"{K}.containers.execs.rows", f"{K}.containers.shim", f"{K}.images.parts",
    f"{K}.networks.means", f"{K}.store", f"{K}.worker",
)
"""Modules whose classes occur in signatures of public ones for the kernel's own layers only."""

HIDDEN = {
    f"{K}.images.shown.Shown.parts": "for the services beside and above it",
    f"{K}.images.shown.Shown.writable": "for the services beside and above it",
    f"{K}.containers.service.Containers.context": "for the kernel's own further layers",
    f"{K}.volumes.service.Volumes.parts": "for the kernel's own further layers",
    f"{K}.networks.service.Networks.means": "for the kernel's own further layers",
    f"{K}.networks.service.Networks.ensure": "what a container needs when it is made",
    f"{K}.containers.described.Described.row": "the index's record, as the kernel passes it on",
    f"{K}.kernel.Conman.adopt_shim": "the command line's early start",
    f"{K}.hookspecs.hookspec": "marks the specifications themselves",
}
"""Public members that are no part of the API, and why."""
