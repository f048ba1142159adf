"""Images on their way from a source to a writer: blobs side by side, then the manifest, then the index above it."""

from __future__ import annotations

from threading import Lock
from typing import Callable, Iterator, Sequence

from ..cancel import Cancel
from ..errors import InvalidInput
from ..oci import digest as digests
from ..oci.descriptor import Descriptor
from ..oci.docker_manifest import docker_manifest
from ..oci.image_config import parse_config
from ..oci.manifest import Index, Manifest, parse_manifest, select
from ..oci.media_types import DOCKER_MANIFEST
from ..oci.platform import Platform
from ..slots.transport import ImageWriter, PutBlobRequest, PutManifestRequest
from .conversion import ManifestFormat, converted_index, converted_manifest
from .fetch import Source
from .parts import Parts
from .plain import PlainLayer
from .records import Progress
from .resolve import MAX_NESTING
from .together import together
from .verified import Verified


class Carrier:
    """Writes images to one destination. Used by one thread.

    :param writer: the destination; the caller commits and closes it.
    :param platform: what is taken from an index.
    :param all_platforms: an index is taken whole, where the writer can store one.
    :param format: rewrite manifests; None keeps them.
    :param places: repositories where a blob was seen.
    """

    def __init__(self, parts: Parts, writer: ImageWriter, *, platform: Platform, all_platforms: bool = False,
                 format: ManifestFormat | None = None, places: Callable[[str], tuple[str, ...]] = lambda digest: (),
                 progress: Callable[[Progress], None] | None = None) -> None:
        self._parts = parts
        self._writer = writer
        self._platform = platform
        self._whole = all_platforms
        self._format: ManifestFormat | None = format
        self._places = places
        self._progress = progress
        self._guard = Lock()
        self._inflated: dict[str, Descriptor] = {}
        self.carried: dict[str, int] = {"exists": 0, "mounted": 0, "written": 0}
        self.blobs: set[str] = set()

    def carry(self, source: Source, descriptor: Descriptor, content: bytes | None, names: tuple[str, ...], what: str,
              cancel: Cancel) -> Descriptor:
        """Write one image.

        :param descriptor: its manifest's or index's at the source; ``content`` its bytes where they are known.
        :param names: see :class:`~conman_kernel.slots.transport.PutManifestRequest`.
        :param what: names it in messages.
        :returns: what it is at the destination.
        :raises NotFound: the index has nothing for the platform.
        :raises InvalidInput, DigestMismatch: documents or blobs that are no image's, or not what they should be.
        :raises ConmanError: of both transports.
        """
        written = self._document(source, descriptor, content, names, what, cancel, depth=0)
        self._emit(Progress("done", written.digest))
        return written

    def _document(self, source: Source, descriptor: Descriptor, content: bytes | None, names: tuple[str, ...], what: str,
                  cancel: Cancel, depth: int) -> Descriptor:
        if depth == MAX_NESTING:
            raise InvalidInput(f"{what} is an index within an index, more than {MAX_NESTING} deep")
        data = source.document(descriptor, f"the manifest of {what}", cancel, content)
        parsed = parse_manifest(data, descriptor.media_type, f"the manifest of {what}")
        top = depth == 0 or not self._carries_index
        if isinstance(parsed, Manifest):
            data, media_type = self._manifest(source, parsed, data, what, cancel)
        elif self._carries_index:
            data, media_type = self._index(source, parsed, data, what, cancel, depth)
        else:
            chosen = select(parsed, self._platform, what)._replace(platform=None)
            return self._document(source, chosen, None, names, what, cancel, depth + 1)
        written = Descriptor(media_type, digests.digest_of(data), len(data))
        self._writer.put_manifest(PutManifestRequest(written, data, names if top else (), top, cancel))
        return written

    @property
    def _carries_index(self) -> bool:
        if self._whole and not self._writer.indexes:
            raise InvalidInput("the destination cannot hold an index of several platforms", hint="leave out --all")
        return self._whole

    def _index(self, source: Source, index: Index, data: bytes, what: str, cancel: Cancel, depth: int) -> tuple[bytes, str]:
        entries = [self._document(source, entry._replace(platform=None), None, (), what, cancel, depth + 1)
                   for entry in index.manifests]
        same = all(new.digest == old.digest for new, old in zip(entries, index.manifests, strict=True))
        if same and self._format is None:
            return data, index.media_type
        return converted_index(data, entries, self._format, f"the index of {what}")

    def _manifest(self, source: Source, manifest: Manifest, data: bytes, what: str, cancel: Cancel) -> tuple[bytes, str]:
        if self._writer.plain_layers:
            return self._inflating(source, manifest, what, cancel)
        if self._format is not None:
            data, media_type = converted_manifest(data, self._format, f"the manifest of {what}")
        else:
            media_type = manifest.media_type
        wanted = dict.fromkeys((manifest.config, *manifest.layers))
        self._side_by_side([self._blob(source, blob) for blob in wanted], cancel)
        return data, media_type

    def _inflating(self, source: Source, manifest: Manifest, what: str, cancel: Cancel) -> tuple[bytes, str]:
        if self._format == "oci":
            raise InvalidInput("the destination keeps images in Docker's form only", hint="leave out --format")
        document = source.document(manifest.config, f"the configuration of {what}", cancel)
        diff_ids = parse_config(document, f"the configuration of {what}").diff_ids
        if len(diff_ids) != len(manifest.layers):
            raise InvalidInput(f"the configuration of {what} lists {len(diff_ids)} layers, its manifest {len(manifest.layers)}",
                               hint="the image is broken or forged; ask who made it")
        pairs = dict(zip(diff_ids, manifest.layers, strict=True))
        works = [self._plain(source, packed, diff_id, f"a layer of {what}") for diff_id, packed in pairs.items()
                 if diff_id not in self._inflated]
        self._side_by_side([self._blob(source, manifest.config), *works], cancel)
        return docker_manifest(manifest.config, [self._inflated[diff_id] for diff_id in diff_ids]), DOCKER_MANIFEST

    def _blob(self, source: Source, descriptor: Descriptor) -> Callable[[Cancel], None]:
        return lambda cancel: self._put(descriptor, Verified(source, descriptor, cancel), cancel)

    def _plain(self, source: Source, packed: Descriptor, diff_id: str, what: str) -> Callable[[Cancel], None]:
        def work(cancel: Cancel) -> None:
            with PlainLayer(self._parts, source, packed, diff_id, what) as layer:
                made = layer.make(cancel)
                self._put(made, layer.open, cancel)
                self._inflated[diff_id] = made

        return work

    def _put(self, descriptor: Descriptor, open: Callable[[int], Iterator[bytes]], cancel: Cancel) -> None:
        digest, total = descriptor.digest, descriptor.size
        how = self._writer.put_blob(PutBlobRequest(
            descriptor, open, self._places(digest),
            lambda count: self._emit(Progress("sending", digest, count, total)), cancel))
        with self._guard:
            self.carried[how] += 1
            self.blobs.add(digest)
        self._emit(Progress("sent" if how == "written" else how, digest, total, total))

    def _side_by_side(self, works: Sequence[Callable[[Cancel], None]], cancel: Cancel) -> None:
        together(works, self._parts.parallel, cancel)

    def _emit(self, event: Progress) -> None:
        if self._progress is not None:
            with self._guard:
                self._progress(event)


