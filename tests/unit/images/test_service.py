"""Finding, listing, ensuring and removing images."""

from __future__ import annotations

import pytest

from conman_kernel.errors import InvalidInput, InvalidState, NotFound, Unavailable
from conman_kernel.testing.images import file, image, layer

BASE = layer([file("base", b"b" * 3000)])
BOX = image([BASE, layer([file("box")])], config={"Labels": {"k": "v"}})
TOOL = image([BASE, layer([file("tool")])])
BOX_ID = BOX.image_id.removeprefix("sha256:")
TOOL_ID = TOOL.image_id.removeprefix("sha256:")


@pytest.fixture
def stocked(bench):
    """``docker.io/library/box:latest``, ``h.x/team/tool:1``."""
    bench.shelf.add("docker.io/library/box:latest", BOX)
    bench.shelf.add("h.x/team/tool:1", TOOL)
    bench.images.pull("box")
    bench.images.pull("h.x/team/tool:1")
    bench.shelf.opened.clear()
    bench.shelf.resolved.clear()
    return bench


def hold(bench, image_id: str, container: str = "c" * 64, name: str = "mine") -> None:
    """A container row, as the container service writes it."""
    top = bench.images.get(image_id).top_chain_id
    with bench.index.write() as db:
        db.execute("INSERT INTO containers (id, name, image_id, image_name, image_chain_id, state, created, storage, "
                   "runtime, options, process) VALUES (?, ?, ?, 'x', ?, 'exited', 0, 'folders', 'runc-runtime', '{}', '{}')",
                   (container, name, image_id, top))


@pytest.mark.parametrize("text", [
    "box", "box:latest", "library/box", "docker.io/box", "docker.io/library/box:latest", "docker://box", BOX_ID,
    f"sha256:{BOX_ID}",
    BOX_ID[:12], BOX_ID[:1], f"sha256:{BOX_ID[:20]}", f"box@{BOX.descriptor.digest}",
        f"docker.io/library/box:x@{BOX.descriptor.digest}",
    BOX.descriptor.digest,
])
def test_get(stocked, text):
    assert BOX_ID[0] != TOOL_ID[0], "mend the example: the first digits must differ"
    assert stocked.images.get(text).id == BOX_ID


@pytest.mark.parametrize("text", ["tool:1", "team/tool:1"])
def test_get_by_the_end_of_a_name(stocked, text):
    assert stocked.images.get(text).id == TOOL_ID


@pytest.mark.parametrize("text", ["tool", "ool:1", "box:1", "nosuch", "f" * 64, "sha256:" + "e" * 64,
    f"tool@{BOX.descriptor.digest}", "h.x/box"])
def test_get_what_is_not_there(stocked, text):
    with pytest.raises(NotFound, match="image not known") as caught:
        stocked.images.get(text)
    assert str(caught.value) == f"{text}: image not known"


def test_localhost_comes_first(stocked):
    stocked.shelf.add("localhost/box:latest", TOOL)
    stocked.images.pull("localhost/box")
    assert stocked.images.get("box").id == TOOL_ID


def test_an_ambiguous_prefix_or_tail_is_refused(stocked):
    made = [image([layer([file(str(n))])]) for n in range(20)]
    for number, one in enumerate(made):
        stocked.shelf.add(f"h.x/many{number}:latest", one)
        stocked.images.pull(f"h.x/many{number}")
    firsts = [one.image_id.removeprefix("sha256:")[0] for one in made]
    twice = next(first for first in firsts if firsts.count(first) > 1)
    with pytest.raises(InvalidInput, match="several images"):
        stocked.images.get(twice)
    stocked.shelf.add("h.x/a/same:latest", BOX)
    stocked.shelf.add("h.x/b/same:latest", TOOL)
    stocked.images.pull("h.x/a/same")
    stocked.images.pull("h.x/b/same")
    with pytest.raises(InvalidInput, match="may be several images"):
        stocked.images.get("same")


def test_ensure_of_what_is_here_opens_no_plugin(stocked):
    def refuse(*args: object) -> object:
        raise AssertionError("a plugin was asked for")

    stocked.images._parts = stocked.parts._replace(storage=refuse, transport=refuse)
    for policy in ("missing", "never"):
        assert stocked.images.ensure("box", policy=policy).id == BOX_ID
    assert stocked.images.ensure(BOX_ID[:9], policy="always").id == BOX_ID


def test_ensure_is_one_query(stocked):
    statements: list[str] = []
    read = stocked.index.read

    from contextlib import contextmanager

    @contextmanager
    def traced():
        with read() as db:
            db.set_trace_callback(statements.append)
            yield db

    stocked.index.read = traced
    stocked.images.ensure("box")
    assert len([text for text in statements if text.lstrip().startswith("SELECT i.id")]) == 1


