"""What a case is: a name, the layers of an image, and the verdict: this tree, or this typed error."""

from __future__ import annotations

import gzip
import hashlib
from typing import Callable, Mapping, NamedTuple, Sequence

from ...errors import ConmanError, InvalidInput

TAR = "application/vnd.oci.image.layer.v1.tar"


class Layer(NamedTuple):
    """One layer as it is served.

    :param blob: its bytes.
    :param plain: what it unpacks to, of which the configuration gives the digest; where nothing can be unpacked, anything.
    :param media_type: as the manifest says.
    """

    blob: bytes
    plain: bytes
    media_type: str = TAR

    @property
    def diff_id(self) -> str:
        """The digest of what it unpacks to."""
        return "sha256:" + hashlib.sha256(self.plain).hexdigest()


class What(NamedTuple):
    """What is expected at one path; None leaves a property open.

    :param same: another path that is a hard link of the same file.
    """

    kind: str
    mode: int | None = None
    owner: tuple[int, int] | None = None
    size: int | None = None
    data: bytes | None = None
    target: str | None = None
    device: tuple[int, int] | None = None
    same: str | None = None
    mtime: int | None = None
    xattrs: tuple[tuple[str, bytes], ...] | None = None


def f(data: bytes = b"", mode: int | None = None, **more: object) -> What:
    """A file with this content."""
    return What("file", mode, data=data, **more)  # type: ignore[arg-type]


def big(size: int) -> What:
    """A file of this size, whatever it holds."""
    return What("file", size=size)


def d(mode: int | None = None, **more: object) -> What:
    """A folder."""
    return What("folder", mode, **more)  # type: ignore[arg-type]


def s(target: str) -> What:
    """A symlink."""
    return What("symlink", target=target)


def n(kind: str, major: int = 0, minor: int = 0, mode: int | None = None) -> What:
    """A device or FIFO."""
    return What(kind, mode, device=None if kind == "fifo" else (major, minor))


class Accepted(NamedTuple):
    """The image is pulled, and its root file system is exactly this tree (the root's own attributes aside, but for ``.``)."""

    tree: Mapping[str, What]


class Refused(NamedTuple):
    """The pull fails with this error, whose message holds these words, and leaves nothing."""

    error: type[ConmanError]
    words: tuple[str, ...]


Verdict = Accepted | Refused
"""What a case ends as."""


class Case(NamedTuple):
    """One archive case.

    :param layers: lowest first; bytes are a plain tar; a callable makes it when it is needed.
    :param peers: why podman and containerd make another tree of it (see test_peers.py), where the case itself tells it.
    :param limit: the documented limit over which it is refused although both peers accept it.
    """

    name: str
    layers: Sequence[bytes | Layer | Callable[[], Layer]]
    verdict: Verdict
    peers: str = ""
    limit: str = ""

    def built(self) -> list[Layer]:
        """Its layers as they are served."""
        return [plain(part) if isinstance(part, bytes) else part() if callable(part) else part for part in self.layers]


def ok(**tree: What) -> Accepted:
    """Accepted with a tree of simple names."""
    return Accepted(tree)


def no(*words: str) -> Refused:
    """Refused as invalid input."""
    return Refused(InvalidInput, words)


def plain(data: bytes) -> Layer:
    """A layer that is not compressed."""
    return Layer(data, data)


def zipped(data: bytes) -> Layer:
    """A gzip layer of one member."""
    return Layer(gzip.compress(data, 6, mtime=0), data, TAR + "+gzip")
