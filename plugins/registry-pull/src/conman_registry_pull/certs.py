"""Which certificates hold for a host: configured ones, or a folder as Docker and podman have it (containers-certs.d(5)):
``*.crt`` are authorities, trusted beside the system's; ``NAME.cert`` with ``NAME.key`` is what the client shows."""

from __future__ import annotations

import os
from typing import NamedTuple

from conman_kernel.errors import ConfigError
from conman_kernel.slots.provider import RegistrySettings

FOLDERS = ("~/.config/containers/certs.d", "/etc/containers/certs.d", "/etc/docker/certs.d")
"""Where a folder per ``host[:port]`` is looked for; the first that exists holds."""


class Certificates(NamedTuple):
    """What is known for a host.

    :param trusted: path of a PEM bundle, or of a folder with ``*.crt``; empty: nothing beside the system's.
    :param client: paths of a certificate and of its key, which may be one file.
    """

    trusted: str
    client: tuple[str, str] | None


def certificates(host: str, settings: RegistrySettings, cert_dir: str, folders: tuple[str, ...] = FOLDERS) -> Certificates:
    """Look it up.

    :param cert_dir: the folder to look into instead of the usual ones.
    :raises ConfigError: a folder cannot be read, or has a certificate without its key.
    """
    client = (settings.cert, settings.key or settings.cert) if settings.cert else None
    trusted = settings.ca
    if trusted and client is not None:
        return Certificates(trusted, client)
    places = (cert_dir,) if cert_dir else tuple(os.path.join(os.path.expanduser(f), host) for f in folders)
    for folder in places:
        try:
            names = sorted(os.listdir(folder))
        except (FileNotFoundError, NotADirectoryError):
            if cert_dir:
                raise ConfigError(f"there is no folder of certificates {folder}") from None
            continue
        except OSError as error:
            raise ConfigError(f"the folder of certificates {folder} cannot be read: {error.strerror}") from None
        if not trusted and any(name.endswith(".crt") for name in names):
            trusted = folder
        return Certificates(trusted, client or _pair(folder, names))
    return Certificates(trusted, client)


def system_trust() -> bool | str:
    """What is handed to the HTTP library as ``verify`` for a host of which nothing else is known."""
    import ssl

    # The machine's own store, not the bundle that HTTP libraries carry along: administrators add to the former.
    paths = ssl.get_default_verify_paths()
    return paths.cafile or paths.capath or True


def _pair(folder: str, names: list[str]) -> tuple[str, str] | None:
    certs = [name for name in names if name.endswith(".cert")]
    if not certs:
        return None
    key = certs[0].removesuffix(".cert") + ".key"
    if key not in names:
        raise ConfigError(f"{folder} has {certs[0]}, but not its key {key}", hint="a client certificate needs both")
    return os.path.join(folder, certs[0]), os.path.join(folder, key)
