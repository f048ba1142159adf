"""What ``conman doctor`` asks of this transport: auth files and certificates that others could read, proxies that are no URLs.

Secrets are looked at by their files' permissions alone, never told.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Iterator
from urllib.parse import urlsplit

from conman_kernel.errors import ConfigError
from conman_kernel.slots.doctor import CheckRequest, Finding, Host

from . import authfiles
from .authfiles import AuthFile

if TYPE_CHECKING:
    from conman_kernel.slots.provider import PluginContext

    from . import Options

_PROXIES = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")


def credentials(context: PluginContext[Options], request: CheckRequest) -> Iterator[Finding]:
    """Auth files: readable by us, by nobody else, with helpers that are there."""
    host = request.host
    for file in authfiles.usual(host.environ, host.uid):
        state = host.stat(file.path)
        if state is None:
            continue
        if state.st_mode & 0o077:
            yield Finding("warning", file.path, f"others can read it (mode {stat.S_IMODE(state.st_mode):o}): it holds "
                          f"credentials of "
                          "registries", f"chmod 600 {file.path}")
        yield from _content(host, file)


def _content(host: Host, file: AuthFile) -> Iterator[Finding]:
    try:
        auths = authfiles.read(file._replace(path=host.path(file.path)))
    except ConfigError as error:
        yield Finding("error", file.path, f"{error.message}: pulls from registries fail", error.hint)
        return
    if auths is None:
        return
    for name in sorted({*auths.helpers.values(), auths.store} - {""}):
        if not any(host.exists(f"{folder}/docker-credential-{name}") for folder in host.environ.get("PATH",
                                                                                                    "").split(":") if folder):
            yield Finding("warning", file.path, f"it names the credential helper docker-credential-{name}, which is not in "
                          f"PATH: pulls "
                          "that would ask it fail", "install it, or take it out of the file")


def certificates(context: PluginContext[Options], request: CheckRequest) -> Iterator[Finding]:
    """Files that ``[registry]`` tables name."""
    for name, settings in sorted(context.registries.items()):
        for field, path in (("ca", settings.ca), ("cert", settings.cert), ("key", settings.key)):
            if not path:
                continue
            where = f'registry."{name}".{field}'
            state = request.host.stat(path)
            if state is None or not stat.S_ISREG(state.st_mode):
                yield Finding("error", where, f"{path} is not there: every pull from {name} fails", "correct the path in "
                              "conman.toml")
            elif field != "ca" and state.st_mode & 0o077 and (field == "key" or not settings.key):
                yield Finding("warning", where, f"others can read {path} (mode {stat.S_IMODE(state.st_mode):o}): it holds a "
                              f"private key",
                              f"chmod 600 {path}")
        if settings.insecure and name != "*":
            yield Finding("note", f'registry."{name}"', "insecure: plain HTTP and unverified certificates are accepted from it")


def proxies(context: PluginContext[Options], request: CheckRequest) -> Iterator[Finding]:
    """Proxies of the environment."""
    set_here = {name: request.host.environ[name] for name in _PROXIES if request.host.environ.get(name)}
    for name, value in set_here.items():
        try:
            parts = urlsplit(value if "//" in value else f"http://{value}")
            good = bool(parts.hostname) and (parts.port is None or parts.port > 0)
        except ValueError:
            good = False
        if not good:  # its value may hold a password, and is not shown
            yield Finding("error", name, "it is no URL of a proxy: pulls through it fail", f"correct or unset {name}")
    if set_here:
        yield Finding("note", "proxy", f"registries are reached through a proxy ({', '.join(sorted(set_here))}); loopback "
                      f"addresses "
                      "never are", "list hosts that need none in NO_PROXY" if not (
                          request.host.environ.get("NO_PROXY") or request.host.environ.get("no_proxy")) else "")


def system_trust(context: PluginContext[Options], request: CheckRequest) -> Iterator[Finding]:
    """The system's certificate authorities."""
    import ssl

    paths = ssl.get_default_verify_paths()
    named = [path for path in (paths.openssl_cafile, paths.openssl_capath) if path]
    named += [request.host.environ[name] for name in (paths.openssl_cafile_env, paths.openssl_capath_env)
              if request.host.environ.get(name)]
    if not any(request.host.exists(path) and (not os.path.isdir(request.host.path(path)) or request.host.names(path))
               for path in named):
        yield Finding("warning", "certificates", "the system knows no certificate authority: only registries with a ca of "
                      "their own, "
                      "or on loopback, can be verified", "apt-get install ca-certificates")
