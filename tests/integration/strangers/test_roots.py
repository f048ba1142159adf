"""A stranger's transport in a clean environment: two lines of configuration, and every verb that takes images knows it."""

from __future__ import annotations

import gzip
import json
import lzma

import pytest

from conman_kernel.testing.images import busybox_entries, layer

from .conftest import Host, Roots

pytestmark = pytest.mark.integration
TAR = layer(busybox_entries(), compress=False)
CONFIGURATION = '[transports]\nroots = "roots-transport"\n'


def test_images_are_pulled_run_loaded_and_copied(host: Host, roots: Roots) -> None:
    folder = roots({"box.tar": TAR, "talk.tar.gz": gzip.compress(TAR, mtime=0), "small.tar.xz": lzma.compress(TAR, preset=0),
                    "talk.json": json.dumps({"config": {"Cmd": ["echo", "hello from", "beside"]}}).encode()})
    assert "no transport is configured for roots:" in host.fails(125, "pull", f"roots:{folder}:box")
    host.configure(CONFIGURATION)
    assert "conman-roots-transport" in host.ok("plugin", "ls")
    host.ok("config", "check")
    assert host.ok("run", "--rm", f"roots:{folder}:talk") == "hello from beside\n"
    assert host.ok("run", "--rm", "localhost/talk") == "hello from beside\n", "it has a name of its own now"
    assert host.ok("load", "-q", "-i", f"roots:{folder}").splitlines() == [
        f"Loaded image: localhost/{name}:latest" for name in ("box", "small", "talk")]
    host.ok("copy", "-q", f"roots:{folder}:small", f"oci:{folder}/layout:small")
    assert host.ok("run", "--rm", f"oci:{folder}/layout:small", "cat", "/etc/group").startswith("root:")
    said = host.fails(125, "copy", f"oci:{folder}/layout:small", f"roots:{folder}")
    assert "only reads" in said
    assert "holds 3 root file systems" in host.fails(125, "pull", f"roots:{folder}")


def test_a_tarball_that_is_none_leaves_nothing(host: Host, roots: Roots) -> None:
    host.configure(CONFIGURATION)
    folder = roots({"noise.tar": b"this is no tar" * 1000, "cut.tar.gz": gzip.compress(TAR)[:-100]})
    for name in ("noise", "cut"):
        said = host.fails(125, "pull", "-q", f"roots:{folder}:{name}")
        assert said.startswith("Error: ") and len(said.splitlines()) <= 2, said
    assert host.ok("images", "-q") == ""
    host.ok("system", "check")
