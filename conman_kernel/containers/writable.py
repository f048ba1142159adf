"""What containers ask of the store as writable instances of images; the composition root hands it in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ..cancel import Cancel
    from ..oci.image_config import ImageConfig
    from ..oci.recipe import Recipe
    from ..worker.jobs import Change


class NewImage(Protocol):
    """What a commit makes: a :class:`~conman_kernel.images.image.Image`, as far as containers know of it."""

    @property
    def id(self) -> str:
        """Hexadecimal digest of its configuration."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Its names, sorted."""
        ...

    @property
    def digest(self) -> str:
        """The digest of its manifest."""
        ...

    @property
    def size(self) -> int:
        """Bytes of its layers' uncompressed archives."""
        ...

    @property
    def config(self) -> ImageConfig:
        """The parsed configuration."""
        ...

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers' chain ids, lowest first."""
        ...

    def mount(self) -> AbstractContextManager[str]:
        """See :meth:`.Image.mount`."""
        ...

    def push(self, destination: str = "") -> str:
        """See :meth:`.Image.push`."""
        ...

    def save(self, destination: str) -> str:
        """See :meth:`.Image.save`."""
        ...


class Writable(Protocol):
    """The store's side of :meth:`.Container.diff` and :meth:`.Container.commit`."""

    def changes(self, *, storage: str, key: str, below: str, cancel: Cancel) -> tuple[Change, ...]:
        """What the snapshot ``key`` has that ``below`` has not, and the other way."""
        ...

    def commit(self, *, storage: str, key: str, below: str, image_id: str, still: Callable[[bool], AbstractContextManager[str]],
               recipe: Recipe, name: str, squash: bool, cancel: Cancel) -> NewImage:
        """Make an image of the snapshot ``key``.

        :param still: gives a block in which it does not change, and where it is mounted, where that is asked for.
        """
        ...
