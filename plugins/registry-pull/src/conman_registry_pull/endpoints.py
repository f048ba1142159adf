"""Where a repository may be asked for: the mirrors of a registry in order, then the registry itself."""

from __future__ import annotations

import ipaddress
from typing import Mapping, NamedTuple

from conman_kernel.slots.provider import RegistrySettings

_ALIASES = {"docker.io": "registry-1.docker.io", "index.docker.io": "registry-1.docker.io"}
"""Docker Hub is named by one host and served by another."""


class Endpoint(NamedTuple):
    """One place that serves a repository.

    :param host: the registry's name as people write it; credentials are found under it.
    :param authority: ``host[:port]`` that is connected to.
    :param repository: the repository's name there.
    :param schemes: ``https`` alone, or ``https`` and then ``http``.
    :param verify: False, or True for the system's certificates, or the path of a PEM bundle.
    :param mirror: it stands in for another registry.
    """

    host: str
    authority: str
    repository: str
    schemes: tuple[str, ...]
    verify: bool | str
    mirror: bool = False

    @property
    def plain(self) -> bool:
        """Plain HTTP and unverified certificates are accepted."""
        return "http" in self.schemes


def endpoints(host: str, repository: str, registries: Mapping[str, RegistrySettings]) -> tuple[Endpoint, ...]:
    """The places to ask for a repository, in order; the last one is the registry itself."""
    found = []
    for mirror in settings_for(host, registries).mirrors:
        where, _, prefix = mirror.strip("/").partition("/")
        name = f"{prefix}/{repository}" if prefix else repository
        found.append(_endpoint(where, name, registries)._replace(mirror=True))
    return (*found, _endpoint(host, repository, registries))


def settings_for(host: str, registries: Mapping[str, RegistrySettings]) -> RegistrySettings:
    """What is configured for a host; where its own table is silent, the table ``*`` holds."""
    general = registries.get("*", RegistrySettings())
    own = registries.get(host, RegistrySettings())
    return RegistrySettings(insecure=general.insecure if own.insecure is None else own.insecure,
                            ca=own.ca or general.ca, mirrors=own.mirrors or general.mirrors)


def is_loopback(authority: str) -> bool:
    """True for ``localhost``, names below it, and loopback addresses, with or without a port."""
    name = authority.rpartition(":")[0] if authority.rpartition(":")[2].isdigit() else authority
    name = name.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def verification(settings: RegistrySettings) -> bool | str:
    """What is handed to the HTTP library as ``verify`` for a host that must prove itself."""
    if settings.ca:
        return settings.ca
    import ssl

    # The machine's own store, not the bundle that HTTP libraries carry along: administrators add to the former.
    paths = ssl.get_default_verify_paths()
    return paths.cafile or paths.capath or True


def _endpoint(host: str, repository: str, registries: Mapping[str, RegistrySettings]) -> Endpoint:
    settings = settings_for(host, registries)
    # A loopback address proves nothing by a certificate, unless the configuration names one for it.
    insecure = (is_loopback(host) and not settings.ca) if settings.insecure is None else settings.insecure
    return Endpoint(host, _ALIASES.get(host, host), repository, ("https", "http") if insecure else ("https",),
                    False if insecure else verification(settings))
