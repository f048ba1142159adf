"""An image as ``podman image inspect`` shows it."""

from __future__ import annotations

import json

from ..store.image_rows import document
from .records import ImageRecord


def inspect(image: ImageRecord, manifest: object, manifest_type: str) -> dict[str, object]:
    """The document, JSON-ready; keys and their order are podman's.

    :param manifest: the stored manifest.
    """
    config = image.config
    run: dict[str, object] = {
        "User": config.user, "ExposedPorts": {port: {} for port in config.exposed_ports}, "Env": list(config.env),
        "Entrypoint": list(config.entrypoint), "Cmd": list(config.cmd),
        "Volumes": {path: {} for path in config.volumes},
        "WorkingDir": config.working_dir, "Labels": dict(config.labels), "StopSignal": config.stop_signal,
    }
    history = [{"created": step.created, "created_by": step.created_by, "author": step.author, "comment": step.comment,
                "empty_layer": step.empty_layer} for step in config.history]
    stored: object = json.loads(document(manifest)) if manifest else {}
    # Only Docker's format knows health checks; podman shows them beside the configuration.
    health = dict(config.healthcheck or {}) if ".docker." in manifest_type else {}
    annotations = stored.get("annotations") if isinstance(stored, dict) else None
    return {
        "Id": image.id, "Digest": image.digest, "RepoTags": list(image.names), "RepoDigests": list(image.digests),
        "Parent": "", "Comment": config.history[-1].comment if config.history else "", "Created": config.created,
        "Config": {key: value for key, value in run.items() if value}, "Version": "", "Author": config.author,
        "Architecture": config.architecture, "Os": config.os, **({"Variant": config.variant} if config.variant else {}),
        "Size": image.size, "VirtualSize": image.size, "GraphDriver": {"Name": image.storage, "Data": {}},
        "RootFS": {"Type": "layers", "Layers": list(config.diff_ids)}, "Labels": dict(config.labels) or None,
        "Annotations": annotations or {}, "ManifestType": manifest_type, "User": config.user,
        "History": [{key: value for key, value in step.items() if value} for step in history],
        "NamesHistory": list(image.names), **({"Healthcheck": health} if health else {}),
    }
