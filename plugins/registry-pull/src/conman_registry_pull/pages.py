"""Lists that registries give page by page (OCI distribution-spec v1.1, "Content Discovery"; RFC 8288 for Link)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Iterator
from urllib.parse import urljoin, urlsplit

from conman_kernel.cancel import Cancel
from conman_kernel.errors import InvalidInput, Unavailable
from conman_kernel.oci.documents import MAX_DOCUMENT_BYTES, get_list, parse_object

from .failures import redacted
from .reply import Question, Reply

if TYPE_CHECKING:
    from .client import Client
    from .endpoints import Endpoint

PAGE = 1000
"""How many names are asked for at once."""
MAX_PAGES = 1000
MAX_NAME = 512
_NEXT = re.compile(r'<([^>]*)>\s*;[^,]*\brel\s*=\s*"?next"?', re.IGNORECASE)


def names(client: Client, endpoint: Endpoint, path: str, key: str, scope: str, cancel: Cancel) -> Iterator[str]:
    """The strings below ``key`` of each page.

    :param path: of the first page, as in :class:`.reply.Question`.
    :raises InvalidInput: a page is no such list.
    :raises Unavailable: the pages go round in a circle, or never end.
    """
    seen: set[str] = set()
    where = f"{path}?n={PAGE}"
    for _ in range(MAX_PAGES):
        question = Question("GET", where, (scope,), {"Accept": "application/json"})
        reply, data = client.document(endpoint, question, MAX_DOCUMENT_BYTES, cancel)
        what = f"GET {redacted(reply.url)}: the list"
        document = parse_object(data, what)
        for name in get_list(document, key, what) if document.get(key) is not None else ():
            yield _checked(name, what)
        following = _following(reply, endpoint)
        if not following:
            return
        if following in seen:
            raise Unavailable(f"{what} goes round in a circle", hint=f"is {endpoint.authority} a sound registry?")
        seen.add(following)
        where = following
    raise Unavailable(f"GET {endpoint.authority} {path}: the list has more than {MAX_PAGES} pages",
                      hint=f"is {endpoint.authority} a sound registry?")


def _following(reply: Reply, endpoint: Endpoint) -> str:
    """The next page's URL at the same endpoint; empty where this was the last.

    Registries behind proxies get scheme and host wrong, so path and query are all that is taken."""
    found = _NEXT.search(reply.headers.get("Link", "")[:8192])
    if found is None:
        return ""
    try:
        parts = urlsplit(urljoin(reply.url, found[1]))
    except ValueError:
        raise Unavailable(f"GET {redacted(reply.url)}: the next page has no address that one could go to") from None
    query = f"?{parts.query}" if parts.query else ""
    return f"{urlsplit(reply.url).scheme}://{endpoint.authority}{parts.path}{query}"


def _checked(name: object, what: str) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME or not name.isascii() or not name.isprintable():
        raise InvalidInput(f"{what} holds something that is no name: {name!r:.80}")
    return name
