"""TLS contexts, made once per kind and shared by connections: reading the system's certificates takes some 27 ms."""

from __future__ import annotations

import os
import ssl
import threading

from urllib3.util.ssl_ import create_urllib3_context

_Key = tuple[bool, str, str, str, str]


class Contexts:
    """Makes and keeps TLS contexts. Usable from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[_Key, ssl.SSLContext] = {}

    def get(self, *, verified: bool, bundle: str, folder: str, cert: str, key: str) -> ssl.SSLContext:
        """The context for connections of one kind.

        :param verified: False: whatever certificate the host shows is accepted.
        :param bundle: path of a PEM file of authorities; empty: none.
        :param folder: path of a folder of authorities: the system's own, or one whose ``*.crt`` count beside the system's.
        :param cert: path of the client's certificate, ``key`` of its key; empty: none is shown.
        :raises OSError: a file cannot be read or used (``ssl.SSLError`` is one).
        """
        known = (verified, bundle, folder, cert, key)
        with self._lock:
            context = self._made.get(known)
            if context is None:
                context = self._made[known] = _context(*known)
        return context


def _context(verified: bool, bundle: str, folder: str, cert: str, key: str) -> ssl.SSLContext:
    context: ssl.SSLContext = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED if verified else ssl.CERT_NONE)
    if verified:
        system = ssl.get_default_verify_paths()
        if folder and folder != system.capath:
            context.load_default_certs()
            for name in sorted(os.listdir(folder)):
                if name.endswith(".crt"):
                    context.load_verify_locations(os.path.join(folder, name))
        elif bundle or folder:
            context.load_verify_locations(bundle or None, folder or None)
        else:
            context.load_default_certs()
    if cert:
        # Without an answer of ours, OpenSSL would ask for the password of an encrypted key on the terminal.
        context.load_cert_chain(cert, key or None, password=lambda: "")
    return context
