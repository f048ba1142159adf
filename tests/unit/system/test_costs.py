"""What asking costs: an image that is present takes one query, and no list takes more of them when there are more images."""

from __future__ import annotations

from typing import Callable

import pytest

from conman_kernel.store.index import Index
from conman_kernel.testing.images import file, image, layer

from .conftest import BASE, HOST

ASKED = {
    "list": lambda store: store.images.list(),
    "filters": lambda store: store.images.list({"containers": ["false"], "label": ["kind"], "reference": ["*m*"]}),
    "tree": lambda store: store.images.tree(),
    "history": lambda store: store.images.history("many0"),
    "df": lambda store: store.system.df(),
    "prune": lambda store: store.images.prune(),
    "check": lambda store: store.system.check(quick=True),
    "get": lambda store: store.images.get("many0"),
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], list[str]]:
    """The statements that a call sends to the index, but for the beginnings and ends of transactions."""
    told: list[str] = []
    plain = Index._connect

    def connect(self: Index):
        connection = plain(self)
        connection.set_trace_callback(told.append)
        return connection

    monkeypatch.setattr(Index, "_connect", connect)

    def count(work: Callable[[], object]) -> list[str]:
        told.clear()
        work()
        return [text for text in told if not text.startswith(("BEGIN", "COMMIT", "ROLLBACK", "--"))]

    return count


def test_a_present_image_is_one_query(store, asked):
    """By whatever it is asked for, but digits that might be a name, and the end of a name: both are looked for where nothing is called so."""
    id = store.pull("one").tag("mine", "docker.io/library/known").id
    for words in (f"{HOST}/one", f"{HOST}/one:latest", "mine", "known", id, f"sha256:{id}"):
        assert len(asked(lambda words=words: store.images.ensure(words))) == 1, words
    for words in (id[:12], "one"):
        assert len(asked(lambda words=words: store.images.ensure(words))) == 2, words


@pytest.mark.parametrize("what", ASKED)
def test_more_images_are_no_more_queries(store, shelf, asked, what):
    for number in range(8):
        shelf.add(f"many{number}", image([BASE, layer([file(f"n{number}", b"x")])], config={"Cmd": ["x"], "Labels": {"kind": "a"}}))
    store.pull("many0")
    store.create("many0", "holder")
    few = asked(lambda: ASKED[what](store))
    for number in range(1, 8):
        store.pull(f"many{number}")
    many = asked(lambda: ASKED[what](store))
    assert few and len(many) == len(few), "\n".join(many)
