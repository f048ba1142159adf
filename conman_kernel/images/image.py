"""One image in the store, as callers see it: what the index said when it was read, and what can be done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

from ..cancel import Cancel
from ..oci.image_config import ImageConfig
from ..slots.provider import AS_CONFIGURED, Access
from .records import ImageRecord, Progress, RemoveReport

if TYPE_CHECKING:
    from ..worker.jobs import Change
    from .history import HistoryEntry
    from .instances import Mounted
    from .service import Images


class Image:
    """An image. Two are equal where they are the same image of whatever name; :meth:`refresh` reads the index again."""

    __slots__ = ("_images", "_record")

    def __init__(self, images: Images, record: ImageRecord) -> None:
        self._images = images
        self._record = record

    def __repr__(self) -> str:
        return f"Image({self.id[:12]!r}, names={list(self.names)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Image) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def record(self) -> ImageRecord:
        """What the index said."""
        return self._record

    @property
    def id(self) -> str:
        """Hexadecimal digest of its configuration, 64 digits."""
        return self._record.id

    @property
    def names(self) -> tuple[str, ...]:
        """``docker.io/library/alpine:latest`` and the like, sorted; without a name and without digests it is dangling."""
        return self._record.names

    @property
    def digests(self) -> tuple[str, ...]:
        """``repository@digest``, sorted; only of repositories where it has a name, or was pulled by digest."""
        return self._record.digests

    @property
    def digest(self) -> str:
        """The digest of its manifest."""
        return self._record.digest

    @property
    def created(self) -> float:
        """Seconds since the epoch; 0 where the image does not say."""
        return self._record.created

    @property
    def pulled(self) -> float:
        """When it came into the store last, seconds since the epoch."""
        return self._record.pulled

    @property
    def size(self) -> int:
        """Bytes of its layers' uncompressed archives."""
        return self._record.size

    @property
    def platform(self) -> str:
        """``os/architecture[/variant]``."""
        return self._record.platform

    @property
    def top_chain_id(self) -> str:
        """The name of the snapshot that containers start from; empty for an image without layers."""
        return self._record.top_chain_id

    @property
    def storage(self) -> str:
        """The storage driver that holds its layers: the default one where that does."""
        return self._record.storage

    @property
    def config_json(self) -> bytes:
        """The configuration as it came."""
        return self._record.config_json

    @property
    def config(self) -> ImageConfig:
        """The parsed configuration. Parsed on every access: keep it."""
        return self._record.config

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers' chain ids, lowest first."""
        return self._record.layers

    def refresh(self) -> Image:
        """The same image as it is now.

        :raises NotFound: it is gone.
        """
        return self._images.get(self.id)

    def mount(self, *, cancel: Cancel | None = None) -> Mounted:
        """Its root file system, read-only, for the length of a ``with`` block: ``with image.mount() as path:``.

        Errors as :meth:`.shown.Shown.mount`.
        """
        return self._images.mount(self, cancel=cancel)

    def tag(self, *names: str) -> Image:
        """Give it further names. :returns: the image as it is then. Errors as :meth:`.service.Images.tag`."""
        return self._images.tag(self, *names)

    def untag(self, *names: str) -> Image:
        """Take names away, all where none is given. Errors as :meth:`.service.Images.untag`.

        :returns: the image as it is then.
        """
        return self._images.untag(self, *names)

    def history(self) -> tuple[HistoryEntry, ...]:
        """How it was made, the latest step first."""
        return self._images.history(self)

    def diff(self, other: Image | str | None = None, *, cancel: Cancel | None = None) -> tuple[Change, ...]:
        """What it has that another has not, and the other way. Errors as :meth:`.shown.Shown.diff`.

        :param other: None: the image without its topmost layer.
        """
        return self._images.diff(self, other, cancel=cancel)

    def inspect(self) -> dict[str, object]:
        """As ``podman image inspect`` shows it, JSON-ready."""
        return self._images.inspect(self)

    def remove(self, *, force: bool = False, cancel: Cancel | None = None) -> RemoveReport:
        """Take the image away with all its names. Errors as :meth:`.service.Images.remove`.

        :param force: also where it has several names.
        """
        return self._images.remove(self.id, force=force, cancel=cancel)

    def save(self, destination: str, *, cancel: Cancel | None = None) -> str:
        """Write it to an archive or layout. Errors as :meth:`.service.Images.save`.

        :returns: the digest of its manifest there.
        """
        return self._images.save([self], destination, cancel=cancel)[0]

    def push(self, destination: str = "", *, access: Access = AS_CONFIGURED, progress: Callable[[Progress], None] | None = None,
             cancel: Cancel | None = None) -> str:
        """Send it to a registry. :returns: the digest of its manifest there. Errors as :meth:`.service.Images.push`.

        :param destination: empty: its own name.
        """
        return self._images.push(self, destination, access=access, progress=progress, cancel=cancel)
