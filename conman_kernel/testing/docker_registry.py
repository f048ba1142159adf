"""The reference registry (Debian: ``docker-registry``), started for a test on a free loopback port.

::

    with DockerRegistry(tmp_path) as registry:
        registry.push(layout_folder, "latest", "box:latest")     # needs skopeo
        ...  # pull f"{registry.host}/box:latest"

As a pytest fixture, in a ``conftest.py``::

    @pytest.fixture(scope="session")
    def docker_registry(tmp_path_factory):
        if reason := docker_registry.missing():
            pytest.skip(reason)
        with DockerRegistry(tmp_path_factory.mktemp("registry")) as registry:
            yield registry
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

START_SECONDS = 30.0
STOP_SECONDS = 10.0


def missing() -> str:
    """What this machine lacks for it, as a reason to skip; empty where nothing is missing."""
    lacks = [program for program in ("docker-registry", "skopeo") if shutil.which(program) is None]
    return f"not installed: {', '.join(lacks)}" if lacks else ""


class DockerRegistry:
    """A running ``docker-registry serve`` that stores below one folder. Ends with :meth:`close`.

    :param folder: an existing folder for configuration, log and blobs; what is stored stays there.
    :param htpasswd: lines of ``user:bcrypt-hash``, who alone may come in; empty: everybody.
    :param tls: paths of a certificate and its key (PEM); None speaks plain HTTP.
    :param client_ca: path of the authority (PEM) whose certificates clients must show; empty: they need none.
    :raises RuntimeError: it did not come up; the message holds the end of its log.
    """

    def __init__(self, folder: str | os.PathLike[str], *, htpasswd: str = "", tls: tuple[str, str] | None = None,
                 client_ca: str = "") -> None:
        self.folder = os.fspath(folder)
        self._client_ca = client_ca
        self._htpasswd = htpasswd
        self._tls = tls
        os.makedirs(os.path.join(self.folder, "store"), exist_ok=True)
        self._log = os.path.join(self.folder, "registry.log")
        for _ in range(3):
            # The free port may be taken by somebody else in between: then the registry exits and another is tried.
            self.host = f"127.0.0.1:{_free_port()}"
            self._process = self._start()
            if self._wait():
                return
        raise RuntimeError(f"docker-registry did not start: {self._tail()}")

    def push(self, layout: str | os.PathLike[str], ref: str, name: str, *, format: str = "") -> None:
        """Copy an image of an OCI layout folder into the registry: as it is, or in another format.

        :param ref: its name in the folder.
        :param name: ``repository:tag``.
        :param format: what skopeo converts it to, such as ``v2s2``; digests change then.
        :raises RuntimeError: skopeo failed; the message holds its words.
        """
        kept = ["--format", format] if format else ["--all", "--preserve-digests"]
        done = subprocess.run(
            ["skopeo", "--insecure-policy", "copy", *kept, "--quiet", "--dest-tls-verify=false",
             f"oci:{os.fspath(layout)}:{ref}", f"docker://{self.host}/{name}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"skopeo: {done.stdout.decode(errors='replace').strip()}")

    def close(self) -> None:
        """End the registry. May be called twice."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def __enter__(self) -> DockerRegistry:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def _start(self) -> subprocess.Popen[bytes]:
        path = os.path.join(self.folder, "config.yml")
        with open(path, "w", encoding="utf-8") as stream:
            # JSON is YAML, too.
            json.dump({"version": 0.1, "log": {"level": "warn"}, **self._manner(),
                       "storage": {"filesystem": {"rootdirectory": os.path.join(self.folder, "store")}}}, stream)
        with open(self._log, "ab") as log:
            return subprocess.Popen(["docker-registry", "serve", path], stdin=subprocess.DEVNULL, stdout=log,
                                    stderr=subprocess.STDOUT)

    def _manner(self) -> dict[str, object]:
        http: dict[str, object] = {"addr": self.host}
        if self._tls is not None:
            http["tls"] = {"certificate": self._tls[0], "key": self._tls[1],
                           **({"clientcas": [self._client_ca]} if self._client_ca else {})}
        if not self._htpasswd:
            return {"http": http}
        path = os.path.join(self.folder, "htpasswd")
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(self._htpasswd + "\n")
        return {"http": http, "auth": {"htpasswd": {"realm": "conman", "path": path}}}

    def _wait(self) -> bool:
        """True once it accepts connections, False when it ended. Another's listening socket cannot be waited on."""
        host, _, port = self.host.partition(":")
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            try:
                socket.create_connection((host, int(port)), timeout=1).close()
                return True
            except OSError:
                try:
                    self._process.wait(0.02)
                    return False
                except subprocess.TimeoutExpired:
                    continue
        self.close()
        return False

    def _tail(self) -> str:
        with open(self._log, encoding="utf-8", errors="replace") as stream:
            return stream.read()[-500:].strip()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
