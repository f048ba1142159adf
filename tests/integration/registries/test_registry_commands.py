"""login, push, registry and pull against Debian's docker-registry: with a password, with TLS, as podman does it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.testing import docker_registry
from conman_kernel.testing.command import Command
from conman_kernel.testing.docker_registry import DockerRegistry
from conman_kernel.testing.images import file, image, layer, write_layout

ANN = "ann:$2b$04$aKLRsCjRU3qYzb3GIUMT2eZnXPx/y8qJhDxTJlvrpwkZ2J4W/wq66"
"""ann's password is s3cret."""


@pytest.fixture(scope="module")
def registry(tmp_path_factory) -> Iterator[DockerRegistry]:
    if reason := docker_registry.missing():
        pytest.skip(reason)
    with DockerRegistry(tmp_path_factory.mktemp("registry"), htpasswd=ANN) as made:
        yield made


@pytest.fixture
def conman(scratch: Path) -> Command:
    """The command of a person whose folders are empty, with one image: ``localhost/box:v1``."""
    made = Command(str(scratch), {"HOME": f"{scratch}/home", "XDG_RUNTIME_DIR": f"{scratch}/run-user", "REGISTRY_AUTH_FILE": ""})
    write_layout(image([layer([file("f", os.urandom(300_000))]), layer([file("g", b"g")])]), f"{scratch}/layout", tag="v1")
    made.ok("pull", "-q", f"oci:{scratch}/layout:v1")
    made.ok("tag", made.ok("images", "-q").strip(), "localhost/box:v1")
    return made


def skopeo(registry: DockerRegistry, name: str) -> dict:
    done = subprocess.run(["skopeo", "inspect", "--creds=ann:s3cret", "--tls-verify=false", f"docker://{registry.host}/{name}"],
                          check=True, capture_output=True)
    return json.loads(done.stdout)


def test_a_day_with_a_registry(conman: Command, registry: DockerRegistry, scratch: Path) -> None:
    host = registry.host
    refused = conman("login", host, "-u", "ann", "-p", "wrong")
    assert (refused.returncode, refused.stdout) == (125, "")
    assert refused.stderr.startswith(f'Error: logging into "{host}": invalid username/password\n')
    gone = conman("login", host, "--get-login")
    assert (gone.returncode, gone.stderr) == (125, f"Error: not logged into {host}\n")
    done = conman("login", host, "-u", "ann", "--password-stdin", stdin=b"s3cret\n")
    assert (done.returncode, done.stdout) == (0, "Login Succeeded!\n")
    assert os.stat(scratch / "run-user/containers/auth.json").st_mode & 0o777 == 0o600
    assert conman.ok("login", host, "--get-login") == "ann\n"
    assert conman.ok("login", host) == (f"Authenticating with existing credentials for {host}\n"
                                        f"Existing credentials are valid. Already logged in to {host}\n")

    pushed = conman("push", "localhost/box:v1", f"{host}/team/box:v1", "--digestfile", f"{scratch}/digest")
    assert pushed.returncode == 0 and pushed.stdout == ""
    seen = skopeo(registry, "team/box:v1")
    assert seen["Digest"] == (scratch / "digest").read_text()
    assert "mounted" in conman("push", "localhost/box:v1", f"{host}/team/other:v1").stderr
    assert "already exists" in conman("push", "localhost/box:v1", f"{host}/team/other:v2").stderr
    assert sorted(conman.ok("registry", "tags", f"{host}/team/other").split()) == ["v1", "v2"]
    assert conman.ok("registry", "ls", host).split() == ["team/box", "team/other"]
    assert len(conman.ok("pull", "-q", "--all-tags", f"{host}/team/other").split()) == 2
    listed = conman.ok("images", "-n", "--format", "{{.Repository}}:{{.Tag}} {{.Containers}} {{.History}}").splitlines()
    assert {line.split()[0] for line in listed} >= {f"{host}/team/other:v1", f"{host}/team/other:v2"}
    assert all(line.split()[1] == "0" and f"{host}/team/other:v1" in line for line in listed)
    tagged = conman("pull", "-q", "--all-tags", f"{host}/team/other:v1")
    assert tagged.returncode == 125 and "without a tag" in tagged.stderr

    assert conman.ok("logout", host) == f"Removed login credentials for {host}\n"
    again = conman("logout", host)
    assert (again.returncode, again.stderr) == (125, f"Error: not logged into {host}\n")
    assert conman.ok("logout", "--all") == "Removed login credentials for all registries\n"
    for verb in (("pull", f"{host}/team/box:v1"), ("push", "localhost/box:v1", f"{host}/team/new:v1"), ("registry", "ls", host)):
        nobody = conman(*verb)
        assert nobody.returncode == 125 and "asks for credentials" in nobody.stderr and "conman login" in nobody.stderr
    assert conman("pull", "-q", "--creds", "ann:s3cret", f"{host}/team/box:v1").returncode == 0


def test_podman_and_conman_share_logins(conman: Command, registry: DockerRegistry, scratch: Path) -> None:
    file = f"{scratch}/auth.json"
    subprocess.run(["podman", "login", "--authfile", file, "--tls-verify=false", "-u", "ann", "-p", "s3cret", registry.host],
                   check=True, capture_output=True)
    assert conman.ok("login", "--authfile", file, "--get-login", registry.host) == "ann\n"
    assert conman("push", "-q", "--authfile", file, "localhost/box:v1", f"{registry.host}/shared/box:v1").returncode == 0
    conman.ok("logout", "--authfile", file, registry.host)
    conman.ok("login", "--authfile", file, "-u", "ann", "-p", "s3cret", registry.host)
    shown = subprocess.run(["podman", "login", "--authfile", file, "--get-login", registry.host], check=True, capture_output=True)
    assert shown.stdout == b"ann\n"


def test_certificates(conman: Command, scratch: Path) -> None:
    pair = (f"{scratch}/cert.pem", f"{scratch}/key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                    pair[1], "-out", pair[0], "-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"],
                   check=True, capture_output=True)
    (scratch / "certs").mkdir()
    (scratch / "certs/ca.crt").write_bytes(Path(pair[0]).read_bytes())
    folder = scratch / "registry"
    folder.mkdir()
    with DockerRegistry(folder, tls=pair) as registry:
        there = f"{registry.host}/box:v1"
        refused = conman("push", "-q", "--tls-verify=true", "localhost/box:v1", there)
        assert refused.returncode == 125 and "TLS with" in refused.stderr and "--tls-verify=false" in refused.stderr
        assert conman("push", "-q", "--tls-verify", "--cert-dir", f"{scratch}/certs", "localhost/box:v1", there).returncode == 0
        assert conman("pull", "-q", "--tls-verify=false", there).returncode == 0
    with DockerRegistry(folder, tls=pair, client_ca=pair[0]) as registry:
        refused = conman("pull", "-q", "--tls-verify", "--cert-dir", f"{scratch}/certs", f"{registry.host}/box:v1")
        assert refused.returncode == 125 and "wants another client certificate, or one at all" in refused.stderr
