"""The functions of templates: Go's, and those that docker and podman add."""

from __future__ import annotations

from typing import Callable, Mapping, Sequence

from ...record import Record
from .printf import Printer
from .problem import Wrong
from .text import printed, text
from .values import LARGEST, NIL_MAP, NO_VALUE, Fields, as_bytes, bounded, from_bytes, is_nil, kind, plain, true

_MOST_PARTS = 1_000_000

ANY, STRING, INT, STRINGS = "any", "string", "int", "[]string"


class Function(Record):
    """One function.

    :param call: takes the arguments in order; raises :class:`.problem.Wrong`.
    :param fixed: the kinds of its arguments.
    :param more: any number of further ones may follow.
    """

    call: Callable[[Sequence[object]], object]
    fixed: tuple[str, ...] = ()
    more: bool = False


def _fit(value: object, wanted: str) -> bool:
    if wanted == STRING:
        return isinstance(value, str)
    if wanted == INT:
        return isinstance(value, int) and not isinstance(value, bool)
    if wanted == STRINGS:
        return is_nil(value) or isinstance(value, (list, tuple))
    return True


def checked(name: str, function: Function, values: Sequence[object]) -> object:
    """Call it.

    :raises Wrong: the number or the kinds of the arguments, or what the function itself says.
    """
    wanted, count = len(function.fixed), len(values)
    if count < wanted or (count > wanted and not function.more):
        least = "at least " if function.more else ""
        raise Wrong(f"wrong number of args for {name}: want {least}{wanted} got {count}")
    for value, kind_wanted in zip(values, function.fixed):
        if not _fit(value, kind_wanted):
            if is_nil(value):
                raise Wrong(f"invalid value; expected {kind_wanted}")
            raise Wrong(f"wrong type for value; expected {kind_wanted}; got {kind(value)}")
    try:
        return function.call(values)
    except Wrong as wrong:
        raise Wrong(f"error calling {name}: {wrong.words}", wrong.hint) from None


# -- Go's

def _not(values: Sequence[object]) -> bool:
    return not true(values[0])


_BASIC = ("bool", "int", "float64", "string")


def _equal(one: object, other: object) -> bool:
    kinds = tuple(known if known in _BASIC else "" for known in (kind(one), kind(other)))
    if kinds[0] != kinds[1]:
        if is_nil(one) or is_nil(other):
            return False
        raise Wrong("incompatible types for comparison")
    if kinds[0]:
        return one == other
    if is_nil(one) or is_nil(other):
        return is_nil(one) and is_nil(other)
    raise Wrong(f"non-comparable type {kind(other)}")


def _eq(values: Sequence[object]) -> bool:
    if len(values) < 2:
        raise Wrong("missing argument for comparison")
    return any(_equal(values[0], other) for other in values[1:])


def _ne(values: Sequence[object]) -> bool:
    return not _equal(values[0], values[1])


def _less(one: object, other: object) -> bool:
    for value in (one, other):
        if kind(value) not in _BASIC:
            raise Wrong("invalid type for comparison")
    if kind(one) != kind(other):
        raise Wrong("incompatible types for comparison")
    if isinstance(one, str) and isinstance(other, str):
        return as_bytes(one) < as_bytes(other)
    if isinstance(one, (int, float)) and isinstance(other, (int, float)) and not isinstance(one, bool):
        return one < other
    raise Wrong("invalid type for comparison")


def _le(values: Sequence[object]) -> bool:
    return _less(values[0], values[1]) or _equal(values[0], values[1])


def _len(values: Sequence[object]) -> int:
    value = values[0]
    if isinstance(value, str):
        return len(as_bytes(value))
    if isinstance(value, (list, tuple)) or (isinstance(value, Mapping) and not isinstance(value, Fields)):
        return len(value)
    if value is NIL_MAP:
        return 0
    raise Wrong("len of nil pointer" if is_nil(value) else f"len of type {kind(value)}")


