"""Registries that mean no good, case by case: what they do, and the verdict."""

from __future__ import annotations

import random
from typing import Callable, NamedTuple, Sequence

from conman_kernel.errors import ConmanError, DigestMismatch, InvalidInput, Unauthorized, Unavailable
from conman_kernel.testing.images import digest_of, file, image, layer
from conman_kernel.testing.registry import Action, Auth, Fault, Registry

LAYER = layer([file("f", random.Random(7).randbytes(700_000))])
IMAGE = image([LAYER])
BLOB = f"/blobs/{digest_of(LAYER)}"
MANIFEST = "/manifests/"
CONFIG = next(f"/blobs/{digest}" for digest in IMAGE.blobs if digest not in (IMAGE.descriptor.digest, digest_of(LAYER)))
ZEROS = "sha256:" + "0" * 64
NOW = (("Retry-After", "0"),)

Check = Callable[[Registry], bool]


class Refused(NamedTuple):
    """The call fails with this error, whose message holds these words."""

    error: type[ConmanError]
    words: tuple[str, ...]


class Case(NamedTuple):
    """One hostile registry.

    :param verdict: None: the call succeeds, and what it brought is right.
    :param call: ``pull``, ``push``, ``tags``, ``repositories`` or ``login``.
    :param signed: whether the caller has credentials for the registry.
    :param check: what must hold of the requests that were made.
    :param most: how many requests may be made at all.
    """

    name: str
    faults: Sequence[Fault]
    verdict: Refused | None
    call: str = "pull"
    auth: Auth | None = None
    signed: bool = False
    check: Check = lambda registry: True
    most: int = 40


def no(error: type[ConmanError], *words: str) -> Refused:
    """Refused."""
    return Refused(error, words)


def home_only(registry: Registry) -> bool:
    """No other origin saw an Authorization header, and the registry itself did."""
    port = int(registry.host.partition(":")[2])
    shown = {r.port for r in registry.requests if "authorization" in r.headers}
    return shown == {port} and any(r.port != port for r in registry.requests)


def unsigned(registry: Registry) -> bool:
    """Nobody saw an Authorization header."""
    return all("authorization" not in r.headers for r in registry.requests)


def resumed(registry: Registry) -> bool:
    """The layer's second request asked for the rest alone."""
    asked = [r.headers.get("range", "") for r in registry.requests if r.path.endswith(BLOB)]
    return len(asked) == 2 and asked[1].startswith("bytes=") and asked[1] != "bytes=0-"


BASIC = Auth("basic", "ann", "s3cret")
TOKEN = Auth(user="ann", password="s3cret")

SILENCE = [
    Case("layer-stalls", [Fault(Action.STALL, on=BLOB, at=5000)], no(Unavailable, "stays silent")),
    Case("layer-stalls-once", [Fault(Action.STALL, on=BLOB, at=400_000, times=1)], None, check=resumed),
    Case("manifest-stalls", [Fault(Action.STALL, on=MANIFEST, at=20)], no(Unavailable, "stays silent")),
    Case("never-answers", [Fault(Action.SILENT)], no(Unavailable, "stays silent")),
    Case("never-answers-for-the-token", [Fault(Action.SILENT, on="/token")], no(Unavailable, "/token", "stays silent"), auth=Auth()),
    Case("layer-drips", [Fault(Action.DRIP, on=BLOB, at=1, seconds=0.02)], no(Unavailable, "only drips")),
    Case("manifest-drips", [Fault(Action.DRIP, on=MANIFEST, at=1, seconds=0.02)], no(Unavailable, "only drips")),
    Case("token-drips", [Fault(Action.DRIP, on="/token", at=1, seconds=0.2)], no(Unavailable, "/token"), auth=Auth()),
    Case("push-stalls", [Fault(Action.SILENT, on="PATCH")], no(Unavailable, "PATCH", "stays silent"), call="push"),
]

