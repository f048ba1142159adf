"""Records: what :class:`typing.NamedTuple` makes, without what it costs.

typing compiles every annotation of every class when the class is made: 5 of the 9 ms that some seventy records took of each
command. Nobody here looks at annotations at run time, so :class:`Record` leaves them alone; and the constructor, which
:func:`collections.namedtuple` compiles with each class (another 2 ms), is compiled when it is first called: most never are.
For a type checker it is a ``NamedTuple``.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False

if TYPE_CHECKING or sys.version_info >= (3, 14):  # from 3.14 on annotations are lazy, and a class body no longer holds them
    from typing import NamedTuple as Record
else:
    from _collections import _tuplegetter

    def _new(cls, *values, **named):
        """Compile the constructor of the record that ``cls`` is (or is derived from), and call it."""
        owner = next(base for base in cls.__mro__ if "_fields" in base.__dict__)
        names = "".join(f", {field}" for field in owner._fields)
        made = eval(f"lambda _cls{names}: _tuple(_cls, ({names[2:]}{',' if names else ''}))",  # noqa: S307 (names of a class body)
                    {"_tuple": tuple.__new__})
        made.__defaults__ = tuple(owner._field_defaults.values())
        made.__name__, made.__qualname__ = "__new__", f"{owner.__qualname__}.__new__"
        owner.__new__ = made
        return made(cls, *values, **named)

    def _make(cls, iterable):
        result = tuple.__new__(cls, iterable)
        if len(result) != len(cls._fields):
            raise TypeError(f"Expected {len(cls._fields)} arguments, got {len(result)}")
        return result

    def _replace(self, /, **named):
        result = self._make(map(named.pop, self._fields, self))
        if named:
            raise TypeError(f"Got unexpected field names: {list(named)!r}")
        return result

    def _asdict(self):
        return dict(zip(self._fields, self, strict=True))

    def _repr(self):
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._asdict().items())})"

    def _arguments(self):
        return tuple(self)

    _MEMBERS = {"__new__": _new, "_make": classmethod(_make), "_replace": _replace, "_asdict": _asdict, "__repr__": _repr,
                "__getnewargs__": _arguments, "__slots__": ()}

    class _Maker(type):
        """Turns a class body into a named tuple, as ``typing.NamedTuple`` does."""

        def __new__(cls, name, bases, body):
            if not bases:
                return super().__new__(cls, name, bases, body)
            fields = tuple(body.get("__annotations__", ()))
            given = [field for field in fields if field in body]
            if given != list(fields[len(fields) - len(given):]):
                raise TypeError(f"{name}: a field without a default follows one with a default")
            own = {**_MEMBERS, "_fields": fields, "__match_args__": fields,
                   "_field_defaults": {field: body[field] for field in given}}
            own.update((key, value) for key, value in body.items() if key not in fields and key != "__annotations__")
            for index, field in enumerate(fields):
                own[field] = _tuplegetter(index, "")
            return type(name, (tuple,), own)

    class Record(metaclass=_Maker):
        """The base of every record; never the type of one: those are plain tuples with names."""

__all__ = ["Record"]
