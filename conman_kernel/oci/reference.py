"""References: how people name images.

The grammar of names is the one that registries and Docker share: ``[domain/]path[:tag][@digest]`` (the repository
``distribution/reference``). A scheme may stand before it (``docker://``); a local source is ``scheme:/path[:name]``, as
in ``oci:/path`` and ``oci-archive:/path``. A name without a domain is *short* until :meth:`Reference.expand` says where
to look for it.
"""

from __future__ import annotations

import re
from typing import Sequence

from ..errors import InvalidInput
from ..record import Record
from . import digest as digests

DEFAULT_SCHEME = "docker"
DEFAULT_DOMAIN = "docker.io"
DEFAULT_TAG = "latest"
MAX_NAME = 255
MAX_PATH = 4096

LOCAL_SCHEMES = ("oci", "oci-archive", "docker-archive", "dir")
"""Schemes whose location is always a path, also a relative one without ``./``."""

_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_PATH = rf"{_COMPONENT}(?:/{_COMPONENT})*"
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_LOCAL_NAME = r"[A-Za-z0-9_]+(?:[-.:@+/]+[A-Za-z0-9_]+)*[-.]*|@[0-9]{1,9}"""
# OCI's grammar of ref.name, and whatever Docker's of names and tags takes; @N counts the images from 0
_SCHEME = r"[a-z][a-z0-9-]{0,31}"


class Reference(Record):
    """The name of an image, checked.

    :param scheme: which transport: ``docker`` for registries.
    :param domain: the registry's ``host[:port]``; empty for a short name and for local sources.
    :param path: the repository below the domain, or the path of a local source.
    :param tag: empty where none was given; for a local source the name inside it, or ``@`` and its place there.
    :param digest: ``sha256:<64 hex>``, or empty.
    """

    scheme: str
    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def local(self) -> bool:
        """True for a folder or archive on this machine."""
        return self.scheme != DEFAULT_SCHEME and not self.domain

    @property
    def short(self) -> bool:
        """True where no registry is named: see :meth:`expand`."""
        return not self.domain and not self.local

    @property
    def repository(self) -> str:
        """``docker.io/library/alpine``: without tag and digest."""
        return f"{self.domain}/{self.path}" if self.domain else self.path

    @property
    def location(self) -> str:
        """What a transport is given: all but the scheme."""
        return self.repository + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    def __str__(self) -> str:
        if self.local:
            return f"{self.scheme}:{self.location}"
        return self.location if self.scheme == DEFAULT_SCHEME else f"{self.scheme}://{self.location}"

    def familiar(self) -> str:
        """As Docker's users write it: ``docker.io/library/`` and ``docker.io/`` left out."""
        if self.domain != DEFAULT_DOMAIN:
            return str(self)
        path = self.path.removeprefix("library/")
        return str(self._replace(domain="", path=self.path if "/" in path else path))

    def with_default_tag(self) -> Reference:
        """The same with the tag ``latest`` where neither tag nor digest is given. A local source stays as it is."""
        return self if self.tag or self.digest or self.local else self._replace(tag=DEFAULT_TAG)

    def expand(self, short_names: Sequence[str]) -> tuple[Reference, ...]:
        """Where to look for it, in order, each with a tag or digest.

        :param short_names: prefixes for names without a domain, such as ``docker.io/library`` or
            ``registry.example:5000/mirror``. On ``docker.io``, a name of several components replaces ``library``:
            ``user/x`` is ``docker.io/user/x``.
        :raises InvalidInput: a prefix has no domain, the whole is too long, or there is no prefix at all.
        """
        if not self.short:
            return (self.with_default_tag(),)
        found: list[Reference] = []
        for prefix in short_names:
            domain, _, below = prefix.strip("/").partition("/")
            if domain == DEFAULT_DOMAIN and "/" in self.path and below == "library":
                below = ""
            name = "/".join(part for part in (domain, below, self.path) if part)
            full = parse(name)
            if full.short:
                raise InvalidInput(f"the short_names prefix {prefix!r} names no registry",
                                   hint="write host/path, such as docker.io/library")
            found.append(full._replace(tag=self.tag, digest=self.digest).with_default_tag())
        if not found:
            raise InvalidInput(f"the short name {self.location!r} names no registry, and short_names is empty",
                               hint="write the whole name, such as docker.io/library/alpine")
        return tuple(dict.fromkeys(found))


