"""Auth files as podman and docker keep them: where they lie, what they say, and how they are changed.

Source: containers-auth.json(5); Docker's ``config.json`` (``auths``, ``credHelpers``, ``credsStore``); ``.dockercfg`` before it.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import fcntl
import json
import os
import tempfile
from typing import Callable, Iterator, Mapping, NamedTuple

from conman_kernel.cancel import Cancel
from conman_kernel.errors import ConfigError, InvalidInput, Unavailable
from conman_kernel.oci.documents import get_map, get_str, get_string_map, parse_object

from .credentials import Credentials

MAX_FILE = 4 << 20
HUB = "docker.io"
"""Under this name Docker Hub is known here, whichever of its names a file uses."""
HUB_KEY = "https://index.docker.io/v1/"
"""How docker itself writes it."""
_HUB_NAMES = ("docker.io", "index.docker.io", "registry-1.docker.io")
_RETRY_SECONDS = 0.02
_LOCK_SECONDS = 10.0


class AuthFile(NamedTuple):
    """Where a file lies and which form it has.

    :param legacy: ``.dockercfg``: what is otherwise below ``auths`` is all of it.
    :param docker: a file of docker's, whose keys are hosts, never paths below them.
    """

    path: str
    docker: bool = False
    legacy: bool = False


def usual(environ: Mapping[str, str], uid: int) -> tuple[AuthFile, ...]:
    """The files that are looked into, in podman's order; the first is the one that is written."""
    named = environ.get("REGISTRY_AUTH_FILE", "")
    if named:
        return (AuthFile(os.path.abspath(named)),)
    home = environ.get("HOME") or os.path.expanduser("~")
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    configured = environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
    docker = environ.get("DOCKER_CONFIG") or f"{home}/.docker"
    return (AuthFile(f"{runtime}/containers/auth.json" if runtime else f"/run/containers/{uid}/auth.json"),
            AuthFile(f"{configured}/containers/auth.json"), AuthFile(f"{docker}/config.json", docker=True),
            AuthFile(f"{home}/.dockercfg", docker=True, legacy=True))


class Auths(NamedTuple):
    """What a file says.

    :param entries: by key as it is written.
    :param helpers: from a host to the name of its credential helper; ``store`` is the helper for all others, or empty.
    """

    entries: Mapping[str, Mapping[str, object]]
    helpers: Mapping[str, str]
    store: str


def read(file: AuthFile) -> Auths | None:
    """Read a file; None where there is none.

    :raises ConfigError: it cannot be read, or is not what it should be.
    """
    data = _bytes(file.path)
    if data is None:
        return None
    try:
        document = _document(file.path, data)
        entries = document if file.legacy else get_map(document, "auths", file.path)
        kept = {key: entry for key, entry in ((key, _object(value)) for key, value in entries.items()) if entry is not None}
        if file.legacy:
            return Auths(kept, {}, "")
        return Auths(kept, get_string_map(document, "credHelpers", file.path), get_str(document, "credsStore", file.path))
    except InvalidInput as error:
        raise ConfigError(error.message, hint="correct or remove the file; conman login makes a new one") from None


def normal(key: str, docker: bool) -> str:
    """A key as one that can be compared: without scheme, without a path where it can have none, Docker Hub by one name."""
    bare = key.removeprefix("https://").removeprefix("http://")
    host, slash, path = bare.partition("/")
    path = "" if docker or bare != key else path
    host = HUB if host in _HUB_NAMES else host
    return f"{host}/{path}" if slash and path else host


def keys_for(host: str, repository: str) -> Iterator[str]:
    """What credentials for a repository may be kept under, the most exact first: ``host/a/b``, ``host/a``, ``host``."""
    name = f"{HUB if host in _HUB_NAMES else host}/{repository}" if repository else (HUB if host in _HUB_NAMES else host)
    while name:
        yield name
        name = name.rpartition("/")[0]


def decoded(entry: Mapping[str, object], where: str) -> Credentials | None:
    """An entry's credentials; None where it has none (docker leaves empty ones for what a helper keeps).

    :raises ConfigError: they cannot be read.
    """
    try:
        identity = get_str(entry, "identitytoken", where)
        user, password = get_str(entry, "username", where), get_str(entry, "password", where)
        encoded = get_str(entry, "auth", where)
        if encoded:
            user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
            if not colon:
                raise InvalidInput(f"{where}: 'auth' holds no user and password")
            password = password.rstrip("\0")
    except (InvalidInput, binascii.Error, UnicodeDecodeError) as error:
        raise ConfigError(error.message if isinstance(error, InvalidInput) else f"{where}: 'auth' is not base64 of user:password",
                          hint="conman login again") from None
    return Credentials(user, password, identity) if user or identity else None


def encoded(credentials: Credentials) -> dict[str, object]:
    """An entry that holds these."""
    pair = base64.b64encode(f"{credentials.user}:{credentials.password}".encode()).decode()
    return {"auth": pair, "identitytoken": credentials.identity} if credentials.identity else {"auth": pair}


def change(path: str, edit: Callable[[dict[str, object]], None]) -> None:
    """Change a file under a lock, by rename, readable for nobody else; it is made where it is missing.

    :param edit: changes the document in place; ``auths`` is there.
    :raises ConfigError: what is there cannot be read. :raises Unavailable: it cannot be written.
    """
    folder = os.path.dirname(path) or "."
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        with _locked(folder):
            data = _bytes(path)
            document = dict(_document(path, data)) if data else {}
            entries = document.get("auths")
            document["auths"] = dict(entries) if isinstance(entries, dict) else {}
            edit(document)
            _replace(os.path.realpath(path), json.dumps(document, indent="\t").encode() + b"\n")
    except OSError as error:
        raise Unavailable(f"cannot write {path}: {error.strerror}", hint="--authfile names another file") from None
    except InvalidInput as error:
        raise ConfigError(error.message, hint="correct or remove the file") from None


def _document(path: str, data: bytes) -> Mapping[str, object]:
    # What podman makes of an empty file: nothing is in it.
    return parse_object(data, path, MAX_FILE) if data.strip() else {}


def _bytes(path: str) -> bytes | None:
    try:
        with open(path, "rb") as stream:
            return stream.read(MAX_FILE + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(f"the auth file {path} cannot be read: {error.strerror}") from None


def _object(value: object) -> Mapping[str, object] | None:
    return value if isinstance(value, dict) else None


@contextlib.contextmanager
def _locked(folder: str) -> Iterator[None]:
    # On the folder: nothing more lies about then, and the file itself is replaced.
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with Cancel(_LOCK_SECONDS) as cancel:
            while True:
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    cancel.wait_readable(timeout=_RETRY_SECONDS)
        yield
    finally:
        os.close(fd)


def _replace(path: str, data: bytes) -> None:
    fd, made = tempfile.mkstemp(prefix=".auth-", dir=os.path.dirname(path) or ".")  # with mode 0600
    try:
        with os.fdopen(fd, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(made, path)
    except BaseException:
        os.unlink(made)
        raise
