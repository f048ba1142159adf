"""Who a person is at registries: from the place that is asked for to what is known for it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Callable, NamedTuple

from conman_kernel.cancel import Cancel

if TYPE_CHECKING:
    from .endpoints import Endpoint


class Credentials(NamedTuple):
    """What one registry knows a person by.

    :param identity: a token that is exchanged for others (``identitytoken`` in auth files); user and password then do not count.
    """

    user: str
    password: str
    identity: str = ""

    @property
    def basic(self) -> str:
        """The value of an Authorization header (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    def __repr__(self) -> str:
        """Without what is secret: representations end up in logs."""
        return f"Credentials(user={self.user!r})"


FindCredentials = Callable[["Endpoint", Cancel], "Credentials | None"]
"""From an endpoint to its credentials; may have to ask a helper program, which the token can end."""


def nobody(endpoint: Endpoint, cancel: Cancel) -> Credentials | None:
    """No credentials for anybody: everything is anonymous."""
    return None
