"""A thin wrapper round an opened plugin: what escapes from its methods is typed, and names plugin and distribution."""

from __future__ import annotations

from typing import Callable, Iterator, Protocol

from .errors import ConmanError, PluginFailed


class _Method(Protocol):
    def __call__(self, *args: object, **kwargs: object) -> object: ...


class _Guard:
    """Stands in for the plugin's object; every attribute is the plugin's own."""

    __slots__ = ("_failure", "_plugin")

    def __init__(self, plugin: object, failure: Callable[[], PluginFailed]) -> None:
        self._plugin = plugin
        self._failure = failure

    def __getattr__(self, name: str) -> object:
        value: object = getattr(self._plugin, name)
        if not callable(value):
            return value
        call: _Method = value

        def guarded(*args: object, **kwargs: object) -> object:
            try:
                answer = call(*args, **kwargs)
            except ConmanError:
                raise
            except Exception as error:
                raise self._typed(name, error) from error
            return self._items(name, answer) if hasattr(answer, "__next__") else answer

        return guarded

    def _items(self, name: str, answer: object) -> Iterator[object]:
        assert isinstance(answer, Iterator)
        try:
            yield from answer
        except ConmanError:
            raise
        except Exception as error:
            raise self._typed(name, error) from error

    def _typed(self, name: str, error: Exception) -> PluginFailed:
        failure = self._failure()
        failure.message = f"{failure.message} in {name}: {type(error).__name__}: {error}"
        return failure


def guard(plugin: object, failure: Callable[[], PluginFailed]) -> object:
    """Wrap a plugin's object.

    :param failure: makes the error to raise; its message is completed with the method and what it raised.
    """
    return _Guard(plugin, failure)
