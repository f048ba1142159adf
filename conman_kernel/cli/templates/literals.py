"""Go's literals: numbers, characters and quoted strings (Go specification, "Lexical elements")."""

from __future__ import annotations

from .problem import Wrong

_SIMPLE = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, "'": 39, '"': 34}
_LENGTHS = {"x": 2, "u": 4, "U": 8}
_BASES = {"x": 16, "o": 8, "b": 2}
_INT64 = 2**63


def number(text: str) -> int | float:
    """The value of a number.

    :raises Wrong: no number, or one that Go's int or float64 does not hold.
    """
    sign, digits = (text[0], text[1:]) if text[:1] in "+-" else ("", text)
    if digits.endswith("i") and not digits.lower().startswith("0x"):
        raise Wrong(f"complex numbers are not supported: {text}")
    whole = _integer(digits)
    if whole is not None:
        value = -whole if sign == "-" else whole
        if not -_INT64 <= value < _INT64:
            raise Wrong(f"integer overflow: {text}")
        return value
    try:
        if digits.lower().startswith("0x"):
            if "p" not in digits.lower():
                raise ValueError
            result = float.fromhex(digits.replace("_", ""))
        else:
            if not digits.isascii() or "n" in digits.lower() or digits.isdecimal():
                raise ValueError
            result = float(digits)
    except (ValueError, OverflowError):
        raise Wrong(f'bad number syntax: "{text}"') from None
    if result in (float("inf"), float("-inf")):
        raise Wrong(f"number is too large: {text}")
    return -result if sign == "-" else result


def _integer(digits: str) -> int | None:
    """None where these are no digits of an integer."""
    if not digits.isascii():
        return None
    base = _BASES.get(digits[1:2].lower(), 0) if digits[:1] == "0" else 0
    try:
        if base:
            # An underscore may follow the prefix, which int() allows only where the base is read from it.
            return int(digits, 0)
        if digits[:1] == "0" and len(digits) > 1:
            return int(digits.lstrip("0_") or "0", 8) if digits.replace("_", "").isdecimal() else None
        return int(digits, 10)
    except ValueError:
        return None


def character(text: str) -> int:
    """The code point of a character constant, as written with its quotes.

    :raises Wrong: it is none.
    """
    body = text[1:-1]
    if body and len(body) > 1 and body[0] == "\\" and body[1] in "xX01234567":
        raw = _unescaped(body, "'", text)
        if len(raw) == 1:
            return raw[0]
    value = _unescaped(body, "'", text).decode("utf-8", "surrogateescape")
    if len(value) != 1:
        raise Wrong(f"malformed character constant: {text}")
    return ord(value)


def string(text: str) -> str:
    """The value of a string in double quotes or backquotes. Bytes that are no UTF-8 are surrogates.

    :raises Wrong: an escape that Go does not know.
    """
    if text[0] == "`":
        return text[1:-1].replace("\r", "")
    if "\\" not in text:
        return text[1:-1]
    return _unescaped(text[1:-1], '"', text).decode("utf-8", "surrogateescape")


def _unescaped(body: str, quote: str, whole: str) -> bytes:
    found = bytearray()
    at = 0
    while at < len(body):
        if body[at] != "\\":
            found += body[at].encode("utf-8", "surrogateescape")
            at += 1
            continue
        letter = body[at + 1:at + 2]
        if letter in _SIMPLE and not (letter in "'\"" and letter != quote):
            found.append(_SIMPLE[letter])
            at += 2
            continue
        digits, base = (3, 8) if letter and letter in "01234567" else (_LENGTHS.get(letter, 0), 16)
        begin = at + 1 if base == 8 else at + 2
        code = body[begin:begin + digits]
        try:
            value = int(code, base) if digits and len(code) == digits and code.isalnum() and code.isascii() else -1
            if value < 0 or ((base == 8 or letter == "x") and value > 255):
                raise ValueError
            found += bytes((value,)) if base == 8 or letter == "x" else chr(value).encode("utf-8")
        except (ValueError, OverflowError):
            raise Wrong(f"invalid syntax in {whole}") from None
        at = begin + digits
    return bytes(found)
