"""What a registry demands: the challenges of a WWW-Authenticate header (RFC 9110, 11.6.1; RFC 6750, 3)."""

from __future__ import annotations

import re
from typing import Iterator, Mapping, NamedTuple

_LONGEST = 8192
_PARTS = re.compile(r'([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))|([A-Za-z][\w-]*)')


class Challenge(NamedTuple):
    """One challenge; scheme and parameter names in lower case."""

    scheme: str
    parameters: Mapping[str, str]


def challenges(header: str) -> Iterator[Challenge]:
    """The challenges of a header, several of which may have been joined by commas."""
    scheme, parameters = "", dict[str, str]()
    for key, quoted, plain, word in _PARTS.findall(header[:_LONGEST]):
        if word:
            if scheme:
                yield Challenge(scheme, parameters)
            scheme, parameters = word.lower(), {}
        elif scheme:
            parameters.setdefault(key.lower(), re.sub(r"\\(.)", r"\1", quoted) or plain)
    if scheme:
        yield Challenge(scheme, parameters)
