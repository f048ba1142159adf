"""``printf``: the verbs and flags of Go's package fmt on a template's values. What does not fit is shown as Go shows it,
such as ``%!d(string=x)``; nothing is an error but a result without bounds."""

from __future__ import annotations

from typing import Mapping, Sequence

from ...record import Record
from .problem import Wrong
from .text import float_text, ordered, text
from .values import LARGEST, NIL_MAP, Fields, Missing, as_bytes, bounded, is_nil, kind

_FLAGS = "+-# 0"
_WIDEST = 1_000_000
"""Go's own limit for widths and precisions."""


class _Verb(Record):
    """One ``%...``.

    :param width: -1 where there is none; so is ``precision``.
    """

    letter: str
    flags: str = ""
    width: int = -1
    precision: int = -1


class Printer:
    """One call of ``printf``."""

    def __init__(self, format: str, values: Sequence[object]) -> None:
        self._format = format
        self._values = values
        self._at = 0
        self._next = 0
        self._reordered = False
        self._good = True

    def result(self) -> str:
        """The text. :raises Wrong: it would be too long."""
        found: list[str] = []
        total = 0
        while self._at < len(self._format):
            begin = self._at
            percent = self._format.find("%", begin)
            self._at = percent if percent >= 0 else len(self._format)
            found.append(self._format[begin:self._at])
            if percent >= 0:
                self._at += 1
                found.append(self._directive())
            total += sum(map(len, found[-2:]))
            if total > LARGEST:
                raise Wrong(f"the text is longer than {LARGEST} characters")
        if not self._reordered and self._next < len(self._values):
            extra = ", ".join(_typed(value) for value in self._values[self._next:])
            found.append(f"%!(EXTRA {extra})")
        return bounded("".join(found))

    def _directive(self) -> str:
        """One verb, from behind its percent sign."""
        flags, self._good = "", True
        while self._format[self._at:self._at + 1] and self._format[self._at] in _FLAGS:
            flags += self._format[self._at]
            self._at += 1
        indexed = self._index()
        bad = ""
        width, trouble = self._amount(indexed, "WIDTH")
        bad += trouble
        if width < -1:
            flags, width = flags + "-", -width
        precision = -1
        if self._format[self._at:self._at + 1] == ".":
            self._at += 1
            indexed = self._index()
            precision, trouble = self._amount(indexed, "PREC")
            bad += trouble
            precision = 0 if precision == -1 and not trouble else max(precision, -1)
        indexed = self._index()
        if self._at >= len(self._format):
            return bad + "%!(NOVERB)"
        letter = self._format[self._at]
        self._at += 1
        if letter == "%":
            return bad + "%"
        if not self._good:
            return f"{bad}%!{letter}(BADINDEX)"
        if self._next >= len(self._values):
            return f"{bad}%!{letter}(MISSING)"
        value = self._values[self._next]
        self._next += 1
        return bad + formatted(_Verb(letter, flags.replace("0", "") if "-" in flags else flags, width, precision), value)

    def _index(self) -> bool:
        """``[3]``: which value is meant."""
        if self._format[self._at:self._at + 1] != "[":
            return False
        self._reordered = True
        closed = self._format.find("]", self._at)
        digits = self._format[self._at + 1:closed] if closed >= 0 else ""
        self._at = closed + 1 if closed >= 0 else self._at + 1
        if not (digits.isascii() and digits.isdecimal()) or len(digits) > 9 or not 1 <= int(digits) <= len(self._values):
            self._good = False
            return False
        self._next = int(digits) - 1
        return True

    def _amount(self, indexed: bool, what: str) -> tuple[int, str]:
        """A width or precision: digits, or ``*``. :returns: it (-1 for none), and Go's complaint or empty."""
        if self._format[self._at:self._at + 1] == "*":
            self._at += 1
            value = self._values[self._next] if self._next < len(self._values) else None
            self._next += 1
            if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _WIDEST:
                return -1, f"%!(BAD{what})"
            return (-1 if what == "PREC" and value < 0 else value), ""
        begin = self._at
        while self._format[self._at:self._at + 1] and self._format[self._at] in "0123456789":
            self._at += 1
        digits = self._format[begin:self._at]
        if digits and indexed:
            self._good = False
        if not digits:
            return -1, ""
        if len(digits) > 7 or int(digits) > _WIDEST:
            # Go takes what it has read for the verb then; the result is the same kind of nonsense.
            return -1, f"%!(BAD{what})"
        return int(digits), ""


def formatted(verb: _Verb, value: object) -> str:
    """A value by one verb."""
    if verb.letter == "T":
        return _padded(verb, "<nil>" if is_nil(value) else kind(value))
    if verb.letter == "p":
        return _bad(verb, value)
    if value is NIL_MAP:
        value = {}
    if is_nil(value):
        return _padded(verb, "<nil>") if verb.letter == "v" else f"%!{verb.letter}(<nil>)"
    if verb.letter == "v" and "+" in verb.flags:
        verb = verb._replace(flags=verb.flags.replace("+", ""))
    if verb.letter == "v" and "#" in verb.flags:
        return _padded(verb, _go_syntax(value))
    if isinstance(value, Mapping):
        return "map[" + " ".join(f"{formatted(verb, key)}:{_inner(verb, value[key])}" for key in ordered(value)) + "]"
    if isinstance(value, (list, tuple)):
        return "[" + " ".join(_inner(verb, item) for item in value) + "]"
    if isinstance(value, bool):
        return _padded(verb, text(value)) if verb.letter in "tv" else _bad(verb, value)
    if isinstance(value, int):
        return _integer(verb, value)
    if isinstance(value, float):
        return _float(verb, value)
    if isinstance(value, str):
        return _string(verb, value)
    return _bad(verb, value)


