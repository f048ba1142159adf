"""Registries as such: accounts, repositories, tags. What is in them is the image service's affair."""

from __future__ import annotations

from typing import Iterator

from ..cancel import Cancel
from ..oci.reference import DEFAULT_DOMAIN, parse
from ..slots.provider import AS_CONFIGURED, Access
from ..slots.transport import LoginRequest, ResolveRequest
from .destinations import registry
from .parts import Parts


class Registries:
    """Accounts at registries, and what they list. Thread-safe."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def login(self, host: str, username: str, password: str, *, access: Access = AS_CONFIGURED,
              cancel: Cancel | None = None) -> str:
        """Try credentials and keep them; without user and password, try those that are kept.

        :param host: ``registry.example[:port][/path]``; empty: docker.io.
        :param username: empty with an identity token as ``password``.
        :returns: where they are kept.
        :raises Unauthorized: the registry refuses them; nothing is kept.
        :raises NotFound: those that are kept were to be tried, and there are none.
        :raises Unavailable: it cannot be reached; or they cannot be kept.
        """
        request = LoginRequest(host or DEFAULT_DOMAIN, username, password, cancel if cancel is not None else Cancel())
        return registry(self._parts, access).login(request)

    def logout(self, host: str, *, access: Access = AS_CONFIGURED) -> bool:
        """Forget credentials.

        :param host: as in :meth:`login`.
        :returns: False where there were none.
        """
        return registry(self._parts, access).logout(host or DEFAULT_DOMAIN)

    def logout_all(self, *, access: Access = AS_CONFIGURED) -> bool:
        """Forget the credentials of every registry. :returns: False where there were none."""
        return registry(self._parts, access).logout("")

    def account(self, host: str, *, access: Access = AS_CONFIGURED) -> str | None:
        """The user name kept for a registry.

        :param host: as in :meth:`login`.
        :returns: None where there is none.
        """
        return registry(self._parts, access).account(host or DEFAULT_DOMAIN)

    def tags(self, repository: str, *, access: Access = AS_CONFIGURED, cancel: Cancel | None = None) -> Iterator[str]:
        """The tags of a repository, as they are read.

        :param repository: ``host/path``; a short name is looked for at the first of ``short_names``.
        :raises NotFound, Unauthorized, Unavailable: as the transport says, here or while it is read.
        """
        reference = parse(repository).expand(self._parts.short_names)[0]
        return registry(self._parts, access).tags(
            ResolveRequest(reference.repository, cancel if cancel is not None else Cancel()))

    def repositories(self, host: str, *, access: Access = AS_CONFIGURED, cancel: Cancel | None = None) -> Iterator[str]:
        """The repositories of a registry that has a catalogue, as they are read, without the registry's name.

        :param host: ``registry.example[:port]``.
        :raises Unavailable: it has none, or cannot be reached.
        """
        return registry(self._parts, access).repositories(ResolveRequest(host, cancel if cancel is not None else Cancel()))
