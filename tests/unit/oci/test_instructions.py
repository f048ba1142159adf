"""``--change``: podman's instructions, its refusals, and HEALTHCHECK besides."""

from __future__ import annotations

import json

import pytest

from conman_kernel.errors import InvalidInput
from conman_kernel.oci.instructions import with_changes
from conman_kernel.oci.recipe import Recipe, configuration, manifest


@pytest.mark.parametrize(("change", "expected"), [
    ('CMD ["a", "b"]', {"Cmd": ["a", "b"]}),
    ("CMD a b", {"Cmd": ["/bin/sh", "-c", "a b"]}),
    ('CMD ["a", b]', {"Cmd": ["/bin/sh", "-c", '["a", b]']}),
    ("CMD []", {"Cmd": []}),
    ("CMD=x", {"Cmd": ["/bin/sh", "-c", "x"]}),
    ("ENTRYPOINT /bin/foo x", {"Entrypoint": ["/bin/sh", "-c", "/bin/foo x"]}),
    ("env A=new", {"Env": ["B=2", "A=new"]}),
    ("ENV=C=D=E", {"Env": ["A=1", "B=2", "C=D=E"]}),
    ("ENV X", {"Env": ["A=1", "B=2", "X="]}),
    ("ENV X=y Z=w", {"Env": ["A=1", "B=2", "X=y Z=w"]}),
    ("EXPOSE 80", {"ExposedPorts": {"80/tcp": {}}}),
    ("EXPOSE 53/udp", {"ExposedPorts": {"53/udp": {}}}),
    ("LABEL a=b c", {"Labels": {"old": "1", "a": "b c"}}),
    ("ONBUILD RUN x", {"OnBuild": ["RUN x"]}),
    ("STOPSIGNAL SIGINT", {"StopSignal": "SIGINT"}),
    ("USER 1:2", {"User": "1:2"}),
    ("VOLUME /a /b", {"Volumes": {"/a": {}, "/b": {}}}),
    ('VOLUME ["/a", "/b c"]', {"Volumes": {"/a": {}, "/b c": {}}}),
    ("WORKDIR /w", {"WorkingDir": "/w"}),
    ("HEALTHCHECK NONE", {"Healthcheck": {"Test": ["NONE"]}}),
    ("HEALTHCHECK --interval=1m30s --retries=3 CMD curl x",
     {"Healthcheck": {"Test": ["CMD-SHELL", "curl x"], "Interval": 90 * 10**9, "Retries": 3}}),
    ('HEALTHCHECK CMD ["a"]', {"Healthcheck": {"Test": ["CMD", "a"]}}),
])
def test_it_changes_what_it_says(change: str, expected: dict[str, object]) -> None:
    before = {"Env": ["A=1", "B=2"], "Labels": {"old": "1"}}
    assert with_changes(before, [change]) == {**before, **expected}
    assert before == {"Env": ["A=1", "B=2"], "Labels": {"old": "1"}}


@pytest.mark.parametrize(("change", "why"), [
    ("FOO x", "invalid instruction FOO"), ("CMD", "must be formatted as KEY VALUE"), ("CMD ", "must be formatted as KEY VALUE"),
    ("", "must be formatted as KEY VALUE"), ("EXPOSE x", "port must be an integer"), ("EXPOSE 80 81", "port must be an integer"),
    ("EXPOSE 99999", "must be a valid port"), ("EXPOSE 0", "must be a valid port"), ("EXPOSE 80/x", "protocol"),
    ("LABEL a", "must be formatted key=value"), ("STOPSIGNAL 99999", "must be given a valid signal"), ("ENV =x", "NAME=VALUE"),
    ("HEALTHCHECK x", "NONE or"), ("HEALTHCHECK --foo=1 CMD x", "does not know --foo=1"),
    ("HEALTHCHECK --interval=1 CMD x", "no duration"), ("HEALTHCHECK --retries=x CMD x", "no number"),
])
def test_a_change_that_is_none_is_named(change: str, why: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        with_changes({}, ["CMD x", change])
    assert raised.value.message.startswith(f'invalid change "{change}" - ')
    assert why in raised.value.message


def test_a_configuration_inherits_and_tells_its_step() -> None:
    below = {"architecture": "arm64", "os": "linux", "author": "who", "container": "x", "unknown": 1,
             "config": {"Env": ["A=1"], "Cmd": ["old"], "Shell": ["s"]}, "history": [{"created_by": "first"}],
             "rootfs": {"type": "layers", "diff_ids": ["sha256:1"]}}
    recipe = Recipe(created="2020-01-01T00:00:00Z", message="hello", created_by="sh", run={"Cmd": ["sh"]}, changes=("ENV B=2",))
    made = json.loads(configuration(recipe, ["sha256:1", "sha256:2"], json.dumps(below).encode(), squashed=False))
    assert made == {
        "architecture": "arm64", "os": "linux", "author": "who", "unknown": 1, "created": "2020-01-01T00:00:00Z",
        "config": {"Env": ["A=1", "B=2"], "Cmd": ["sh"], "Shell": ["s"]},
        "history": [{"created_by": "first"}, {"created": "2020-01-01T00:00:00Z", "created_by": "sh", "comment": "hello"}],
        "rootfs": {"type": "layers", "diff_ids": ["sha256:1", "sha256:2"]}}
    squashed = json.loads(configuration(recipe._replace(format="docker"), ["sha256:3"], json.dumps(below).encode(), squashed=True))
    assert (len(squashed["history"]), squashed["comment"]) == (1, "hello")


def test_a_manifest_has_the_types_of_its_family() -> None:
    from conman_kernel.oci.descriptor import Descriptor
    from conman_kernel.oci.media_types import OCI_LAYER_GZIP

    layer = Descriptor(OCI_LAYER_GZIP, "sha256:" + "0" * 64, 3)
    for family in ("oci", "docker"):
        data, described = manifest(family, b"{}", [layer])  # type: ignore[arg-type]
        document = json.loads(data)
        types = {document["mediaType"], document["config"]["mediaType"], *(one["mediaType"] for one in document["layers"])}
        assert all(("docker" in kind) == (family == "docker") for kind in types)
        assert (described.size, described.media_type) == (len(data), document["mediaType"])
