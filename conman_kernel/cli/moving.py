"""What verbs share that write images somewhere: formats, standard streams in place of files, digest files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import InvalidInput, Unavailable
from .declare import Option

if TYPE_CHECKING:
    from ..images.conversion import ManifestFormat
    from .values import Values

FORMAT = Option("--format", "Rewrite the manifest as oci or docker (v2s2); without it digests are preserved", metavar="FORMAT",
                choices=("oci", "docker", "v2s2", "v2s1"))


def manifest_format(values: Values) -> ManifestFormat | None:
    """``--format``. :raises InvalidInput: Docker's schema 1, which was withdrawn."""
    chosen = values.text("format")
    if chosen == "v2s1":
        raise InvalidInput("Docker's schema 1 was withdrawn, and is not written", hint="--format v2s2 or oci")
    return "oci" if chosen == "oci" else "docker" if chosen else None


def standard_stream(reference: str, *, writing: bool) -> str:
    """A reference with ``-`` as its path, with the stream's file in its place; others as they are.

    :raises InvalidInput: an archive is to be written to a terminal.
    """
    scheme, colon, rest = reference.partition(":")
    path, name_colon, name = rest.partition(":")
    if not colon or path != "-":
        return reference
    stream = output_stream() if writing else "/dev/stdin"
    return f"{scheme}:{stream}{name_colon}{name}"


def output_stream() -> str:
    """Standard output as a file to write an archive to. :raises InvalidInput: it is a terminal."""
    if os.isatty(1):
        raise InvalidInput("refusing to write an archive to a terminal", hint="use --output FILE, or redirect standard output")
    return "/dev/stdout"


def write_digest(values: Values, digest: str) -> None:
    """``--digestfile``. :raises Unavailable: it cannot be written."""
    path = values.text("digestfile")
    if not path:
        return
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(digest)
    except OSError as error:
        raise Unavailable(f"cannot write the digest to {path}: {error.strerror}") from None