BREAKS = [
    Case("layer-is-cut", [Fault(Action.CUT, on=BLOB, at=5000)], no(Unavailable, "the connection ended", "bytes before the end")),
    Case("layer-is-cut-once", [Fault(Action.CUT, on=BLOB, at=400_000, times=1)], None, check=resumed),
    Case("layer-is-reset", [Fault(Action.RESET, on=BLOB, at=0)], no(Unavailable, "connection")),
    Case("layer-is-reset-once", [Fault(Action.RESET, on=BLOB, at=0, times=1)], None),
    Case("connections-are-dropped", [Fault(Action.DROP)], no(Unavailable, "connection")),
    Case("manifest-is-cut", [Fault(Action.CUT, on=MANIFEST, at=20)], no(Unavailable, "the connection ended")),
    Case("knows-no-ranges", [Fault(Action.CUT, on=BLOB, at=400_000, times=1), Fault(Action.NO_RANGE, on=BLOB)], None),
    Case("push-is-cut", [Fault(Action.CUT, on="PATCH", at=0)], no(Unavailable, "PATCH", "connection"), call="push"),
]

LIES = [
    Case("layer-longer-than-announced", [Fault(Action.LENGTH, on=BLOB, at=-10)], no(DigestMismatch, "ended after")),
    Case("layer-shorter-than-announced", [Fault(Action.LENGTH, on=BLOB, at=10)], no(Unavailable, "connection ended")),
    Case("manifest-shorter-than-announced", [Fault(Action.LENGTH, on=MANIFEST, at=10)], no(Unavailable, "connection ended")),
    Case("another-blob", [Fault(Action.BODY, on=BLOB, value="something else")], no(DigestMismatch, digest_of(LAYER))),
    Case("one-byte-altered", [Fault(Action.ALTER, on=BLOB, at=300_000)], no(DigestMismatch, digest_of(LAYER))),
    Case("another-config", [Fault(Action.BODY, on=CONFIG, value="{}")], no(DigestMismatch, "configuration")),
    Case("altered-manifest", [Fault(Action.ALTER, on=MANIFEST, at=5)], no(DigestMismatch, "the manifest of")),
    Case("digest-header-lies", [Fault(Action.DIGEST, on=MANIFEST, value=ZEROS)], no(DigestMismatch, ZEROS)),
    Case("digest-header-is-a-path", [Fault(Action.DIGEST, on=MANIFEST, value="sha256:../../../etc/passwd")], None),
    Case("endless-manifest", [Fault(Action.ENDLESS, on=MANIFEST)], no(InvalidInput, MANIFEST, "more than")),
    Case("endless-config", [Fault(Action.ENDLESS, on=CONFIG)], no(DigestMismatch, "configuration")),
    Case("endless-layer", [Fault(Action.ENDLESS, on=BLOB)], no(DigestMismatch, "more than")),
    Case("a-web-page", [Fault(Action.BODY, on=MANIFEST, value="<html>Sign in</html>"), ], no(DigestMismatch, "the manifest of")),
    Case("stores-another-manifest", [Fault(Action.DIGEST, on="PUT /v2/case/manifests", value=ZEROS)],
         no(DigestMismatch, "the registry says"), call="push"),
    Case("alters-what-is-pushed", [Fault(Action.ALTER, on="PATCH")], no(DigestMismatch, "other bytes"), call="push"),
]

REDIRECTS = [
    Case("elsewhere", [Fault(Action.REDIRECT, on=BLOB, times=1)], None, auth=BASIC, signed=True, check=home_only),
    Case("elsewhere-with-a-token", [Fault(Action.REDIRECT, on=BLOB, times=1)], None, auth=TOKEN, signed=True, check=home_only),
    Case("to-a-file", [Fault(Action.REDIRECT, on=BLOB, value="file:///etc/passwd")], no(Unavailable, "file: address")),
    Case("to-another-protocol", [Fault(Action.REDIRECT, on=BLOB, value="gopher://127.0.0.1/")], no(Unavailable, "gopher: address")),
    Case("to-nowhere", [Fault(Action.REDIRECT, on=BLOB, value="http://[nonsense/")], no(Unavailable, BLOB)),
    Case("in-a-circle", [Fault(Action.REDIRECT, on="/v2/", value=f"/v2/case{BLOB}")], no(Unavailable, "redirects"), most=10),
    Case("push-elsewhere", [Fault(Action.REDIRECT, on="PATCH", times=1)], None, call="push", auth=BASIC, signed=True, check=home_only),
    Case("push-to-a-file", [Fault(Action.NONE, on="POST", headers=(("Location", "file:///etc/passwd"),))],
         no(Unavailable, "file: address"), call="push"),
]