def _inner(verb: _Verb, value: object) -> str:
    """What stands in a list or map."""
    return _padded(verb, "<nil>") if is_nil(value) else formatted(verb, value)


def _padded(verb: _Verb, shown: str, *, zeros: bool = False) -> str:
    if verb.width <= len(shown):
        return shown
    if "-" in verb.flags:
        return shown.ljust(verb.width)
    if zeros and "0" in verb.flags:
        sign = shown[:1] if shown[:1] in ("+", "-", " ") else ""
        return sign + shown[len(sign):].rjust(verb.width - len(sign), "0")
    return shown.rjust(verb.width)


def _typed(value: object) -> str:
    return "<nil>" if is_nil(value) else f"{kind(value)}={text(value)}"


def _bad(verb: _Verb, value: object) -> str:
    return f"%!{verb.letter}({_typed(value)})"


def _integer(verb: _Verb, value: int) -> str:
    letter = "d" if verb.letter == "v" else verb.letter
    if letter == "c" or letter == "q":
        known = chr(value) if 0 <= value < 0x110000 and not 0xD800 <= value < 0xE000 else "\ufffd"
        return _padded(verb, known if letter == "c" else _quoted_letter(known, ascii="+" in verb.flags))
    if letter == "U":
        shown = f"U+{value:04X}" if value >= 0 else f"U+{value + 2**64:04X}"
        return _padded(verb, shown + (f" '{chr(value)}'" if "#" in verb.flags and 0 <= value < 0x110000 and
                                      chr(value).isprintable() else ""))
    if letter not in "bdoOxX":
        return _bad(verb, value)
    digits = f"{abs(value):{letter.lower() if letter == 'O' else letter}}"
    if verb.precision >= 0:
        digits = "" if verb.precision == 0 and value == 0 else digits.rjust(verb.precision, "0")
    prefix = {"b": "0b", "o": "0", "x": "0x", "X": "0X"}.get(letter, "") if "#" in verb.flags else ""
    prefix = "0o" if letter == "O" else prefix
    sign = "-" if value < 0 else "+" if "+" in verb.flags else " " if " " in verb.flags else ""
    zeros = "0" in verb.flags and verb.precision < 0
    if zeros and verb.width > 0:
        digits = digits.rjust(verb.width - len(sign), "0")
    return _padded(verb, sign + prefix + digits)


def _float(verb: _Verb, value: float) -> str:
    letter = "g" if verb.letter == "v" else verb.letter
    if letter not in "eEfFgG":
        return _bad(verb, value)
    form = "f" if letter == "F" else letter
    digits = verb.precision if verb.precision >= 0 else -1 if form in "gG" else 6
    shown = float_text(value, form, digits)
    if not shown.startswith(("-", "+")):
        shown = ("+" if "+" in verb.flags else " " if " " in verb.flags else "") + shown
    if shown.startswith("+") and "+" not in verb.flags and "Inf" not in shown:
        shown = shown[1:]
    return _padded(verb, shown, zeros="Inf" not in shown and "NaN" not in shown)


def _string(verb: _Verb, value: str) -> str:
    if verb.letter in "sv":
        return _padded(verb, value if verb.precision < 0 else value[:verb.precision], zeros=True)
    if verb.letter == "q":
        cut = value if verb.precision < 0 else value[:verb.precision]
        if "#" in verb.flags and "`" not in cut and all(c == "\t" or c.isprintable() for c in cut):
            return _padded(verb, f"`{cut}`")
        return _padded(verb, quoted(cut, ascii="+" in verb.flags))
    if verb.letter in "xX":
        data = as_bytes(value)
        data = data if verb.precision < 0 else data[:verb.precision]
        shown = data.hex(" ") if " " in verb.flags else data.hex()
        if "#" in verb.flags and data:
            shown = "0x" + (shown.replace(" ", " 0x") if " " in verb.flags else shown)
        return _padded(verb, shown.upper() if verb.letter == "X" else shown)
    return _bad(verb, value)


_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\"}


def quoted(value: str, *, ascii: bool = False) -> str:
    """A string in double quotes, as Go's strconv.Quote."""
    return '"' + "".join('\\"' if letter == '"' else _escaped(letter, ascii=ascii) for letter in value) + '"'


def _quoted_letter(letter: str, *, ascii: bool) -> str:
    return "'" + ("\\'" if letter == "'" else _escaped(letter, ascii=ascii)) + "'"


def _escaped(letter: str, *, ascii: bool) -> str:
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    code = ord(letter)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if letter.isprintable() and (code < 128 or not ascii):
        return letter
    if code < 128:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _go_syntax(value: object) -> str:
    """``%#v``."""
    if isinstance(value, str):
        return quoted(value)
    if value is None or isinstance(value, Missing):
        return "interface {}(nil)"
    if isinstance(value, Mapping):
        name = "struct" if isinstance(value, Fields) else "map[string]interface {}"
        return name + "{" + ", ".join(f"{quoted(key)}:{_go_syntax(value[key])}" for key in ordered(value)) + "}"
    if isinstance(value, (list, tuple)):
        return kind(value) + "{" + ", ".join(map(_go_syntax, value)) + "}"
    return text(value)
