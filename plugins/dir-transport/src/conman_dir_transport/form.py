"""What a ``dir:`` folder has (containers/image, "dir" transport, versions 1.x). Pure: names and bytes in, names and types out.

``manifest.json`` is the manifest or index as it came; each blob lies beside it, called by the hexadecimal digits of its digest;
the manifests that an index lists are ``<digits>.manifest.json``; ``version`` says that it is such a folder. Signatures
(``signature-1``, ``<digits>.signature-1``) are passed over.
"""

from __future__ import annotations

import re

from conman_kernel.errors import InvalidInput
from conman_kernel.oci import digest as digests
from conman_kernel.oci.documents import get_int, get_str, parse_object
from conman_kernel.oci.media_types import DOCKER_SCHEMA1, OCI_INDEX, OCI_MANIFEST

MANIFEST, VERSION_FILE = "manifest.json", "version"
VERSION = b"Directory Transport Version: 1.1\n"
_VERSIONS = b"Directory Transport Version: 1."
_OURS = re.compile(r"(?:[0-9a-f]{64,128}(?:\.manifest\.json|\.signature-[0-9]+)?|signature-[0-9]+)")


def blob(digest: str) -> str:
    """The file that is a blob. :raises InvalidInput: it is no digest."""
    return digests.split(digest)[1]


def listed(digest: str) -> str:
    """The file that is a manifest which the index lists. :raises InvalidInput: it is no digest."""
    return blob(digest) + ".manifest.json"


def belongs(name: str) -> bool:
    """Whether a file can be a part of an image: a blob, a manifest, a signature."""
    return _OURS.fullmatch(name) is not None


def check_version(data: bytes, what: str) -> None:
    """Check the file ``version``. :raises InvalidInput: another one than 1.x."""
    if not data.startswith(_VERSIONS):
        shown = data[:60].decode("utf-8", "replace").strip()
        raise InvalidInput(f"{what} says {shown!r}, and {VERSION.decode().strip()!r} is known")


def media_type(data: bytes, what: str) -> str:
    """What a manifest is, by what it says and has; the folder does not tell. :raises InvalidInput: it is malformed."""
    document = parse_object(data, what)
    stated = get_str(document, "mediaType", what)
    if stated:
        return stated
    if get_int(document, "schemaVersion", what) == 1:
        return DOCKER_SCHEMA1
    return OCI_INDEX if "manifests" in document else OCI_MANIFEST
