"""Where a repository is asked for: mirrors that fail on the way, certificates of both sides, lists in pages, proxies."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import ConfigError, NotFound, Unavailable
from conman_kernel.oci.descriptor import Descriptor
from conman_kernel.slots.provider import Access, RegistrySettings
from conman_kernel.slots.transport import OpenRequest, ResolveRequest
from conman_kernel.testing import images
from conman_kernel.testing.registry import Action, Fault, Registry
from conman_registry_pull.certs import certificates

DATA = bytes(range(251)) * 8000
BLOB = Descriptor(images.OCI_LAYER, images.digest_of(DATA), len(DATA))


def read(transport, registry, name: str = "team/box") -> bytes:
    return b"".join(transport.open(OpenRequest(f"{registry.host}/{name}", BLOB, 0, Cancel(30))))


def test_a_mirror_that_fails_in_the_middle_is_replaced_from_the_byte_on(registry, make_transport):
    with Registry() as mirror:
        mirror.add_blob(DATA, "cache/team/box")
        registry.add_blob(DATA, "team/box")
        mirror.fail(Fault(Action.CUT, on="/blobs/", at=1_500_000, times=1), Fault(Action.STATUS, on="/blobs/", status=500, times=None))
        transport = make_transport({registry.host: RegistrySettings(mirrors=(f"{mirror.host}/cache",))})
        assert read(transport, registry) == DATA
        assert [r.headers.get("range") for r in registry.requests] == ["bytes=1500000-"]


@pytest.mark.parametrize("fault", [Fault(Action.STATUS, status=404), Fault(Action.STATUS, status=503), Fault(Action.DROP),
                                   Fault(Action.STATUS, status=401), Fault(Action.ALTER, on="/manifests/")])
def test_a_mirror_of_no_use_is_passed_over(registry, make_transport, fault):
    with Registry() as mirror:
        for one, name in ((registry, "team/box:v1"), (mirror, "team/box:v1")):
            one.add_image(images.image([]), name)
        mirror.fail(fault)
        transport = make_transport({registry.host: RegistrySettings(mirrors=(mirror.host,))})
        found = transport.resolve(ResolveRequest(f"{registry.host}/team/box:v1", Cancel(30)))
        assert found.descriptor.digest == images.image([]).descriptor.digest
        assert mirror.count() > 0 and registry.count() > 0


def test_pushes_go_to_the_registry_itself(registry, make_transport):
    from conman_kernel.slots.transport import PutBlobRequest, WriteRequest

    with Registry() as mirror:
        transport = make_transport({registry.host: RegistrySettings(mirrors=(mirror.host,))})
        writer = transport.write(WriteRequest(f"{registry.host}/team/box:v1", Cancel(30)))
        writer.put_blob(PutBlobRequest(BLOB, lambda at: iter([DATA[at:]]), (), lambda count: None, Cancel(30)))
        assert mirror.count() == 0 and registry.count("PUT") == 1


def test_lists_are_read_page_by_page(registry, transport, monkeypatch):
    from conman_registry_pull import pages

    monkeypatch.setattr(pages, "PAGE", 3)
    for number in range(8):
        registry.add_image(images.image([]), f"team/box{number}:v1")
        registry.add_image(images.image([]), f"team/box:v{number}")
    request = ResolveRequest(f"{registry.host}/team/box", Cancel(30))
    assert list(transport.tags(request)) == [f"v{number}" for number in range(8)]
    assert registry.count("GET", "/tags/list") == 3
    found = list(transport.repositories(ResolveRequest(registry.host, Cancel(30))))
    assert found == ["team/box", *(f"team/box{number}" for number in range(8))]


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    """An authority, a server certificate and a client certificate signed by it: a folder as certs.d(5) has it."""
    if shutil.which("openssl") is None:
        pytest.skip("not installed: openssl")
    folder = tmp_path_factory.mktemp("pki")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *curve, "-keyout", "ca.pem", "-out", "ca.crt", "-days", "2", "-subj", "/CN=authority")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1")
    for name in ("server", "client"):
        openssl("req", *curve, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.pem", "-CAcreateserial", "-days", "2",
                "-out", f"{name}.pem", "-extfile", "names")
    (folder / "certs").mkdir()
    for source, name in (("ca.crt", "ca.crt"), ("client.pem", "me.cert"), ("client.key", "me.key")):
        shutil.copy(folder / source, folder / "certs" / name)
    return folder


def test_certificates_of_both_sides(pki, make_transport):
    with Registry(tls=(f"{pki}/server.pem", f"{pki}/server.key"), client_ca=f"{pki}/ca.crt") as registry:
        registry.add_blob(DATA, "team/box")
        strict = RegistrySettings(insecure=False, ca=f"{pki}/ca.crt")
        with pytest.raises(Unavailable):
            read(make_transport({registry.host: strict}), registry)
        assert registry.count() == 0
        shown = strict._replace(cert=f"{pki}/client.pem", key=f"{pki}/client.key")
        assert read(make_transport({registry.host: shown}), registry) == DATA
        folder = Access(cert_dir=f"{pki}/certs")
        assert read(make_transport({registry.host: RegistrySettings(insecure=False)}, access=folder), registry) == DATA


def test_a_client_certificate_is_shown_to_nobody_else(pki, make_transport):
    """The other port wants one, too; a redirect there does not bring it along."""
    with Registry(tls=(f"{pki}/server.pem", f"{pki}/server.key"), client_ca=f"{pki}/ca.crt") as registry:
        registry.add_blob(DATA, "team/box")
        registry.fail(Fault(Action.REDIRECT, on="/blobs/", times=1))
        settings = {registry.host: RegistrySettings(insecure=False, ca=f"{pki}/ca.crt", cert=f"{pki}/client.pem", key=f"{pki}/client.key"),
                    registry.elsewhere: RegistrySettings(insecure=False, ca=f"{pki}/ca.crt")}
        with pytest.raises(Unavailable):
            read(make_transport(settings), registry)


def test_the_usual_folders(pki, tmp_path):
    nothing = RegistrySettings()
    assert certificates("h.example", nothing, "", (f"{tmp_path}",)) == ("", None)
    shutil.copytree(pki / "certs", tmp_path / "h.example:5000")
    found = certificates("h.example:5000", nothing, "", ("/nonexistent", f"{tmp_path}"))
    where = f"{tmp_path}/h.example:5000"
    assert found == (where, (f"{where}/me.cert", f"{where}/me.key"))
    (tmp_path / "h.example:5000/me.key").unlink()
    with pytest.raises(ConfigError, match=r"me\.key"):
        certificates("h.example:5000", nothing, "", (f"{tmp_path}",))


def test_a_proxy_from_the_environment(registry, make_transport, monkeypatch):
    """The loopback registry takes the place of a proxy: it is asked with the whole URL."""
    monkeypatch.setenv("http_proxy", f"http://{registry.host}")
    monkeypatch.setenv("https_proxy", f"http://{registry.host}")
    transport = make_transport({"registry.example:5000": RegistrySettings(insecure=True)})
    with pytest.raises(NotFound):
        transport.resolve(ResolveRequest("registry.example:5000/team/box:v1", Cancel(30)))
    assert [r.path for r in registry.requests] == ["http://registry.example:5000/v2/team/box/manifests/v1"]
