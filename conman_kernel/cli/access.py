"""How a command line says in which manner registries are to be approached."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import InvalidInput
from ..slots.provider import Access
from .declare import FLAG, Option

if TYPE_CHECKING:
    from .values import Values

AUTH_FILE = Option("--authfile", "File with registry credentials, instead of the usual places", metavar="PATH")

TLS_VERIFY = Option("--tls-verify", "Require HTTPS with a valid certificate; false allows plain HTTP", FLAG, default=True)

ACCESS_OPTIONS: tuple[Option, ...] = (
    AUTH_FILE,
    Option("--cert-dir", "Folder of *.crt, *.cert and *.key for the registry", metavar="PATH"),
    Option("--creds", "Credentials for the registry", metavar="USER[:PASSWORD]"),
    TLS_VERIFY,
)
"""What verbs take that talk to one registry."""


def access(values: Values, *, new_file: bool = False) -> Access:
    """The manner that the options ask for; a verb need not have all of them.

    :param new_file: ``--authfile`` may name a file that is to be made.

    :raises InvalidInput: a named file or folder is not there, or the credentials hold no user.
    """
    known = values.everything()
    auth_file = values.text("authfile") if "authfile" in known else ""
    cert_dir = values.text("cert-dir") if "cert-dir" in known else ""
    if auth_file and not new_file and not os.path.isfile(auth_file):
        raise InvalidInput(f"--authfile {auth_file}: no such file")
    if cert_dir and not os.path.isdir(cert_dir):
        raise InvalidInput(f"--cert-dir {cert_dir}: no such folder")
    return Access(
        tls_verify=values.flag("tls-verify") if values.given("tls-verify") else None,
        auth_file=os.path.abspath(auth_file) if auth_file else "", cert_dir=os.path.abspath(cert_dir) if cert_dir else "",
        credentials=_credentials(values.text("creds") if "creds" in known else ""))


def _credentials(text: str) -> tuple[str, str] | None:
    if not text:
        return None
    user, colon, password = text.partition(":")
    if not user:
        raise InvalidInput("--creds names no user", hint="write USER:PASSWORD")
    if not colon:
        import getpass

        password = getpass.getpass()
    return user, password
