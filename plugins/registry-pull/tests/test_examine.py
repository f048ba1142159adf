"""What ``conman doctor`` is told by this transport, on recorded hosts. No secret is ever part of it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Iterable

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.log import StderrLog
from conman_kernel.slots.doctor import CheckRequest, Finding, Host
from conman_kernel.slots.provider import PluginContext, RegistrySettings
from conman_registry_pull import Options, conman_doctor, examine

AUTH = "/run/containers/0/auth.json"


def context(registries: dict[str, RegistrySettings] | None = None) -> PluginContext[Options]:
    return PluginContext(name="registry-pull", options=Options(), state_dir="/s", run_dir="/r", log=StderrLog("error"), registries=registries)


def request(root: Path, **environ: str) -> CheckRequest:
    return CheckRequest(Host(str(root), uid=0, environ={"HOME": "/root", **environ}), "/s", "/r", Cancel())


def told(found: Iterable[Finding]) -> list[tuple[str, str]]:
    return [(one.severity, one.subject) for one in found]


def write(root: Path, path: str, text: str, mode: int = 0o600) -> None:
    place = root / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    place.chmod(mode)


def test_auth_files(tmp_path: Path) -> None:
    secret = base64.b64encode(b"me:s3cret").decode()
    write(tmp_path, AUTH, json.dumps({"auths": {"r": {"auth": secret}}}))
    assert list(examine.credentials(context(), request(tmp_path))) == []
    write(tmp_path, AUTH, json.dumps({"auths": {"r": {"auth": secret}}}), 0o644)
    (one,) = examine.credentials(context(), request(tmp_path))
    assert (one.severity, one.subject) == ("warning", AUTH) and "644" in one.meaning and "chmod 600" in one.advice
    write(tmp_path, AUTH, "{", 0o600)
    (one,) = examine.credentials(context(), request(tmp_path))
    assert one.severity == "error" and "pulls from registries fail" in one.meaning


def test_helpers_that_are_missing(tmp_path: Path) -> None:
    write(tmp_path, AUTH, json.dumps({"credHelpers": {"r": "pass"}}))
    (one,) = examine.credentials(context(), request(tmp_path, PATH="/bin"))
    assert one.severity == "warning" and "docker-credential-pass" in one.meaning
    write(tmp_path, "/bin/docker-credential-pass", "", 0o755)
    assert list(examine.credentials(context(), request(tmp_path, PATH="/bin"))) == []


def test_certificates_of_the_configuration(tmp_path: Path) -> None:
    write(tmp_path, "/c/ca.pem", "x", 0o644)
    write(tmp_path, "/c/key.pem", "x", 0o644)
    tables = {"a": RegistrySettings(ca="/c/ca.pem"), "b": RegistrySettings(ca="/c/none.pem"),
              "c": RegistrySettings(cert="/c/ca.pem", key="/c/key.pem"), "d": RegistrySettings(insecure=True)}
    assert told(examine.certificates(context(tables), request(tmp_path))) == [
        ("error", 'registry."b".ca'), ("warning", 'registry."c".key'), ("note", 'registry."d"')]


@pytest.mark.parametrize(("value", "good"), [("http://proxy:3128", True), ("proxy:3128", True), ("http://", False), ("http://u:s3cret@h:port", False)])
def test_proxies(tmp_path: Path, value: str, good: bool) -> None:
    found = list(examine.proxies(context(), request(tmp_path, HTTPS_PROXY=value)))
    assert [one.severity for one in found] == (["note"] if good else ["error", "note"])
    assert "s3cret" not in repr(found)
    assert list(examine.proxies(context(), request(tmp_path))) == []


def test_no_authority_at_all(tmp_path: Path) -> None:
    assert told(examine.system_trust(context(), request(tmp_path))) == [("warning", "certificates")]
    write(tmp_path, "/own.pem", "x")
    assert list(examine.system_trust(context(), request(tmp_path, SSL_CERT_FILE="/own.pem"))) == []


def test_all_of_them_are_offered() -> None:
    assert [one.name for one in conman_doctor()] == ["credentials", "certificates", "proxies", "system certificates"]
