"""Credentials as they are kept: found in auth files and helper programs, kept there, forgotten there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Sequence

from conman_kernel.cancel import Cancel
from conman_kernel.errors import ConfigError

from . import authfiles
from .authfiles import HUB, HUB_KEY, AuthFile, Auths
from .credentials import Credentials
from .programs import Helper

if TYPE_CHECKING:
    from conman_kernel.slots.provider import Access

    from .endpoints import Endpoint


class Keyring:
    """What is kept. Reads files anew each time, so that a login elsewhere is seen. Usable from several threads.

    :param access: its ``auth_file`` is the only file that counts; its ``credentials`` come before all that is kept, at
        the registry that was named, never at a mirror.
    """

    def __init__(self, access: Access) -> None:
        self._given = Credentials(*access.credentials) if access.credentials is not None else None
        self._files: tuple[AuthFile, ...] = ((AuthFile(access.auth_file),) if access.auth_file
                                             else authfiles.usual(os.environ, os.getuid()))

    def find(self, endpoint: Endpoint, cancel: Cancel) -> Credentials | None:
        """The credentials for an endpoint. :raises ConfigError: a file is broken. :raises Unavailable: a helper is."""
        if self._given is not None and not endpoint.mirror:
            return self._given
        return self.kept(endpoint.host, endpoint.repository, cancel)

    def kept(self, host: str, repository: str, cancel: Cancel) -> Credentials | None:
        """What files and helpers have for a repository, or for a host where it is empty. Errors as :meth:`find`."""
        for file in self._files:
            auths = authfiles.read(file)
            if auths is None:
                continue
            found = _in_file(file, auths, host, repository, cancel)
            if found is not None:
                return found
        return None

    def keep(self, registry: str, credentials: Credentials, cancel: Cancel) -> str:
        """Keep credentials, in the helper that the file names for the host, else in the file.

        :param registry: ``host`` or ``host/path``.
        :returns: where they are now: a path, or a program's name.
        """
        file = self._files[0]
        auths = authfiles.read(file)
        name = _helper(auths, registry) if auths is not None else ""
        if name:
            helper = Helper(name)
            helper.store(_server(registry), credentials, cancel)
            return helper.program
        authfiles.change(file.path, lambda document: _entries(document).__setitem__(registry, authfiles.encoded(credentials)))
        return file.path

    def forget(self, registry: str, cancel: Cancel) -> bool:
        """Forget what is kept for ``host`` or ``host/path`` in the file that logins go to. :returns: False: there was nothing."""
        file = self._files[0]
        auths = authfiles.read(file)
        if auths is None:
            return False
        gone = False
        name = _helper(auths, registry)
        if name:
            helper = Helper(name)
            for server in _servers(registry):
                if helper.get(server, cancel) is not None:
                    helper.erase(server, cancel)
                    gone = True
        keys = [key for key in auths.entries if authfiles.normal(key, file.docker) == authfiles.normal(registry, False)]
        if keys:
            authfiles.change(file.path, lambda document: _remove(document, keys))
        return gone or bool(keys)

    def forget_all(self, cancel: Cancel) -> bool:
        """Forget everything that lies in the file that logins go to, and in its helpers. :returns: False: there was nothing."""
        file = self._files[0]
        auths = authfiles.read(file)
        if auths is None:
            return False
        gone = bool(auths.entries)
        for host, name in auths.helpers.items():
            for server in _servers(host):
                if Helper(name).get(server, cancel) is not None:
                    Helper(name).erase(server, cancel)
                    gone = True
        if auths.store:
            for server in Helper(auths.store).list(cancel):
                Helper(auths.store).erase(server, cancel)
                gone = True
        if auths.entries:
            authfiles.change(file.path, lambda document: _remove(document, list(auths.entries)))
        return gone


def _in_file(file: AuthFile, auths: Auths, host: str, repository: str, cancel: Cancel) -> Credentials | None:
    named = next((name for key, name in auths.helpers.items() if authfiles.normal(key, True) == authfiles.normal(host, True)), "")
    if named:
        return _ask(Helper(named), host, cancel)
    by_key = {authfiles.normal(key, file.docker): (key, entry) for key, entry in auths.entries.items()}
    for wanted in authfiles.keys_for(host, repository):
        if wanted in by_key:
            key, entry = by_key[wanted]
            found = authfiles.decoded(entry, f"{file.path}: the entry {key[:200]!r}")
            if found is not None:
                return found
    return _ask(Helper(auths.store), host, cancel) if auths.store else None


def _ask(helper: Helper, host: str, cancel: Cancel) -> Credentials | None:
    for server in _servers(host):
        found = helper.get(server, cancel)
        if found is not None:
            return found
    return None


def _helper(auths: Auths, registry: str) -> str:
    """The helper that a new login goes to; none is for a part of a registry."""
    if "/" in registry:
        return ""
    wanted = authfiles.normal(registry, True)
    return next((name for key, name in auths.helpers.items() if authfiles.normal(key, True) == wanted), auths.store)


def _server(registry: str) -> str:
    return HUB_KEY if registry == HUB else registry


def _servers(host: str) -> Sequence[str]:
    """The names that a helper may know a host by: docker's own for Docker Hub first."""
    return (HUB_KEY, HUB) if authfiles.normal(host, True) == HUB else (host, f"https://{host}")


def _entries(document: dict[str, object]) -> dict[str, object]:
    entries = document["auths"]
    if not isinstance(entries, dict):
        raise ConfigError("an auth file's 'auths' is no object")
    return entries


def _remove(document: dict[str, object], keys: Sequence[str]) -> None:
    for key in keys:
        _entries(document).pop(key, None)


