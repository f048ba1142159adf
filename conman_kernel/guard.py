"""A thin wrapper round an opened plugin: what escapes from its methods is typed, and names plugin and distribution."""

from __future__ import annotations

from typing import Callable, Iterator, Protocol

from .errors import ConmanError, PluginFailed


class _Method(Protocol):
    def __call__(self, *args: object, **kwargs: object) -> object: ...


class _Guard:
    """Stands in for the plugin's object; every attribute is the plugin's own."""

    __slots__ = ("_failure", "_plugin", "_where")

    def __init__(self, plugin: object, failure: Callable[[], PluginFailed], where: str = "") -> None:
        self._plugin = plugin
        self._failure = failure
        self._where = where

    def __getattr__(self, name: str) -> object:
        try:
            value: object = getattr(self._plugin, name)
        except (ConmanError, AttributeError):
            raise
        except Exception as error:
            raise self._typed(name, error) from error
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
            if _is_stream(answer):
                return _Stream(answer, self._failure, name)
            return _Guard(answer, self._failure) if hasattr(answer, "close") else answer

        return guarded

    def _typed(self, name: str, error: Exception) -> PluginFailed:
        failure = self._failure()
        said = " ".join(f"{type(error).__name__}: {error}".split())
        failure.message = f"{failure.message} in {self._where or name}: {said}"
        return failure


class _Stream(_Guard):
    """Stands in for an iterator or a stream that a method returned: failures while it is read are the method's."""

    __slots__ = ()

    def __iter__(self) -> Iterator[object]:
        plugin = self._plugin
        try:
            yield from plugin  # type: ignore[misc]
        except ConmanError:
            raise
        except Exception as error:
            raise self._typed("", error) from error


def _is_stream(answer: object) -> bool:
    return hasattr(answer, "__iter__") and (hasattr(answer, "__next__") or hasattr(answer, "close"))


def guard(plugin: object, failure: Callable[[], PluginFailed]) -> object:
    """Wrap a plugin's object.

    :param failure: makes the error to raise; its message is completed with the method and what it raised.
    """
    return _Guard(plugin, failure)
