"""A repository as a destination: see :class:`conman_kernel.slots.transport.ImageWriter`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from conman_kernel.cancel import Cancel
from conman_kernel.errors import ConmanError, InvalidInput
from conman_kernel.oci.reference import Reference
from conman_kernel.slots.transport import PutBlobRequest, PutManifestRequest

from .reply import Question
from .upload import Upload

if TYPE_CHECKING:
    from conman_kernel.slots.provider import Log

    from .client import Client
    from .endpoints import Endpoint


class RepositoryWriter:
    """Writes to one repository. Blobs may come from several threads at once.

    What is written is there at once: a registry knows no transaction, so that the manifest that has the name comes last.

    :param place: the registry itself, never a mirror.
    :param reference: what the image is called; with a digest, the manifest must have it.
    """

    plain_layers = False
    indexes = True

    def __init__(self, client: Client, place: Endpoint, reference: Reference, chunk: int, log: Log) -> None:
        self._client = client
        self._place = place
        self._reference = reference
        self._chunk = chunk
        self._log = log

    def put_blob(self, request: PutBlobRequest) -> Literal["exists", "mounted", "written"]:
        """Have a blob in the repository; see the slot."""
        return Upload(self._client, self._place, request, self._chunk, self._log).run()

    def put_manifest(self, request: PutManifestRequest) -> None:
        """Store a manifest or index, under the reference's tag where it is the image's own; see the slot."""
        digest = request.descriptor.digest
        wanted = self._reference.digest
        if request.top and wanted and wanted != digest:
            raise InvalidInput(f"what is to be pushed has the digest {digest}, not {wanted}")
        name = (self._reference.tag or digest) if request.top else digest
        headers = {"Content-Type": request.descriptor.media_type}
        scope = f"repository:{self._place.repository}:pull,push"
        question = Question("PUT", f"manifests/{name}", (scope,), headers, (201, 200, 204), request.content)
        try:
            reply = self._client.ask(self._place, question, request.cancel)
        except ConmanError as error:
            if "oci" in request.descriptor.media_type and "MANIFEST_INVALID" in error.message:
                error.hint = "a registry that does not know the OCI's manifests takes those of --format docker"
            raise
        reply.done()
        reply.digest_is(digest)

    def commit(self, cancel: Cancel) -> None:
        """Nothing is left to do."""

    def close(self) -> None:
        """Nothing is held: each blob's upload ends with its call."""
