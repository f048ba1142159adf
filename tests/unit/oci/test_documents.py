"""Reading foreign JSON: every bound and every type."""

from __future__ import annotations

import json

import pytest

from conman_kernel.errors import InvalidInput
from conman_kernel.oci import documents


def test_an_object_comes_back() -> None:
    assert documents.parse_object(b'{"a": [1, null], "b": {"c": "d"}}', "it") == {"a": [1, None], "b": {"c": "d"}}


@pytest.mark.parametrize(("data", "words"), [
    (b"", "not valid JSON"), (b"[]", "not a JSON object"), (b"3", "not a JSON object"), (b"null", "not a JSON object"),
    (b'{"a": NaN}', "not valid JSON"), (b'{"a": Infinity}', "not valid JSON"), (b'{"a": 1} {"b": 2}', "not valid JSON"),
    (b'{"a": ' + b"9" * 5000 + b"}", "not valid JSON"), ("{}".encode("utf-16"), "not valid JSON"),
    (b'{"a":' * 65 + b"1" + b"}" * 65, "deeper"), (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "deeper"),
    (b'{"a":' + b"[" * 100_000, "deeper|not valid"),
])
def test_refusals_name_the_document(data: bytes, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        documents.parse_object(data, "the manifest of x")
    assert str(caught.value).startswith("the manifest of x ")
    assert "\n" not in str(caught.value)


def test_depth_of_real_documents_is_fine() -> None:
    assert documents.parse_object(b'{"a":' * 60 + b"1" + b"}" * 60, "it")


def test_length_is_bounded_before_parsing() -> None:
    with pytest.raises(InvalidInput, match="21 bytes, more than the 20"):
        documents.parse_object(b"x" * 21, "it", max_bytes=20)


def test_the_last_of_two_equal_keys_holds() -> None:
    assert documents.parse_object(b'{"a": 1, "a": 2}', "it") == {"a": 2}


def test_strings_that_could_not_be_stored_are_repaired() -> None:
    lone = documents.parse_object(b'{"a": "x\\ud800y", "\\udc00": 1, "ok": "\\ud83d\\ude00"}', "it")
    assert lone == {"a": "x\ufffdy", "\ufffd": 1, "ok": "\U0001f600"}
    assert documents.parse_object(b'{"a": "caf\xe9"}', "it") == {"a": "caf\ufffd"}
    assert documents.parse_object(b'{"a": "\\u00e9"}', "it") == {"a": "é"}


DOCUMENT = json.loads("""{"s": "x", "i": 3, "b": true, "l": ["a", "b"], "m": {"k": "v", "n": null}, "null": null,
                          "mixed": ["a", 1], "f": 1.5, "nul": "a\\u0000b", "big": 99999999999999999999}""")


def test_getters_return_what_is_there() -> None:
    assert documents.get_str(DOCUMENT, "s", "it") == "x"
    assert documents.get_int(DOCUMENT, "i", "it") == 3
    assert documents.get_bool(DOCUMENT, "b", "it") is True
    assert documents.get_list(DOCUMENT, "mixed", "it") == ("a", 1)
    assert documents.get_strings(DOCUMENT, "l", "it") == ("a", "b")
    assert documents.get_map(DOCUMENT, "m", "it") == {"k": "v", "n": None}
    assert documents.get_string_map(DOCUMENT, "m", "it") == {"k": "v", "n": ""}


@pytest.mark.parametrize("key", ["null", "absent"])
def test_null_is_absent(key: str) -> None:
    assert documents.get_str(DOCUMENT, key, "it") == ""
    assert documents.get_str(DOCUMENT, key, "it", default="d") == "d"
    assert documents.get_int(DOCUMENT, key, "it", default=-1) == -1
    assert documents.get_bool(DOCUMENT, key, "it") is False
    assert documents.get_list(DOCUMENT, key, "it") == ()
    assert documents.get_strings(DOCUMENT, key, "it") == ()
    assert documents.get_map(DOCUMENT, key, "it") == {}
    assert documents.get_string_map(DOCUMENT, key, "it") == {}


@pytest.mark.parametrize(("getter", "key"), [
    ("get_str", "i"), ("get_str", "nul"), ("get_int", "s"), ("get_int", "b"), ("get_int", "f"), ("get_int", "big"),
    ("get_bool", "i"),
    ("get_list", "m"), ("get_list", "s"), ("get_strings", "mixed"), ("get_map", "l"), ("get_map", "s"),
    ("get_string_map", "s"),
])
def test_another_type_is_refused_naming_the_key(getter: str, key: str) -> None:
    with pytest.raises(InvalidInput, match=f"^it: '{key}'"):
        getattr(documents, getter)(DOCUMENT, key, "it")
