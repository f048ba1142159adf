"""Where a repository may be asked for: the mirrors of a registry in order, then the registry itself."""

from __future__ import annotations

import socket
from typing import Mapping, NamedTuple

from conman_kernel.slots.provider import RegistrySettings

from .certs import certificates, system_trust

_ALIASES = {"docker.io": "registry-1.docker.io", "index.docker.io": "registry-1.docker.io"}
"""Docker Hub is named by one host and served by another."""


class Endpoint(NamedTuple):
    """One place that serves a repository.

    :param host: the registry's name as people write it; credentials are found under it.
    :param authority: ``host[:port]`` that is connected to.
    :param repository: the repository's name there; empty for the registry as a whole.
    :param schemes: ``https`` alone, or ``https`` and then ``http``.
    :param verify: False, or True for the system's certificates, or the path of a PEM bundle or of a folder (see :mod:`.certs`).
    :param mirror: it stands in for another registry.
    :param cert: paths of a client certificate and its key.
    """

    host: str
    authority: str
    repository: str
    schemes: tuple[str, ...]
    verify: bool | str
    mirror: bool = False
    cert: tuple[str, str] | None = None

    @property
    def plain(self) -> bool:
        """Plain HTTP and unverified certificates are accepted."""
        return "http" in self.schemes


def endpoints(host: str, repository: str, registries: Mapping[str, RegistrySettings],
              cert_dir: str = "") -> tuple[Endpoint, ...]:
    """The places to ask for a repository, in order; the last one is the registry itself.

    :param cert_dir: a folder of certificates that holds for all of them; empty: the usual places.
    """
    found = []
    for mirror in settings_for(host, registries).mirrors:
        where, _, prefix = mirror.strip("/").partition("/")
        name = f"{prefix}/{repository}" if prefix else repository
        found.append(endpoint(where, name, registries, cert_dir)._replace(mirror=True))
    return (*found, endpoint(host, repository, registries, cert_dir))


def endpoint(host: str, repository: str, registries: Mapping[str, RegistrySettings], cert_dir: str = "") -> Endpoint:
    """A host alone, without its mirrors."""
    settings = settings_for(host, registries)
    known = certificates(host, settings, cert_dir)
    # A loopback address proves nothing by a certificate, unless the configuration names one for it.
    insecure = (is_loopback(host) and not known.trusted) if settings.insecure is None else settings.insecure
    return Endpoint(host, _ALIASES.get(host, host), repository, ("https", "http") if insecure else ("https",),
                    False if insecure else known.trusted or system_trust(), cert=known.client)


def settings_for(host: str, registries: Mapping[str, RegistrySettings]) -> RegistrySettings:
    """What is configured for a host; where its own table is silent, the table ``*`` holds."""
    general = registries.get("*", RegistrySettings())
    own = registries.get(host, RegistrySettings())
    paired = own if own.cert else general  # a key belongs to its certificate
    return RegistrySettings(insecure=general.insecure if own.insecure is None else own.insecure, ca=own.ca or general.ca,
                            mirrors=own.mirrors or general.mirrors, cert=paired.cert, key=paired.key)


def is_loopback(authority: str) -> bool:
    """True for ``localhost``, names below it, and loopback addresses, with or without a port."""
    name = authority.rpartition(":")[0] if authority.rpartition(":")[2].isdigit() else authority
    name = name.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    for family, loopback in ((socket.AF_INET, b"\x7f"), (socket.AF_INET6, bytes(15) + b"\1")):
        try:
            return socket.inet_pton(family, name).startswith(loopback)
        except OSError:
            continue  # no address of this family
    return False
