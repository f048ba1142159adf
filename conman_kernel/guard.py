"""A thin wrapper round an opened plugin: what escapes from its methods is typed, and names plugin and distribution; what they
answer is what the slot says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator, Protocol

from .answers import expected
from .calls import Owner

if TYPE_CHECKING:
    from .answers import Expected


class _Method(Protocol):
    def __call__(self, *args: object, **kwargs: object) -> object: ...


class _Guard:
    """Stands in for the plugin's object, or for one that a method of it answered; every attribute is the plugin's own.

    :param where: the method that answered it; empty: the plugin's object itself, whose answers are checked.
    """

    __slots__ = ("_known", "_owner", "_plugin", "_where")

    def __init__(self, plugin: object, owner: Owner, where: str = "") -> None:
        self._plugin = plugin
        self._owner = owner
        self._where = where
        self._known: dict[str, Expected | None] = {}

    def __getattr__(self, name: str) -> object:
        plugin = self._plugin
        missing = object()

        def look() -> object:
            try:
                return getattr(plugin, name)
            except AttributeError:
                if hasattr(type(plugin), name):
                    raise  # there, and broken
                return missing

        value = self._owner.call(self._where or name, look)
        if value is missing:
            raise AttributeError(name)
        if not callable(value):
            self._check(name, value)
            return value
        call: _Method = value

        def guarded(*args: object, **kwargs: object) -> object:
            answer = self._owner.call(self._where or name, lambda: call(*args, **kwargs))
            wanted = self._check(name, answer)
            if _is_stream(answer):
                return _Stream(answer, self._owner, name, wanted.items if wanted else None)
            return _Guard(answer, self._owner, name) if hasattr(answer, "close") else answer

        return guarded

    def _check(self, name: str, answer: object) -> Expected | None:
        """Compare an answer with what the slot says; returns that.

        :raises PluginFailed: it is something else.
        """
        if self._where:
            return None
        if name not in self._known:
            self._known[name] = expected(self._owner.slot, name)
        wanted = self._known[name]
        problem = wanted.problem(answer) if wanted is not None else ""
        if problem:
            raise self._owner.failure(f"must answer {problem}, from {name}")
        return wanted


class _Stream(_Guard):
    """Stands in for an iterator or a stream that a method returned: failures while it is read are the method's.

    :param items: what each of its items must be; None: they are not looked at.
    """

    __slots__ = ("_items",)

    def __init__(self, plugin: object, owner: Owner, where: str, items: Expected | None) -> None:
        super().__init__(plugin, owner, where)
        self._items = items

    def __iter__(self) -> Iterator[object]:
        owner, where, items = self._owner, self._where, self._items
        reader = owner.call(where, lambda: iter(self._plugin))  # type: ignore[call-overload]
        end = object()
        try:
            while True:
                item: object = owner.call(where, lambda: next(reader, end))
                if item is end:
                    return
                problem = items.problem(item) if items is not None else ""
                if problem:
                    raise owner.failure(f"must answer {problem}, as an item of {where}")
                yield item
        except GeneratorExit:  # nobody reads on: as of `yield from`
            if hasattr(reader, "close"):
                owner.call(where, reader.close)
            raise


def _is_stream(answer: object) -> bool:
    return hasattr(answer, "__iter__") and (hasattr(answer, "__next__") or hasattr(answer, "close"))


def guard(plugin: object, owner: Owner) -> object:
    """Wrap a plugin's object.

    :param owner: who answers for what it does.
    """
    return _Guard(plugin, owner)