def test_policies(stocked):
    with pytest.raises(NotFound, match="new: image not known"):
        stocked.images.ensure("new", policy="never")
    stocked.images.ensure("box", policy="newer")
    assert stocked.shelf.resolved == ["docker.io/library/box:latest"]
    assert stocked.shelf.opened == []
    stocked.images.ensure("box", policy="always")
    assert len(stocked.shelf.resolved) == 2
    stocked.shelf.down = True
    assert stocked.images.ensure("box", policy="newer").id == BOX_ID
    with pytest.raises(Unavailable):
        stocked.images.ensure("box", policy="always")
    with pytest.raises(Unavailable):
        stocked.images.ensure("new", policy="newer")
    stocked.shelf.down = False
    stocked.shelf.add("docker.io/library/box:latest", TOOL)
    assert stocked.images.ensure("box", policy="missing").id == BOX_ID
    assert stocked.images.ensure("box", policy="newer").id == TOOL_ID


def test_list_and_filters(stocked):
    def ids(**filters: str) -> set[str]:
        return {found.id for found in stocked.images.list({key: [value] for key, value in filters.items()})}

    both = {BOX_ID, TOOL_ID}
    assert {found.id for found in stocked.images.list()} == both
    assert ids(reference="box") == ids(reference="docker.io/library/box") == ids(reference="*box*") == {BOX_ID}
    assert ids(reference="tool:1") == ids(reference="h.x/*/*") == {TOOL_ID}
    assert ids(label="k") == ids(label="k=v") == {BOX_ID}
    assert ids(label="k=w") == ids(reference="nosuch") == ids(dangling="true") == set()
    assert ids(dangling="false") == both
    assert ids(id=BOX_ID[:8]) == {BOX_ID}
    assert ids(before="box") == set()
    with pytest.raises(InvalidInput, match="unknown filter"):
        stocked.images.list({"nonsense": ["1"]})


def test_remove_takes_what_nothing_else_needs(stocked):
    top = stocked.images.get("box").layers
    report = stocked.images.remove("box")
    assert report == (("docker.io/library/box:latest",), (BOX_ID,))
    tool = stocked.images.get("tool:1")
    assert stocked.driver.names("committed") == set(tool.layers)
    assert top[0] in tool.layers
    stocked.images.remove("tool:1")
    assert stocked.files() == set()
    assert stocked.driver.names("committed") == set()
    for table in ("images", "image_names", "image_digests", "image_layers", "layers", "blobs", "leases"):
        assert stocked.rows(table) == 0, table


def test_remove_of_one_of_several_names_untags(stocked):
    stocked.shelf.add("h.x/also:latest", BOX)
    stocked.images.pull("h.x/also")
    with pytest.raises(InvalidState, match="has 2 names"):
        stocked.images.remove(BOX_ID)
    assert stocked.images.remove("box") == (("docker.io/library/box:latest",), ())
    assert stocked.images.get(BOX_ID).names == ("h.x/also:latest",)
    assert stocked.images.remove(BOX_ID[:10]).deleted == (BOX_ID,)


def test_force_takes_all_names(stocked):
    stocked.shelf.add("h.x/also:latest", BOX)
    stocked.images.pull("h.x/also")
    assert stocked.images.remove(BOX_ID, force=True) == (("docker.io/library/box:latest", "h.x/also:latest"), (BOX_ID,))


def test_an_image_in_use_stays(stocked):
    hold(stocked, BOX_ID)
    with pytest.raises(InvalidState, match=r"in use by container cccccccccccc \(mine\)") as caught:
        stocked.images.remove("box")
    assert caught.value.exit_code == 2
    assert InvalidState.exit_code == 125
    with pytest.raises(InvalidState):
        stocked.images.remove("box", force=True)
    assert stocked.images.get("box").id == BOX_ID
    assert stocked.images.users(BOX_ID) == (("c" * 64, "mine"),)


def test_remove_what_is_not_there(stocked):
    with pytest.raises(NotFound, match="nosuch: image not known"):
        stocked.images.remove("nosuch")


def test_layers_of_a_container_outlive_their_image(stocked):
    hold(stocked, BOX_ID)
    layers = stocked.images.get(BOX_ID).layers
    with stocked.index.write() as db:
        for table in ("image_names", "image_digests", "image_layers"):
            db.execute(f"DELETE FROM {table} WHERE image_id = ?", (BOX_ID,))
        db.execute("DELETE FROM images WHERE id = ?", (BOX_ID,))
    stocked.images.remove("tool:1")
    stocked.images.collect()
    assert stocked.driver.names("committed") == set(layers)
    assert stocked.rows("layers") == 2


def test_collect_removes_rows_and_layers_that_nobody_needs(stocked):
    layers = stocked.images.get("box").layers
    with stocked.index.write() as db:
        for table in ("image_names", "image_digests", "image_layers"):
            db.execute(f"DELETE FROM {table} WHERE image_id = ?", (BOX_ID,))
        db.execute("DELETE FROM images WHERE id = ?", (BOX_ID,))
    stocked.images.collect()
    assert layers[1] not in stocked.driver.names("committed")
    assert set(stocked.images.get("tool:1").layers) == stocked.driver.names("committed")
