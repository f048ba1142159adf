"""The words of the command line for health checks, as podman takes them."""

from __future__ import annotations

from ..errors import InvalidInput
from ..times import seconds_of


def command(text: str) -> tuple[str, ...]:
    """``--health-cmd``: a line for the shell; a JSON array of words; either with Docker's ``CMD`` or ``CMD-SHELL`` before it;
    ``none``.

    :returns: as Docker has it: ``("CMD-SHELL", line)``, ``("CMD", word, ...)``, ``("NONE",)``.
    :raises InvalidInput: an empty one, or an array of something else.
    """
    stripped = text.strip()
    if stripped.startswith("["):
        return _of_words(_array(stripped))
    kind, _, rest = stripped.partition(" ")
    if stripped.upper() == "NONE":
        return ("NONE",)
    if kind == "CMD":
        return _of_words(("CMD", *rest.split()))
    line = rest.strip() if kind == "CMD-SHELL" else stripped
    if not line:
        raise InvalidInput("must define a healthcheck command for all healthchecks")
    return ("CMD-SHELL", line)


def _array(text: str) -> tuple[str, ...]:
    import json

    try:
        words: object = json.loads(text)
    except ValueError:
        return ("CMD-SHELL", text)  # `[ -e /ready ]` is a line for the shell
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise InvalidInput(f"invalid health command {text!r}: a command, or a JSON array of strings")
    return tuple(words)


def _of_words(words: tuple[str, ...]) -> tuple[str, ...]:
    if words[:1] == ("NONE",):
        return ("NONE",)
    if words[:1] not in (("CMD",), ("CMD-SHELL",)):
        words = ("CMD", *words)
    if len(words) < 2 or not words[1]:
        raise InvalidInput("must define a healthcheck command for all healthchecks")
    return words


def interval(text: str) -> float:
    """``--health-interval``: seconds; 0 for ``disable``."""
    return 0.0 if text == "disable" else positive(text, "healthcheck-interval")


def positive(text: str, what: str) -> float:
    """A duration of at least a millisecond, in seconds."""
    seconds = seconds_of(text, what)
    if seconds < 0.001:
        raise InvalidInput(f'{what} must be at least 1ms, not "{text}"')
    return seconds


def start_period(text: str) -> float:
    """``--health-start-period``: seconds."""
    seconds = seconds_of(text, "healthcheck-start-period")
    if seconds < 0:
        raise InvalidInput(f'healthcheck-start-period must be 0 seconds or greater, not "{text}"')
    return seconds


def retries(count: int) -> int:
    """``--health-retries``."""
    if not 0 < count < 1 << 31:
        raise InvalidInput(f"healthcheck-retries must be greater than 0, not {count}")
    return count