def parse(text: str) -> Reference:
    """Read a reference. Only what the text implies is added: ``docker.io/alpine`` is ``docker.io/library/alpine``.

    :raises InvalidInput: with one line that says what is wrong.
    """
    if not text:
        raise InvalidInput("an image reference is empty")
    if len(text) > MAX_PATH or not text.isprintable():
        raise InvalidInput(f"invalid image reference {text[:100]!r}: too long, or unprintable characters")
    remote = re.match(rf"({_SCHEME})://", text)
    if remote:
        named = _parse_named(text[remote.end():], text, remote[1])
        return named if named.domain else _docker_hub(named)
    local = re.match(rf"({_SCHEME}):(?=\.{{0,2}}/)", text)
    if local or (text.partition(":")[0] in LOCAL_SCHEMES and ":" in text):
        scheme, _, rest = text.partition(":")
        return _parse_local(scheme, rest, text)
    return _parse_named(text, text, DEFAULT_SCHEME)


def _parse_local(scheme: str, rest: str, text: str) -> Reference:
    path, colon, name = rest.partition(":")
    if not path:
        raise InvalidInput(f"invalid image reference {text!r}: no path after {scheme!r}")
    if colon and not re.fullmatch(_LOCAL_NAME, name):
        raise InvalidInput(f"invalid image reference {text!r}: {name!r} cannot be the name of an image in it")
    return Reference(scheme, "", path, name)


def _parse_named(rest: str, text: str, scheme: str) -> Reference:
    name, at, digest = rest.partition("@")
    if at:
        try:
            digests.parse(digest)
        except InvalidInput as error:
            raise InvalidInput(f"invalid image reference {text!r}: {error.message}", hint=error.hint) from None
    domain, path = _split_domain(name)
    path, colon, tag = path.partition(":")
    if colon and not re.fullmatch(_TAG, tag):
        problem = f"{tag!r} is no tag" if tag else "the tag is empty"
        raise InvalidInput(f"invalid image reference {text!r}: {problem}",
                           hint="a tag has up to 128 letters, digits, '_', '.', '-'; the first is neither '.' nor '-'")
    if domain and not re.fullmatch(_DOMAIN, domain):
        raise InvalidInput(f"invalid image reference {text!r}: {domain!r} is no registry host")
    if path != path.lower():
        raise InvalidInput(f"invalid image reference {text!r}: the repository name must be lower case")
    if not re.fullmatch(_PATH, path):
        raise InvalidInput(f"invalid image reference {text!r}: {path!r} is no repository name")
    if domain in (DEFAULT_DOMAIN, "index.docker.io"):
        found = _docker_hub(Reference(scheme, "", path, tag, digest))
    else:
        found = Reference(scheme, domain, path, tag, digest)
    if len(found.repository) > MAX_NAME:
        raise InvalidInput(f"invalid image reference {text[:100]!r}...: the name is longer than {MAX_NAME} characters")
    if not domain and not tag and len(path) == 64 and digests.is_hex(path):
        raise InvalidInput(f"invalid image reference {text!r}: 64 hexadecimal digits are an image id, not a name")
    return found


def _split_domain(name: str) -> tuple[str, str]:
    # The first component is a host only where it cannot be part of a repository's name (or is localhost).
    first, slash, rest = name.partition("/")
    if slash and (first == "localhost" or "." in first or ":" in first or first != first.lower()):
        return first, rest
    return "", name


def _docker_hub(short: Reference) -> Reference:
    path = short.path if "/" in short.path else f"library/{short.path}"
    return short._replace(domain=DEFAULT_DOMAIN, path=path)
