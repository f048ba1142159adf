"""The embedded registry is honest: another client (skopeo) gets along with it, and it ends when told to."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.oci.descriptor import Descriptor
from conman_kernel.slots.transport import OpenRequest, ResolveRequest
from conman_kernel.testing import images
from conman_kernel.testing.registry import Action, Auth, Fault, Registry


@pytest.mark.parametrize("auth", [None, Auth(), Auth(user="ann", password="pw"), Auth("basic", "ann", "pw")])
def test_skopeo_pulls_from_it(tmp_path, auth):
    if shutil.which("skopeo") is None:
        pytest.skip("not installed: skopeo")
    made = images.image([images.layer([images.file("f", os.urandom(500_000))])])
    with Registry(auth=auth) as registry:
        registry.add_image(made, "some/box:v1")
        registry.fail(Fault(Action.REDIRECT, on="/blobs/", times=1))
        subprocess.run(["skopeo", "--insecure-policy", "copy", "--quiet", "--src-tls-verify=false", "--src-creds=ann:pw",
                        f"docker://{registry.host}/some/box:v1", f"oci:{tmp_path}/out:v1"], check=True)
    assert {f"sha256:{name}" for name in os.listdir(tmp_path / "out/blobs/sha256")} == set(made.blobs)


@pytest.mark.parametrize("by_signal", [True, False])
def test_the_program_serves_a_layout_until_it_is_told_to_end(tmp_path, transport, by_signal):
    made = images.index([images.image([images.layer([images.file("f", b"x")])])])
    images.write_layout(made, str(tmp_path / "layout"), tag="v1")
    path = os.pathsep.join(entry for entry in sys.path if entry)
    with subprocess.Popen([sys.executable, "-m", "conman_kernel.testing.registry", "--layout", str(tmp_path / "layout"),
                           "--name", "team/box:v1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          env={**os.environ, "PYTHONPATH": path}) as program:
        assert program.stdout is not None
        assert program.stdin is not None
        host = program.stdout.readline().decode().strip()
        location = f"{host}/team/box:v1"
        assert transport.resolve(ResolveRequest(location, Cancel(20))).descriptor == made.descriptor
        for digest, data in made.blobs.items():
            kind = made.media_types.get(digest, images.OCI_LAYER)
            body = transport.open(OpenRequest(location, Descriptor(kind, digest, len(data)), 0, Cancel(20)))
            assert b"".join(body) == data
        if by_signal:
            program.send_signal(signal.SIGTERM)
        else:
            program.stdin.close()
        assert program.wait(20) == 0


def test_images_are_the_same_every_time_and_lie_where_told():
    layer = images.layer([images.directory("d"), images.file("d/f", b"x"), images.symlink("l", "d/f"),
                          images.hardlink("h", "d/f"), images.device("n", 1, 3), images.fifo("p"), images.whiteout("d/g"),
                          images.opaque("d"), images.file("x")._replace(xattrs=(("user.a", b"\xff\x00"),))])
    assert images.image([layer]) == images.image([layer])
    true, false = images.image([layer]), "sha256:" + "0" * 64
    for lies in (images.Lies(diff_ids=[false]), images.Lies(layer_digests=[false]), images.Lies(layer_sizes=[7]),
                 images.Lies(layer_types=["text/plain"]), images.Lies(config_size=1), images.Lies(config_bytes=b"{}"),
                 images.Lies(manifest={"schemaVersion": 1})):
        assert images.image([layer], lies=lies).descriptor.digest != true.descriptor.digest


def test_the_log_and_the_count_of_faults():
    import http.client

    with Registry() as registry:
        registry.add_image(images.image([]), "box:latest")
        registry.fail(Fault(Action.STATUS, on="HEAD /v2/box/manifests", status=500, times=1))
        connection = http.client.HTTPConnection(registry.host)
        statuses = []
        for method, path in (("HEAD", "/v2/box/manifests/latest"), ("HEAD", "/v2/box/manifests/latest"),
                             ("GET", "/v2/"), ("GET", "/v2/box/tags/list"), ("GET", "/v2/other/tags/list"), ("GET", "/")):
            connection.request(method, path)
            answer = connection.getresponse()
            statuses.append(answer.status)
            body = answer.read()
            assert (body == b"") is (method == "HEAD")
        connection.close()
        assert statuses == [500, 200, 200, 200, 404, 404] == [r.status for r in registry.requests]
        assert registry.count("HEAD", "/manifests/") == 2
