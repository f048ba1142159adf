"""Records: what :class:`typing.NamedTuple` makes, without what it costs.

typing compiles every annotation of every class when the class is made: 5 of the 9 ms that some seventy records took of each
command. Nobody here looks at annotations at run time, so :class:`Record` leaves them alone. For a type checker the two are one.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False

if TYPE_CHECKING or sys.version_info >= (3, 14):  # from 3.14 on annotations are lazy, and a class body no longer holds them
    from typing import NamedTuple as Record
else:
    from collections import namedtuple

    _OWN = ("__module__", "__qualname__", "__annotations__")

    class _Maker(type):
        """Turns a class body into a named tuple, as ``typing.NamedTuple`` does."""

        def __new__(cls, name, bases, body):
            if not bases:
                return super().__new__(cls, name, bases, body)
            fields = tuple(body.get("__annotations__", ()))
            given = [field for field in fields if field in body]
            if given != list(fields[len(fields) - len(given):]):
                raise TypeError(f"{name}: a field without a default follows one with a default")
            made = namedtuple(name, fields, defaults=[body[field] for field in given], module=body["__module__"])
            made.__qualname__ = body["__qualname__"]
            made.__doc__ = body.get("__doc__")
            for key, value in body.items():
                if key not in _OWN and key not in fields and key != "__doc__":
                    setattr(made, key, value)
            return made

    class Record(metaclass=_Maker):
        """The base of every record; never the type of one: those are plain tuples with names."""

__all__ = ["Record"]
