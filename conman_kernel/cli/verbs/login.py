"""``conman login`` and ``conman logout``."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ...errors import InvalidInput, NotFound, Unauthorized
from .. import out
from ..access import access
from ..context import Context
from ..declare import FLAG, Argument, Option, Verb
from ..values import Values

if TYPE_CHECKING:
    from ...images.registries import Registries
    from ...slots.provider import Access

_DEFAULT = "docker.io"


def _login(context: Context, values: Values) -> int:
    host = values.arguments[0] if values.arguments else _DEFAULT
    registries, manner = context.conman().registries, access(values, new_file=True)
    if values.flag("get-login"):
        account = registries.account(host, access=manner)
        if account is None:
            raise NotFound(f"not logged into {host}")
        out.line(account)
        return 0
    said = any(values.given(name) for name in ("username", "password", "password-stdin"))
    if not said and _still_good(registries, host, manner, context):
        return 0
    username, password = _asked(values)
    registries.login(host, username, password, access=manner, cancel=context.cancel)
    out.line("Login Succeeded!")
    return 0


def _still_good(registries: Registries, host: str, manner: Access, context: Context) -> bool:
    """Whether what is kept is still accepted; says so."""
    if registries.account(host, access=manner) is None:
        return False
    out.line(f"Authenticating with existing credentials for {host}")
    try:
        registries.login(host, "", "", access=manner, cancel=context.cancel)
    except Unauthorized:
        out.line("Existing credentials are invalid, please enter valid username and password")
        return False
    out.line(f"Existing credentials are valid. Already logged in to {host}")
    return True


def _asked(values: Values) -> tuple[str, str]:
    username, password = values.text("username"), values.text("password")
    if values.flag("password-stdin"):
        if password:
            raise InvalidInput("--password and --password-stdin exclude each other")
        if not username:
            raise InvalidInput("must provide --username with --password-stdin")
        return username, sys.stdin.readline().rstrip("\r\n")
    if username and password:
        return username, password
    if not os.isatty(0):
        raise InvalidInput("no terminal to ask for the password on", hint="--username NAME --password-stdin")
    import getpass

    if not username:
        sys.stderr.write("Username: ")
        sys.stderr.flush()
        username = sys.stdin.readline().strip()
    return username, password or getpass.getpass()


def _logout(context: Context, values: Values) -> int:
    if values.flag("all"):
        if values.arguments:
            raise InvalidInput("--all takes no registry")
        context.conman().registries.logout_all(access=access(values))
        out.line("Removed login credentials for all registries")
        return 0
    host = values.arguments[0] if values.arguments else _DEFAULT
    if not context.conman().registries.logout(host, access=access(values)):
        raise NotFound(f"not logged into {host}")
    out.line(f"Removed login credentials for {host}")
    return 0


_AUTH_FILE = Option("--authfile", "File that credentials are kept in, instead of the usual place", metavar="PATH")

LOGIN = Verb(
    "login", "Try credentials at a registry, and keep them", _login,
    arguments=(Argument("REGISTRY", 0, 1),),
    options=(
        _AUTH_FILE,
        Option("--cert-dir", "Folder of *.crt, *.cert and *.key for the registry", metavar="PATH"),
        Option("--get-login", "Print the user name that is kept", FLAG),
        Option("--password", "The password; others on this host can see it in the list of processes", short="-p",
               metavar="PASSWORD"),
        Option("--password-stdin", "Read the password from standard input", FLAG),
        Option("--tls-verify", "Require HTTPS with a valid certificate; false allows plain HTTP", FLAG, default=True),
        Option("--username", "The user name", short="-u", metavar="NAME"),
    ))

LOGOUT = Verb(
    "logout", "Forget the credentials for a registry", _logout,
    arguments=(Argument("REGISTRY", 0, 1),),
    options=(Option("--all", "Forget the credentials of every registry", FLAG, short="-a"), _AUTH_FILE))