TOKENS = [
    Case("asks-for-tokens-without-end", [Fault(Action.STATUS, on="/v2/", status=401, headers=(
        ("WWW-Authenticate", 'Bearer realm="http://HOST/token",service="x"'),))], no(Unauthorized, "401"), auth=Auth(), most=6),
    Case("token-server-redirects-in-a-circle", [Fault(Action.REDIRECT, on="/token", value="/token")],
         no(Unavailable, "redirects"), auth=Auth(), most=12),
    Case("endless-token", [Fault(Action.ENDLESS, on="/token")], no(Unavailable, "token server", "more than"), auth=Auth()),
    Case("huge-token", [Fault(Action.BODY, on="/token", value='{"token": "' + "x" * 70_000 + '"}')],
         no(Unavailable, "token server", "more than"), auth=Auth()),
    Case("token-with-a-line-break", [Fault(Action.BODY, on="/token", value='{"token": "a\\r\\nX: y"}')],
         no(Unauthorized, "token server", "no token"), auth=Auth()),
    Case("token-server-is-a-file", [], no(Unavailable, "unsafe token server"), auth=Auth(realm="file:///etc/passwd")),
    Case("token-server-elsewhere", [], no(Unauthorized, "401"), auth=TOKEN._replace(realm="elsewhere"), signed=True, check=unsigned),
    Case("login-at-a-token-server-elsewhere", [], no(Unauthorized, "may not see credentials"), call="login",
         auth=TOKEN._replace(realm="elsewhere"), signed=True, check=unsigned),
    Case("token-server-redirects-elsewhere", [Fault(Action.REDIRECT, on="/token", times=1)], no(Unauthorized, "401"), auth=TOKEN,
         signed=True, check=home_only),
]

BUSY = [
    Case("busy-for-ever", [Fault(Action.STATUS, status=429, headers=NOW)], no(Unavailable, "429"), most=4),
    Case("busy-for-an-hour", [Fault(Action.STATUS, status=503, headers=(("Retry-After", "3600"),))], no(Unavailable, "503"), most=2),
    Case("busy-until-a-day-to-come", [Fault(Action.STATUS, status=503, headers=(
        ("Retry-After", "Fri, 31 Dec 2199 23:59:59 GMT"),))], no(Unavailable, "503"), most=2),
    Case("busy-until-a-day-gone-by", [Fault(Action.STATUS, on=MANIFEST, status=429, times=1, headers=(
        ("Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT"),))], None),
    Case("busy-for-nonsense", [Fault(Action.STATUS, on=MANIFEST, status=503, times=1, headers=(("Retry-After", "soon"),))], None),
]

LISTS = [
    Case("pages-without-end", [Fault(Action.PAGES, on="/tags/list")], no(Unavailable, "pages"), call="tags", most=1100),
    Case("pages-in-a-circle", [Fault(Action.NONE, on="/tags/list", headers=(("Link", '</v2/case/tags/list?n=1>; rel="next"'),))],
         no(Unavailable, "in a circle"), call="tags", most=5),
    Case("next-page-elsewhere", [Fault(Action.NONE, on="/tags/list", times=1, headers=(
        ("Link", '<http://evil.example/v2/case/tags/list?n=9>; rel="next"'),))], None, call="tags", auth=BASIC, signed=True),
    Case("endless-page", [Fault(Action.ENDLESS, on="/tags/list")], no(InvalidInput, "more than"), call="tags"),
    Case("names-that-colour-the-terminal", [Fault(Action.BODY, on="/tags/list", value='{"tags": ["\\u001b[31m"]}')],
         no(InvalidInput, "no name"), call="tags"),
    Case("a-list-that-is-none", [Fault(Action.BODY, on="/_catalog", value='{"repositories": 5}')],
         no(InvalidInput, "repositories"), call="repositories"),
    Case("no-catalogue", [Fault(Action.STATUS, on="/_catalog", status=404)], no(Unavailable, "no catalogue"), call="repositories"),
]

CASES = [*SILENCE, *BREAKS, *LIES, *REDIRECTS, *TOKENS, *BUSY, *LISTS]
