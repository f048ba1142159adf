"""Accounts at registries: tried, kept, forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

from conman_kernel.cancel import Cancel
from conman_kernel.errors import InvalidInput, NotFound, Unauthorized, Unavailable
from conman_kernel.oci.reference import parse
from conman_kernel.slots.transport import LoginRequest

from .authfiles import normal
from .credentials import Credentials, FindCredentials
from .keyring import Keyring
from .reply import Question

if TYPE_CHECKING:
    from .client import Client
    from .endpoints import Endpoint

_SECONDS = 60.0
"""How long helper programs may take, where nobody gave a token."""


def place_of(registry: str) -> tuple[str, str]:
    """``host[:port][/path]``, as people write it, as host and path. :raises InvalidInput: it is none."""
    bare = normal(registry, False).rstrip("/") if "://" not in registry else normal(registry, True)
    host, slash, path = bare.partition("/")
    try:
        reference = parse(f"{host}/{path or 'x'}") if host and "@" not in bare else None
    except InvalidInput:
        reference = None
    if reference is None or reference.domain != host or reference.tag or (slash and not path):
        raise InvalidInput(f"{registry[:200]!r} is no registry", hint="write host[:port], such as registry.example:5000")
    return host, path


def login(keyring: Keyring, endpoint: Callable[[str], Endpoint], strict: Callable[[FindCredentials], Client],
          request: LoginRequest) -> str:
    """Try credentials, and keep them; see :meth:`conman_kernel.slots.transport.RegistryTransport.login`.

    :param endpoint: from a host to itself.
    :param strict: makes a client that shows these credentials or fails.
    """
    host, path = place_of(request.registry)
    name = f"{host}/{path}" if path else host
    if ":" in request.username:
        raise InvalidInput("a user name cannot hold a colon")
    known = not request.username and not request.password
    given = keyring.kept(host, path, request.cancel) if known else _given(request)
    if given is None:
        raise NotFound(f"not logged into {name}")
    place = endpoint(host)
    client = strict(lambda place, cancel: given)
    try:
        client.ask(place, Question("GET", "", ()), request.cancel).done()
    except Unauthorized as error:
        if error.hint.startswith("trusted_realms"):
            raise
        raise Unauthorized(f'logging into "{name}": invalid username/password',
                           hint=f"{place.authority} said: {error.message}") from None
    except NotFound as error:
        raise Unavailable(f'logging into "{name}": {error.message}', hint=f"is {host} a container registry?") from None
    finally:
        client.close()
    return "" if known else keyring.keep(name, given, request.cancel)


def _given(request: LoginRequest) -> Credentials:
    return Credentials(request.username, request.password) if request.username else Credentials("", "", request.password)


def logout(keyring: Keyring, registry: str) -> bool:
    """Forget credentials, all of them where no registry is named; see the slot."""
    with Cancel(_SECONDS) as cancel:
        if not registry:
            return keyring.forget_all(cancel)
        host, path = place_of(registry)
        return keyring.forget(f"{host}/{path}" if path else host, cancel)


def account(keyring: Keyring, registry: str) -> str | None:
    """The user that is kept for a registry; see the slot."""
    host, path = place_of(registry)
    with Cancel(_SECONDS) as cancel:
        found = keyring.kept(host, path, cancel)
    return found.user if found is not None else None
