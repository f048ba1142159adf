"""Programs that keep credentials: ``docker-credential-NAME`` (docker-credential-helpers, "Development")."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from typing import Mapping

from conman_kernel.cancel import Cancel
from conman_kernel.errors import ConfigError, InvalidInput, Unavailable
from conman_kernel.oci.documents import get_str, get_string_map, parse_object

from .credentials import Credentials

SECONDS = 60.0
"""How long a helper may take: some ask a person to unlock a keyring."""
MAX_ANSWER = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_MISSING = ("credentials not found", "no credentials server URL", "not found in native keychain")
_TOKEN_USER = "<token>"


class Helper:
    """One program.

    :param name: what follows ``docker-credential-``.
    :raises ConfigError: that is no name of a program.
    """

    def __init__(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise ConfigError(f"the credential helper {name[:60]!r} has no name of a program")
        self.program = f"docker-credential-{name}"

    def get(self, server: str, cancel: Cancel) -> Credentials | None:
        """What it keeps for a server; None where that is nothing. Errors as :meth:`_run`."""
        status, answer = self._run("get", server.encode(), cancel)
        if status != 0:
            said = _words(answer)
            if any(words in said for words in _MISSING):
                return None
            raise Unavailable(f"{self.program} get failed: {said or f'exit status {status}'}")
        what = f"the answer of {self.program}"
        try:
            document = parse_object(answer, what, MAX_ANSWER)
            user, secret = get_str(document, "Username", what), get_str(document, "Secret", what)
        except InvalidInput as error:
            raise Unavailable(error.message) from None
        if not secret:
            return None
        return Credentials("", "", secret) if user == _TOKEN_USER else Credentials(user, secret)

    def store(self, server: str, credentials: Credentials, cancel: Cancel) -> None:
        """Let it keep something. Errors as :meth:`_run`."""
        user = _TOKEN_USER if credentials.identity else credentials.user
        secret = credentials.identity or credentials.password
        self._done("store", json.dumps({"ServerURL": server, "Username": user, "Secret": secret}).encode(), cancel)

    def erase(self, server: str, cancel: Cancel) -> None:
        """Let it forget something. Errors as :meth:`_run`."""
        self._done("erase", server.encode(), cancel)

    def list(self, cancel: Cancel) -> Mapping[str, str]:
        """For which servers it keeps which user. Errors as :meth:`_run`."""
        answer = self._done("list", b"", cancel)
        what = f"the answer of {self.program}"
        try:
            document = parse_object(answer, what, MAX_ANSWER)
            return get_string_map({"servers": document}, "servers", what)
        except InvalidInput as error:
            raise Unavailable(error.message) from None

    def _done(self, action: str, given: bytes, cancel: Cancel) -> bytes:
        status, answer = self._run(action, given, cancel)
        if status != 0:
            raise Unavailable(f"{self.program} {action} failed: {_words(answer) or f'exit status {status}'}")
        return answer

    def _run(self, action: str, given: bytes, cancel: Cancel) -> tuple[int, bytes]:
        """Run it.

        :returns: its exit status and what it printed, which on failure are its words of error.
        :raises Unavailable: it is not there, or takes too long, or prints without end.
        :raises Cancelled: or :class:`DeadlineExceeded`, as the token says; the program is killed.
        """
        try:
            process = subprocess.Popen([self.program, action], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL)
        except OSError as error:
            raise Unavailable(f"the credential helper {self.program} cannot be started: {error.strerror}",
                              hint="an auth file names it; install it, or remove it there") from None
        with process:
            try:
                assert process.stdin is not None and process.stdout is not None
                try:
                    # A server's name or a secret fits into a pipe's buffer, whether or not it is read.
                    os.write(process.stdin.fileno(), given)
                except BrokenPipeError:
                    pass  # it has said what it has to say already: the exit status tells
                process.stdin.close()
                answer = self._read(process.stdout.fileno(), cancel)
                process.stdout.close()
                return process.wait(SECONDS), answer
            except subprocess.TimeoutExpired:
                raise Unavailable(f"{self.program} {action} did not end within {SECONDS:g} s") from None
            finally:
                process.kill()

    def _read(self, fd: int, cancel: Cancel) -> bytes:
        answer, end = b"", time.monotonic() + SECONDS
        while True:
            if not cancel.wait_readable(fd, timeout=max(0.0, end - time.monotonic())):
                raise Unavailable(f"{self.program} did not answer within {SECONDS:g} s")
            piece = os.read(fd, 65536)
            if not piece:
                return answer
            answer += piece
            if len(answer) > MAX_ANSWER:
                raise Unavailable(f"{self.program} prints more than {MAX_ANSWER} bytes")


def _words(answer: bytes) -> str:
    text = answer[:400].decode(errors="replace")
    return "".join(c if c.isprintable() else " " for c in text).strip()
