"""Environment words and files, as podman and docker read them."""

from __future__ import annotations

from typing import Iterable, Mapping

from ..errors import InvalidInput, NotFound

MAX_BYTES = 1 << 20


def env(text: str, environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """``KEY=VALUE`` sets; ``KEY`` takes the caller's own value, or nothing where it has none; ``KEY*`` takes all that
    begin so.

    :param environ: the caller's environment.
    """
    key, equals, value = text.partition("=")
    if not key or "\0" in text:
        raise InvalidInput(f"invalid environment variable {text!r}: NAME=VALUE or NAME")
    if equals:
        return [(key, value)]
    if key.endswith("*"):
        return sorted((k, v) for k, v in environ.items() if k.startswith(key[:-1]))
    return [(key, environ[key])] if key in environ else []


def env_lines(lines: Iterable[str], environ: Mapping[str, str],
              where: str = "environment file") -> list[tuple[str, str]]:
    """The words of an environment file: one a line, ``#`` at its start makes a comment; the value is taken as it
    stands, quotes and spaces at its end included.

    :raises InvalidInput: a name with white space; the message says the line.
    """
    result: list[tuple[str, str]] = []
    for number, raw in enumerate(lines, 1):
        line = raw.rstrip("\r\n").lstrip()
        if not line or line.startswith("#"):
            continue
        key, equals, _ = line.partition("=")
        if not key.strip() or any(c.isspace() for c in (key if equals else key.strip())) or "\0" in line:
            raise InvalidInput(f"{where}, line {number}: {line!r} is not NAME=VALUE or NAME")
        result += env(line if equals else key.strip(), environ)
    return result


def env_file(path: str, environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """Read an environment file (``--env-file``).

    :raises NotFound: no such file.
    :raises InvalidInput: it cannot be read, is larger than 1 MiB or not UTF-8, or see :func:`env_lines`.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise NotFound(f"environment file {path}: no such file") from error
    except OSError as error:
        raise InvalidInput(f"environment file {path} cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise InvalidInput(f"environment file {path} is larger than {MAX_BYTES} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"environment file {path} is not UTF-8") from error
    return env_lines(text.split("\n"), environ, f"environment file {path}")