def _position(value: object, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Wrong(f"cannot index slice/array with {'nil' if is_nil(value) else 'type ' + kind(value)}")
    if not 0 <= value <= most:
        raise Wrong(f"index out of range: {value}")
    return value


def _index(values: Sequence[object]) -> object:
    item = values[0]
    if is_nil(item) and item is not NIL_MAP:
        raise Wrong("index of untyped nil")
    for key in values[1:]:
        if item is NIL_MAP:
            item = {}
        if is_nil(item):
            raise Wrong("index of nil pointer")
        item = _indexed(item, key)
    return item


def _indexed(item: object, key: object) -> object:
    if isinstance(item, str):
        data = as_bytes(item)
        place = _position(key, len(data))
        if place == len(data):
            raise Wrong(f"index out of range: {place}")
        return data[place]
    if isinstance(item, (list, tuple)):
        place = _position(key, len(item))
        if place == len(item):
            raise Wrong(f"index out of range: {place}")
        return item[place]
    if isinstance(item, Mapping) and not isinstance(item, Fields):
        if not isinstance(key, str):
            raise Wrong("value is nil; should be of type string" if is_nil(key) else
                        f"value has type {kind(key)}; should be string")
        if key in item:
            return item[key]
        # A map of strings has empty ones for what it lacks, others have nil.
        return "" if all(isinstance(value, str) for value in item.values()) else None
    raise Wrong(f"can't index item of type {kind(item)}")


def _slice(values: Sequence[object]) -> object:
    item, places = values[0], values[1:]
    if is_nil(item):
        raise Wrong("slice of untyped nil")
    if len(places) > 3:
        raise Wrong(f"too many slice indexes: {len(places)}")
    if isinstance(item, str):
        if len(places) == 3:
            raise Wrong("cannot 3-index slice a string")
        data = as_bytes(item)
        begin, end = _bounds(places, len(data))
        return from_bytes(data[begin:end])
    if isinstance(item, (list, tuple)):
        begin, end = _bounds(places, len(item))
        return item[begin:end]
    raise Wrong(f"can't slice item of type {kind(item)}")


def _bounds(places: Sequence[object], length: int) -> tuple[int, int]:
    known = [_position(place, length) for place in places]
    begin, end = (known + [0])[0], known[1] if len(known) > 1 else length
    if begin > end:
        raise Wrong(f"invalid slice index: {begin} > {end}")
    if len(known) > 2 and end > known[2]:
        raise Wrong(f"invalid slice index: {end} > {known[2]}")
    return begin, end


def _print(values: Sequence[object]) -> str:
    return bounded(printed(values))


def _println(values: Sequence[object]) -> str:
    return bounded(" ".join(map(text, values)) + "\n")


def _printf(values: Sequence[object]) -> str:
    return Printer(str(values[0]), values[1:]).result()


_HTML = {'"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;", "\0": "\ufffd"}


def _html(values: Sequence[object]) -> str:
    return bounded("".join(_HTML.get(letter, letter) for letter in _arguments(values)))


def _arguments(values: Sequence[object]) -> str:
    """A missing value is said to be none, as where a template prints it."""
    return bounded(printed([NO_VALUE if value is None else value for value in values]))


_JS = {"\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D"}


def _js(values: Sequence[object]) -> str:
    found: list[str] = []
    for letter in _arguments(values):
        plain_letter = letter.isprintable() and ord(letter) >= 32
        found.append(_JS.get(letter, letter if plain_letter else f"\\u{ord(letter):04X}"))
    return bounded("".join(found))


def _urlquery(values: Sequence[object]) -> str:
    from urllib.parse import quote_plus

    return bounded(quote_plus(as_bytes(_arguments(values)), safe="~"))


def _call(values: Sequence[object]) -> object:
    raise Wrong("call of nil" if is_nil(values[0]) else f"non-function of type {kind(values[0])}")


# -- docker's and podman's

def _json(values: Sequence[object]) -> str:
    import json

    return bounded(go_json(json.dumps(plain(values[0]), separators=(",", ":"), ensure_ascii=False, default=str)))


def go_json(document: str) -> str:
    """JSON with what Go's encoder escapes beyond Python's, and U+FFFD for what is no UTF-8."""
    if document.isascii():
        return document
    document = document.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return "".join("\\ufffd" if 0xD800 <= ord(letter) < 0xE000 else letter for letter in document)


def _join(values: Sequence[object]) -> str:
    parts, between = values
    items = [] if not isinstance(parts, (list, tuple)) else [text(item) for item in parts]
    if sum(map(len, items)) + len(items) * len(str(between)) > LARGEST:
        raise Wrong(f"the text is longer than {LARGEST} characters")
    return str(between).join(items)


def _split(values: Sequence[object]) -> list[str]:
    whole, between = str(values[0]), str(values[1])
    if (whole.count(between) if between else len(whole)) > _MOST_PARTS:
        raise Wrong(f"more than {_MOST_PARTS} parts")
    return whole.split(between) if between else list(whole)


def _lower(values: Sequence[object]) -> str:
    return str(values[0]).lower()


def _upper(values: Sequence[object]) -> str:
    return bounded(str(values[0]).upper())


def _title(values: Sequence[object]) -> str:
    """The first letter of each word in upper case, the others as they are."""
    found: list[str] = []
    before = " "
    for letter in str(values[0]):
        starts = not (before.isalnum() or before == "_")
        found.append(letter.title() if starts else letter)
        before = letter
    return bounded("".join(found))


def _truncate(values: Sequence[object]) -> str:
    data, length = as_bytes(str(values[0])), values[1]
    assert isinstance(length, int)
    if length < 0:
        raise Wrong(f"slice bounds out of range [:{length}]")
    return from_bytes(data[:length])


def _pad(values: Sequence[object]) -> str:
    word, before, after = str(values[0]), values[1], values[2]
    assert isinstance(before, int) and isinstance(after, int)
    if before < 0 or after < 0:
        raise Wrong("negative Repeat count")
    if before + after > LARGEST:
        raise Wrong(f"the text is longer than {LARGEST} characters")
    return bounded(" " * before + word + " " * after) if word else word


FUNCTIONS: Mapping[str, Function] = {
    "and": Function(lambda values: NO_VALUE, (ANY,), more=True),  # both stop early: the evaluator's affair
    "or": Function(lambda values: NO_VALUE, (ANY,), more=True),
    "call": Function(_call, (ANY,), more=True),
    "eq": Function(_eq, (ANY,), more=True),
    "ge": Function(lambda values: not _less(values[0], values[1]), (ANY, ANY)),
    "gt": Function(lambda values: not _le(values), (ANY, ANY)),
    "html": Function(_html, (), more=True),
    "index": Function(_index, (ANY,), more=True),
    "join": Function(_join, (STRINGS, STRING)),
    "js": Function(_js, (), more=True),
    "json": Function(_json, (ANY,)),
    "le": Function(_le, (ANY, ANY)),
    "len": Function(_len, (ANY,)),
    "lower": Function(_lower, (STRING,)),
    "lt": Function(lambda values: _less(values[0], values[1]), (ANY, ANY)),
    "ne": Function(_ne, (ANY, ANY)),
    "not": Function(_not, (ANY,)),
    "pad": Function(_pad, (STRING, INT, INT)),
    "print": Function(_print, (), more=True),
    "printf": Function(_printf, (STRING,), more=True),
    "println": Function(_println, (), more=True),
    "slice": Function(_slice, (ANY,), more=True),
    "split": Function(_split, (STRING, STRING)),
    "title": Function(_title, (STRING,)),
    "truncate": Function(_truncate, (STRING, INT)),
    "upper": Function(_upper, (STRING,)),
    "urlquery": Function(_urlquery, (), more=True),
}
"""Name -> function."""
