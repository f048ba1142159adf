"""What goes wrong, and how it is said."""

from __future__ import annotations

import shutil
import socket
import subprocess

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import NotFound, Unauthorized, Unavailable
from conman_kernel.oci.descriptor import Descriptor
from conman_kernel.slots.provider import RegistrySettings
from conman_kernel.slots.transport import OpenRequest, ResolveRequest
from conman_kernel.testing import images
from conman_kernel.testing.registry import Action, Fault, Registry
from conman_registry_pull.failures import from_exception, redacted

DATA = bytes(range(251)) * 8000


def resolve(transport, registry):
    return transport.resolve(ResolveRequest(f"{registry.host}/box:latest", Cancel(30)))


def read(transport, registry, digest) -> bytes:
    blob = Descriptor(images.OCI_LAYER, digest, len(DATA))
    return b"".join(transport.open(OpenRequest(f"{registry.host}/box", blob, 0, Cancel(30))))


@pytest.mark.parametrize(("status", "kind"), [
    (401, Unauthorized), (403, Unauthorized), (404, NotFound), (400, Unavailable), (418, Unavailable)])
def test_a_status_that_lasts_is_reported_at_once(registry, transport, status, kind):
    registry.add_image(images.image([]), "box:latest")
    registry.fail(Fault(Action.STATUS, status=status))
    with pytest.raises(kind) as caught:
        resolve(transport, registry)
    assert type(caught.value) is kind
    assert str(status) in caught.value.message
    assert registry.host in caught.value.message
    assert caught.value.hint
    assert registry.count() == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_status_that_passes_is_tried_three_times(registry, transport, status):
    registry.add_image(images.image([]), "box:latest")
    patient = (("Retry-After", "0"),)
    registry.fail(Fault(Action.STATUS, status=status, headers=patient, times=2))
    assert resolve(transport, registry).content
    registry.forget()
    registry.fail(Fault(Action.STATUS, status=status, headers=patient))
    with pytest.raises(Unavailable, match=str(status)):
        resolve(transport, registry)
    assert registry.count() == 3


def test_a_registry_that_wants_a_long_pause_is_not_waited_for(registry, transport):
    registry.add_image(images.image([]), "box:latest")
    registry.fail(Fault(Action.STATUS, status=429, headers=(("Retry-After", "3600"),)))
    with pytest.raises(Unavailable, match="429 TOOMANYREQUESTS") as caught:
        resolve(transport, registry)
    assert "3600 s" in caught.value.hint
    assert registry.count() == 1


@pytest.mark.parametrize("action", [Action.CUT, Action.RESET])
@pytest.mark.parametrize("at", [0, 1])
def test_a_connection_that_breaks_within_a_blob_again_and_again(registry, transport, action, at):
    digest = registry.add_blob(DATA, "box")
    registry.fail(Fault(action, on="/blobs/", at=at))
    with pytest.raises(Unavailable, match="connection"):
        read(transport, registry, digest)
    assert registry.count("GET", "/blobs/") == 3


def test_a_transfer_goes_on_from_the_byte_where_it_was_cut(registry, transport):
    digest = registry.add_blob(DATA, "box")
    registry.fail(Fault(Action.CUT, on="/blobs/", at=1_500_000, times=1))
    assert read(transport, registry, digest) == DATA
    assert [r.headers.get("range") for r in registry.requests] == [None, "bytes=1500000-"]


def test_breaks_that_are_far_apart_are_not_counted_together(registry, transport):
    digest = registry.add_blob(DATA, "box")
    registry.fail(Fault(Action.CUT, on="/blobs/", at=300_000))
    assert read(transport, registry, digest) == DATA
    assert registry.count("GET", "/blobs/") == 7


def test_a_registry_without_ranges_is_read_again_up_to_the_byte(registry, transport):
    digest = registry.add_blob(DATA, "box")
    registry.fail(Fault(Action.CUT, on="/blobs/", at=1_500_000, times=1), Fault(Action.NO_RANGE, on="/blobs/"))
    assert read(transport, registry, digest) == DATA
    assert [r.status for r in registry.requests] == [200, 200]


def test_a_connection_that_ends_without_an_answer_is_tried_again(registry, transport):
    registry.add_image(images.image([]), "box:latest")
    resolve(transport, registry)
    registry.forget()
    registry.fail(Fault(Action.DROP, times=1))
    assert resolve(transport, registry).content
    assert registry.count() == 2


