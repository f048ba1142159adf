"""Auth files and helper programs: which of them counts, what is written, and that a helper can never hold anybody up."""

from __future__ import annotations

import base64
import json
import os
import stat
import threading

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import Cancelled, ConfigError, NotFound, Unauthorized, Unavailable
from conman_kernel.slots.provider import AS_CONFIGURED, Access, RegistrySettings
from conman_kernel.slots.transport import LoginRequest, ResolveRequest
from conman_kernel.testing import images
from conman_kernel.testing.registry import Auth, Registry
from conman_registry_pull import programs
from conman_registry_pull.credentials import Credentials
from conman_registry_pull.keyring import Keyring

HELPER = r"""#!/usr/bin/env python3
import json, os, sys
path = os.environ["HELPER_KEEPS"]
kept = json.load(open(path)) if os.path.exists(path) else {}
action, given = sys.argv[1], sys.stdin.read()
if action == "get":
    if given not in kept:
        print("credentials not found in native keychain")
        sys.exit(1)
    print(json.dumps({"ServerURL": given, **kept[given]}))
elif action == "store":
    entry = json.loads(given)
    kept[entry.pop("ServerURL")] = entry
elif action == "erase":
    kept.pop(given)
elif action == "list":
    print(json.dumps({server: entry["Username"] for server, entry in kept.items()}))
json.dump(kept, open(path, "w"))
"""


def auth(user: str, password: str = "pw") -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A person's folders, with nothing in them."""
    for name in ("REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("HELPER_KEEPS", str(tmp_path / "kept.json"))
    (tmp_path / "bin").mkdir()
    return tmp_path


def write(path, document) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))


def program(home, name: str, text: str = HELPER) -> None:
    path = home / "bin" / f"docker-credential-{name}"
    path.write_text(text)
    path.chmod(0o755)


def user(host: str, repository: str = "", access: Access = AS_CONFIGURED) -> str | None:
    found = Keyring(access).kept(host, repository, Cancel(20))
    return found.user if found is not None else None


def test_the_order_of_files(home, monkeypatch):
    places = [home / "home/.dockercfg", home / "home/.docker/config.json", home / "home/.config/containers/auth.json",
              home / "run/containers/auth.json"]
    assert user("h.example") is None
    for number, place in enumerate(places):
        entry = {"h.example": auth(f"user{number}")}
        write(place, entry if place.name == ".dockercfg" else {"auths": entry})
        assert user("h.example") == f"user{number}"
    write(home / "named.json", {"auths": {"h.example": auth("named")}})
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(home / "named.json"))
    assert user("h.example") == "named"
    write(home / "other.json", {"auths": {}})
    assert user("h.example", access=Access(auth_file=str(home / "other.json"))) is None
    places[-1].unlink()
    monkeypatch.delenv("REGISTRY_AUTH_FILE")
    write(home / "docker/config.json", {"auths": {"h.example": auth("moved")}})
    monkeypatch.setenv("DOCKER_CONFIG", str(home / "docker"))
    places[2].unlink()
    assert user("h.example") == "moved"


def test_the_longest_key_counts(home):
    write(home / "run/containers/auth.json", {"auths": {
        "h.example": auth("host"), "h.example/a": auth("a"), "h.example/a/b": auth("ab"), "h.example:5000": auth("port")}})
    assert [user("h.example", name) for name in ("", "x/y", "a", "a/x", "a/b", "a/b/c", "ab")] == [
        "host", "host", "a", "a", "ab", "ab", "host"]
    assert user("h.example:5000", "a") == "port"
    assert user("h.example:5001", "a") is None


@pytest.mark.parametrize("key", ["docker.io", "index.docker.io", "https://index.docker.io/v1/", "registry-1.docker.io"])
def test_docker_hub_has_many_names(home, key):
    write(home / "home/.docker/config.json", {"auths": {key: auth("hub")}})
    assert user("docker.io", "library/alpine") == "hub"


def test_dockers_keys_are_urls(home):
    write(home / "home/.docker/config.json", {"auths": {"https://h.example/v1/": auth("url"), "http://p.example": auth("plain")}})
    assert (user("h.example"), user("p.example", "x")) == ("url", "plain")


def test_an_identity_token_is_exchanged(home, make_transport):
    with Registry(auth=Auth(user="ann", password="pw", identity="long-lived")) as registry:
        registry.add_image(images.image([]), "team/box:v1")
        write(home / "run/containers/auth.json", {"auths": {registry.host: {**auth("", ""), "identitytoken": "long-lived"}}})
        make_transport(find=None).resolve(ResolveRequest(f"{registry.host}/team/box:v1", Cancel(20)))
        asked = next(r for r in registry.requests if r.path.startswith("/token"))
        assert (asked.method, asked.path) == ("POST", "/token") and "authorization" not in asked.headers


@pytest.mark.parametrize("text", ["{", "[]", '{"auths": 5}', '{"auths": {"h.example": {"auth": "%%"}}}',
                                  '{"auths": {"h.example": {"auth": "bm9jb2xvbg=="}}}', '{"credHelpers": {"h.example": 5}}'])
def test_a_broken_file_is_named(home, text):
    write(home / "run/containers/auth.json", text)
    with pytest.raises(ConfigError, match=r"auth\.json") as caught:
        user("h.example")
    assert caught.value.hint and "\n" not in caught.value.message


def test_helpers(home):
    program(home, "test")
    program(home, "all")
    write(home / "kept.json", {"h.example": {"Username": "ann", "Secret": "pw"}, "https://index.docker.io/v1/":
                               {"Username": "<token>", "Secret": "long-lived"}})
    write(home / "home/.docker/config.json", {"auths": {"h.example": {}}, "credsStore": "all", "credHelpers": {"docker.io": "test"}})
    assert Keyring(Access()).kept("h.example", "x", Cancel(20)) == Credentials("ann", "pw")
    assert Keyring(Access()).kept("docker.io", "library/x", Cancel(20)) == Credentials("", "", "long-lived")
    assert user("other.example") is None


