"""Challenges, tokens, credentials, and who gets to see them."""

from __future__ import annotations

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import Unauthorized, Unavailable
from conman_kernel.oci.descriptor import Descriptor
from conman_kernel.slots.transport import OpenRequest, ResolveRequest
from conman_kernel.testing import images
from conman_kernel.testing.registry import Action, Auth, Fault, Registry
from conman_registry_pull.challenges import challenges
from conman_registry_pull.credentials import Credentials

SECRET = Credentials("ann", "s3cret:with colon")


def pull(transport, registry) -> bytes:
    location = f"{registry.host}/team/box:latest"
    transport.resolve(ResolveRequest(location, Cancel(20)))
    blob = Descriptor(images.OCI_LAYER, images.digest_of(b"data"), 4)
    return b"".join(transport.open(OpenRequest(location, blob, 0, Cancel(20))))


def filled(auth: Auth) -> Registry:
    registry = Registry(auth=auth)
    registry.add_image(images.image([]), "team/box:latest")
    registry.add_blob(b"data", "team/box")
    return registry


@pytest.mark.parametrize(("header", "expected"), [
    ('Bearer realm="https://a/t",service="s, t",scope="repository:x:pull,push"',
     [("bearer", {"realm": "https://a/t", "service": "s, t", "scope": "repository:x:pull,push"})]),
    ("Basic realm=plain", [("basic", {"realm": "plain"})]),
    ('Basic realm="x", BEARER Realm = "say \\"hi\\"" , service=s',
     [("basic", {"realm": "x"}), ("bearer", {"realm": 'say "hi"', "service": "s"})]),
    ("Negotiate", [("negotiate", {})]),
    ("", []),
    ('="', []),
])
def test_challenges(header, expected):
    assert [tuple(challenge) for challenge in challenges(header)] == expected


def test_an_anonymous_token_is_fetched_once(make_transport):
    with filled(Auth()) as registry:
        assert pull(make_transport(), registry) == b"data"
        assert registry.count("GET", "/token") == 1
        token = next(r for r in registry.requests if r.path.startswith("/token"))
        assert "authorization" not in token.headers
        assert "scope=repository%3Ateam%2Fbox%3Apull" in token.path
        assert "service=loopback%2C+registry" in token.path


def test_a_token_that_is_refused_is_replaced(make_transport):
    with filled(Auth()) as registry:
        transport = make_transport()
        pull(transport, registry)
        registry.revoke_tokens()
        assert pull(transport, registry) == b"data"
        assert registry.count("GET", "/token") == 2


def test_credentials_go_to_the_token_server_of_the_same_origin(make_transport):
    with filled(Auth(user=SECRET.user, password=SECRET.password)) as registry:
        assert pull(make_transport(find=lambda place, cancel: SECRET if place.host == registry.host else None), registry) == b"data"
        with pytest.raises(Unauthorized, match="401"):
            pull(make_transport(), registry)


def test_credentials_do_not_go_to_another_origin(make_transport):
    with filled(Auth(user=SECRET.user, password=SECRET.password, realm="elsewhere")) as registry:
        with pytest.raises(Unauthorized):
            pull(make_transport(find=lambda place, cancel: SECRET), registry)
        asked = [r for r in registry.requests if r.path.startswith("/token")]
        assert asked and all("authorization" not in r.headers for r in asked)


def test_basic(make_transport):
    with filled(Auth("basic", SECRET.user, SECRET.password)) as registry:
        assert pull(make_transport(find=lambda place, cancel: SECRET), registry) == b"data"
        with pytest.raises(Unauthorized, match="asks for credentials"):
            pull(make_transport(), registry)
        with pytest.raises(Unauthorized, match="401 UNAUTHORIZED") as caught:
            pull(make_transport(find=lambda place, cancel: Credentials("ann", "wrong")), registry)
        assert "no such user, or another password" in caught.value.hint


@pytest.mark.parametrize("auth", [Auth(), Auth("basic", SECRET.user, SECRET.password)])
def test_a_redirect_to_another_origin_drops_authorization(make_transport, auth):
    with filled(auth) as registry:
        registry.fail(Fault(Action.REDIRECT, on="/blobs/", times=2))  # once unauthorized, or once and no more
        assert pull(make_transport(find=lambda place, cancel: SECRET), registry) == b"data"
        moved = [r for r in registry.requests if "signature=" in r.path]
        assert moved and moved[0].port != int(registry.host.partition(":")[2])
        assert all("authorization" not in r.headers for r in moved)
        assert "authorization" in next(r for r in registry.requests if r.status == 307).headers


@pytest.mark.parametrize("realm", ["file:///etc/passwd", "ftp://x/", "/token", "https://a@b/", "https://"])
def test_an_unsafe_token_server_is_not_asked(make_transport, realm):
    with filled(Auth(realm=realm)) as registry, pytest.raises(Unavailable, match="unsafe token server"):
        pull(make_transport(), registry)


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"token": 5}', '{"token": "a\\r\\nX: y"}', "nonsense"])
def test_a_token_server_that_answers_nonsense(make_transport, body):
    with filled(Auth()) as registry:
        registry.fail(Fault(Action.REDIRECT, on="/v2/team", times=0))
        registry.auth = Auth(realm=f"http://{registry.elsewhere}/v2/team/box/manifests/latest")
        registry.fail(Fault(Action.BODY, on="?service", value=body))
        with pytest.raises((Unavailable, Unauthorized)) as caught:
            pull(make_transport(), registry)
        assert "token server" in caught.value.message
        assert "\n" not in caught.value.message


def test_secrets_in_urls_do_not_reach_messages(make_transport):
    with filled(Auth()) as registry:
        registry.fail(Fault(Action.REDIRECT, on="/blobs/", times=1), Fault(Action.STATUS, on="signature=", status=403))
        with pytest.raises(Unauthorized) as caught:
            pull(make_transport(), registry)
        assert "signature" not in caught.value.message + caught.value.hint
