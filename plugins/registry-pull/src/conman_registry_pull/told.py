"""How an image would be looked for: places in order, certificates, where credentials come from. Asks nobody, tells no secret."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Iterator, Mapping

from conman_kernel.errors import ConfigError
from conman_kernel.oci.reference import parse

from . import authfiles
from .authfiles import AuthFile
from .endpoints import Endpoint, endpoints

if TYPE_CHECKING:
    from conman_kernel.slots.provider import Access, RegistrySettings


def told(location: str, registries: Mapping[str, RegistrySettings], access: Access) -> tuple[tuple[str, str], ...]:
    """Name and words of each fact.

    :param location: as the kernel gives it to ``resolve``.
    """
    reference = parse(location)
    found: list[tuple[str, str]] = []
    for place in endpoints(reference.domain, reference.path, registries, access.cert_dir):
        kind = "mirror" if place.mirror else "registry"
        found.append((kind, f"{place.schemes[0]}://{place.authority}/{place.repository}, {_trust(place)}"))
        found.append(("credentials", _credentials(place, access)))
    return tuple(found)


def _trust(place: Endpoint) -> str:
    plain = "; plain HTTP where it has no HTTPS" if place.plain else ""
    if place.verify is False:
        return f"certificate not verified{plain}"
    where = "the system's authorities" if place.verify is True else str(place.verify)
    return f"verified by {where}{plain}" + (f", client certificate {place.cert[0]}" if place.cert else "")


def _credentials(place: Endpoint, access: Access) -> str:
    if access.credentials is not None and not place.mirror:
        return "those of the command line (--creds)"
    files = (AuthFile(access.auth_file),) if access.auth_file else authfiles.usual(os.environ, os.getuid())
    for file in files:
        for how in _in_file(file, place):
            return how
    return "none: asked for anonymously"


def _in_file(file: AuthFile, place: Endpoint) -> Iterator[str]:
    try:
        auths = authfiles.read(file)
    except ConfigError as error:
        yield f"{error.message}: the pull would fail here"
        return
    if auths is None:
        return
    keys = set(authfiles.keys_for(place.host, place.repository))
    helpers = {authfiles.normal(key, docker=True): name for key, name in auths.helpers.items()}
    for key in sorted(keys, key=len, reverse=True):
        if any(authfiles.normal(known, file.docker) == key for known in auths.entries):
            yield f"{file.path}, entry {key}"
        if key in helpers:
            yield f"the program docker-credential-{helpers[key]}, named by {file.path}"
    if auths.store:
        yield f"the program docker-credential-{auths.store}, named by {file.path}, if it has any"