@pytest.mark.parametrize(("name", "text", "words"), [
    ("../../bin/sh", "", "no name of a program"), ("missing", "", "cannot be started"),
    ("bad", "#!/bin/sh\necho nonsense\n", "not valid JSON"), ("angry", "#!/bin/sh\necho locked; exit 3\n", "get failed: locked"),
    ("flood", "#!/bin/sh\nexec cat /dev/zero\n", "prints more than"), ("deaf", "#!/bin/sh\nexec sleep 1000\n", "did not answer"),
    ("lasting", "#!/bin/sh\nexec >&-\nexec sleep 1000\n", "did not end")])
def test_helpers_that_fail(home, monkeypatch, name, text, words):
    monkeypatch.setattr(programs, "SECONDS", 0.5)
    if text:
        program(home, name, text)
    write(home / "run/containers/auth.json", {"credHelpers": {"h.example": name}})
    with pytest.raises((ConfigError, Unavailable), match=words):
        user("h.example")


def test_a_token_ends_a_helper(home):
    program(home, "deaf", "#!/bin/sh\nexec sleep 1000\n")
    write(home / "run/containers/auth.json", {"credHelpers": {"h.example": "deaf"}})
    with Cancel() as cancel:
        timer = threading.Timer(0.2, cancel.cancel)
        timer.start()
        with pytest.raises(Cancelled):
            Keyring(Access()).kept("h.example", "", cancel)
        timer.join()


def login(transport, registry, user: str = "ann", password: str = "pw", path: str = "") -> str:
    return transport.login(LoginRequest(registry.host + path, user, password, Cancel(20)))


@pytest.mark.parametrize("known", [Auth(user="ann", password="pw"), Auth("basic", "ann", "pw")])
def test_login_tries_and_keeps(home, make_transport, known):
    file = home / "run/containers/auth.json"
    with Registry(auth=known) as registry:
        registry.add_image(images.image([]), "team/box:v1")
        transport = make_transport(find=None)
        with pytest.raises(Unauthorized, match="invalid username/password"):
            login(transport, registry, password="wrong")
        assert not file.exists() and transport.account(registry.host) is None
        with pytest.raises(NotFound):
            login(transport, registry, "", "")
        assert login(transport, registry) == str(file)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600 and os.listdir(file.parent) == ["auth.json"]
        assert json.loads(file.read_text()) == {"auths": {registry.host: auth("ann")}}
        assert transport.account(registry.host) == "ann"
        assert login(transport, registry, "", "") == ""
        transport.resolve(ResolveRequest(f"{registry.host}/team/box:v1", Cancel(20)))
        login(transport, registry, path="/team")
        assert transport.logout(registry.host) is True
        assert transport.logout(registry.host) is False
        assert transport.account(f"{registry.host}/team") == "ann"
        assert transport.logout("") is True
        assert json.loads(file.read_text()) == {"auths": {}}


def test_login_keeps_what_it_does_not_know(home, make_transport):
    file = home / "run/containers/auth.json"
    write(file, {"auths": {"h.example": auth("bob")}, "HttpHeaders": {"a": "b"}})
    with Registry(auth=Auth("basic", "ann", "pw")) as registry:
        login(make_transport(find=None), registry)
    assert json.loads(file.read_text())["HttpHeaders"] == {"a": "b"}
    assert user("h.example") == "bob"


def test_login_through_a_helper(home, make_transport):
    program(home, "test")
    with Registry(auth=Auth("basic", "ann", "pw")) as registry:
        write(home / "run/containers/auth.json", {"credHelpers": {registry.host: "test"}})
        transport = make_transport(find=None)
        assert login(transport, registry) == "docker-credential-test"
        assert json.loads((home / "kept.json").read_text()) == {registry.host: {"Username": "ann", "Secret": "pw"}}
        assert transport.account(registry.host) == "ann"
        assert transport.logout(registry.host) is True
        assert json.loads((home / "kept.json").read_text()) == {}
        assert transport.logout(registry.host) is False


def test_many_logins_at_once_lose_nothing(home):
    threads = [threading.Thread(target=lambda n=n: Keyring(Access()).keep(f"h{n}.example", Credentials(f"u{n}", "p"), Cancel(20)))
               for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [user(f"h{n}.example") for n in range(12)] == [f"u{n}" for n in range(12)]


def test_login_does_not_show_credentials_to_a_strange_token_server(home, make_transport):
    with Registry(auth=Auth(user="ann", password="pw", realm="elsewhere")) as registry:
        with pytest.raises(Unauthorized, match="may not see credentials") as caught:
            login(make_transport(find=None), registry)
        assert "trusted_realms" in caught.value.hint
        assert registry.count("", "/token") == 0


def test_given_credentials_are_for_the_registry_alone(make_transport):
    with Registry(auth=Auth("basic", "ann", "pw")) as registry, Registry(auth=Auth("basic", "ann", "pw")) as mirror:
        for one in (registry, mirror):
            one.add_image(images.image([]), "team/box:v1")
        transport = make_transport({registry.host: RegistrySettings(mirrors=(mirror.host,))}, find=None,
                                   access=Access(credentials=("ann", "pw"), auth_file="/nonexistent"))
        transport.resolve(ResolveRequest(f"{registry.host}/team/box:v1", Cancel(20)))
        assert mirror.count() > 0 and all("authorization" not in r.headers for r in mirror.requests)


def test_secrets_are_in_no_representation():
    assert "s3cret" not in repr(Credentials("ann", "s3cret", "s3cret"))