def test_a_cut_manifest_is_not_handed_over(registry, transport):
    registry.add_image(images.image([]), "box:latest")
    registry.fail(Fault(Action.CUT, on="/manifests/", at=10))
    with pytest.raises(Unavailable):
        resolve(transport, registry)


@pytest.mark.parametrize("action", [Action.TRUNCATE, Action.ALTER])
def test_lies_about_content_pass_for_the_kernel_to_find(registry, transport, action):
    digest = registry.add_blob(DATA, "box")
    registry.fail(Fault(action, on="/blobs/", at=7))
    assert images.digest_of(read(transport, registry, digest)) != digest


def test_silence_ends_after_the_read_timeout(registry, make_transport):
    digest = registry.add_blob(DATA, "box")
    registry.fail(Fault(Action.STALL, on="/blobs/", at=100))
    with pytest.raises(Unavailable, match="stays silent") as caught:
        read(make_transport(read_timeout=0.3), registry, digest)
    assert "read_timeout" in caught.value.hint


def test_redirects_end(registry, transport):
    digest = registry.add_blob(DATA, "box")
    registry.fail(Fault(Action.REDIRECT, on="/blobs/"))
    with pytest.raises(Unavailable, match="redirects"):
        read(transport, registry, digest)
    registry.heal()
    registry.fail(Fault(Action.REDIRECT, on="/blobs/", value="file:///etc/passwd"))
    with pytest.raises(Unavailable, match="redirected to a file: address"):
        read(transport, registry, digest)


def test_nobody_listens(transport):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Unavailable, match="refuses the connection") as caught:
            transport.resolve(ResolveRequest(f"{host}/box:latest", Cancel(10)))
    assert host in caught.value.message


def test_a_name_that_does_not_resolve(transport):
    with pytest.raises(Unavailable, match="cannot be resolved"):
        transport.resolve(ResolveRequest("no-such-host.invalid/box:latest", Cancel(20)))


def test_something_that_is_no_registry(transport):
    with socket.create_server(("127.0.0.1", 0)) as server:
        import threading

        def answer() -> None:
            for _ in range(6):
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(b"SSH-2.0-nonsense\x1b[31m\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(Unavailable) as caught:
            transport.resolve(ResolveRequest(f"127.0.0.1:{server.getsockname()[1]}/box:latest", Cancel(10)))
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert "\x1b" not in caught.value.message


@pytest.fixture
def certificate(tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("not installed: openssl")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem", "-days", "2", "-subj", "/CN=test",
                    "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    return str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")


def test_tls(certificate, make_transport):
    with Registry(tls=certificate) as registry:
        digest = registry.add_blob(DATA, "box")
        registry.add_image(images.image([]), "box:latest")
        strict = make_transport({registry.host: RegistrySettings(insecure=False)})
        with pytest.raises(Unavailable, match=r"TLS with .* failed: .*self.signed") as caught:
            resolve(strict, registry)
        assert "--tls-verify=false" in caught.value.hint
        assert f'[registry."{registry.host}"]' in caught.value.hint
        for settings in ({registry.host: RegistrySettings(ca=certificate[0])}, {"*": RegistrySettings(insecure=True)},
                         {registry.host: RegistrySettings(insecure=True)}, {}):
            assert read(make_transport(settings), registry, digest) == DATA
        registry.forget()
        wrong = make_transport({registry.host: RegistrySettings(ca="/no/such/file.pem")})
        with pytest.raises(Unavailable, match="no/such/file"):
            resolve(wrong, registry)
        assert registry.count() == 0


def test_plain_http_is_not_spoken_where_it_is_forbidden(registry, make_transport):
    registry.add_image(images.image([]), "box:latest")
    with pytest.raises(Unavailable, match="TLS"):
        resolve(make_transport({registry.host: RegistrySettings(insecure=False)}), registry)
    assert registry.count() == 0


def test_urls_are_redacted():
    assert redacted("https://user:pw@host:5/v2/x?token=secret#f") == "https://host:5/v2/x"


def test_an_exception_nobody_thought_of_is_one_line():
    error = from_exception("http://h/v2/", ValueError("a\nb\x1b[0m"))
    assert "\n" not in str(error) and "\x1b" not in str(error)
