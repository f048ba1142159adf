"""``ps --filter``. What is expected here is what podman 4.3.1 answered to the same filters."""

from __future__ import annotations

from typing import Sequence

import pytest

from conman_kernel.containers import rows
from conman_kernel.containers.filters import KEYS, build
from conman_kernel.containers.rows import ContainerRow
from conman_kernel.errors import InvalidInput, NotFound
from conman_kernel.oci.runtime.options import ContainerOptions


def row(num: int, name: str, id: str, *, state: str = "created", labels: dict[str, str] | None = None, **more: object) -> ContainerRow:
    values: dict[str, object] = dict.fromkeys(ContainerRow._fields, 0)
    values.update(num=num, name=name, id=id.ljust(64, "0"), state=state, image_id="1" * 64, image_name="localhost/kt/bb:latest",
                  created=float(num), storage="overlay-storage", runtime="runc-runtime", process="{}", error="", boot_id="",
                  options=rows.options_json(ContainerOptions(labels=tuple((labels or {}).items()))))
    values.update(more)
    return ContainerRow(**values)  # type: ignore[arg-type]


ROWS = (row(1, "aa", "697b", labels={"k": "v", "e": ""}), row(2, "bb", "f1f5", labels={"k": "w"}, runtime="crun-runtime"),
        row(3, "cc", "04e7", labels={"kk": "v"}, storage="vfs-storage"), row(4, "tt", "aa7d1ce", state="exited", exit_code=3),
        row(5, "uu", "bbbb", state="running", exit_code=-1))


def names(*filters: tuple[str, str], over: Sequence[ContainerRow] = ROWS) -> str:
    test = build(filters, all_rows=over,
                 images_of=lambda name: frozenset({"1" * 64} if name in ("bb", "111") else ()),
                 networks_of=lambda id: frozenset({"front", "f" * 64} if id.startswith(("697b", "bbbb")) else ()),
                 health_of=lambda row: "healthy" if row.name == "uu" else "none")
    return " ".join(r.name for r in over if test(r))


@pytest.mark.parametrize(("filters", "expected"), [
    ((), "aa bb cc tt uu"),
    ((("label", "k"),), "aa bb"),
    ((("health", "healthy"),), "uu"),
    ((("health", "none"), ("health", "healthy"), ("label", "k")), "aa bb"),
    ((("label", "k="),), "aa bb"),
    ((("label", "k=v"), ("label", "e")), "aa"),
    ((("label", "k=v"), ("label", "k=w")), ""),
    ((("label", "k*=v"),), "aa cc"),
    ((("label", "k.=v"),), ""),
    ((("label", "e="),), "aa"),
    ((("label!", "k"),), "cc tt uu"),
    ((("label!", "k=v"),), "bb cc tt uu"),
    ((("label!", "k=v"), ("label!", "kk")), "bb tt uu"),
    ((("label", "k"), ("label!", "e")), "bb"),
    ((("pod", "x"),), ""),
    ((("restart-policy", "no"),), "aa bb cc tt uu"),
    ((("restart-policy", "always"),), ""),
    ((("network", "front"),), "aa uu"),
    ((("network", "front"), ("network", "none")), "aa uu"),
    ((("network", "none"),), ""),
    ((("name", "a"), ("name", "b")), "aa bb"),
    ((("name", "^a"),), "aa"),
    ((("name", "x"),), ""),
    ((("name", "a"), ("label", "k=w")), ""),
    ((("id", "97b"),), "aa"),
    ((("id", "697b"), ("id", "f1f5")), "aa bb"),
    ((("id", "zz"),), ""),
    ((("status", "created"), ("status", "exited")), "aa bb cc tt"),
    ((("status", "stopped"),), "tt"),
    ((("status", "running"),), "uu"),
    ((("status", "paused"),), ""),
    ((("exited", "3"),), "tt"),
    ((("exited", "0"),), ""),
    ((("exited", "-1"),), ""),
    ((("exited", "0"), ("exited", "3")), "tt"),
    ((("before", "bb"),), "aa"),
    ((("before", "bb"), ("before", "cc")), "aa"),
    ((("since", "aa"), ("since", "bb")), "bb cc tt uu"),
    ((("since", "aa"), ("before", "cc")), "bb"),
    ((("before", "f1f"),), "aa"),
    ((("ancestor", "localhost/kt/bb:latest"),), "aa bb cc tt uu"),
    ((("ancestor", "localhost/kt/bb"),), "aa bb cc tt uu"),
    ((("ancestor", "bb"),), "aa bb cc tt uu"),
    ((("ancestor", "other"),), ""),
    ((("until", "3"),), "aa bb"),
    ((("storage", "vfs-storage"),), "cc"),
    ((("runtime", "crun-runtime"),), "bb"),
])
def test_filters(filters: Sequence[tuple[str, str]], expected: str) -> None:
    assert names(*filters) == expected


def test_a_name_wins_over_the_beginning_of_an_id() -> None:
    assert names(("before", "aa")) == "" and names(("since", "aa")) == "bb cc tt uu"


@pytest.mark.parametrize(("key", "value", "kind", "words"), [
    ("nokey", "1", InvalidInput, '"nokey" is an invalid filter'), ("name!", "k", InvalidInput, '"name!" is an invalid filter'),
    ("status", "nope", InvalidInput, '"nope" is not a valid container status'), ("exited", "x", InvalidInput, "'x' is no number"),
    ("before", "nosuch", NotFound, 'no container with name or ID "nosuch" found: no such container'),
    ("since", "", InvalidInput, "more than one"), ("until", "soon", InvalidInput, "no point in time"),
    ("name", "*", InvalidInput, "no regular expression"),
])
def test_what_makes_no_sense(key: str, value: str, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words.replace("*", r"\*")):
        names((key, value))


def test_the_hint_lists_every_key() -> None:
    with pytest.raises(InvalidInput) as caught:
        names(("what", "x"))
    for key in KEYS:
        assert key in caught.value.hint
        try:
            names((key, "1"))
        except (InvalidInput, NotFound) as error:
            assert "invalid filter" not in error.message
