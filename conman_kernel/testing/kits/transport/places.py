"""Transports whose places hold several images, and transports to registries."""

from __future__ import annotations

import pytest

from ....cancel import Cancel
from ....errors import ConmanError, NotFound, Unavailable
from ....slots.transport import ImageTransport, ListingTransport, RegistryTransport, ResolveRequest
from ..outcomes import not_offered
from .bench import IMAGE, PATIENCE, Source, facts


class Listing:
    """``ListingTransport``, of those that have ``images``."""

    def test_a_place_tells_its_images(self, source: Source) -> None:
        """``images``: each by the location "that ``resolve`` finds it by": ``load`` takes all that an archive holds."""
        found = _listing(source.transport).images(ResolveRequest(source.location, Cancel(PATIENCE)))
        assert found and all(isinstance(one.names, tuple) for one in found)
        assert facts(source.held(IMAGE)) in [source.facts(one.location) for one in found]

    def test_one_image_is_told_alone(self, source: Source) -> None:
        """``images`` of a location that names "one image in it, which is then the only one"."""
        listing = _listing(source.transport)
        for one in listing.images(ResolveRequest(source.location, Cancel(PATIENCE))):
            alone = listing.images(ResolveRequest(one.location, Cancel(PATIENCE)))
            assert len(alone) == 1 and source.facts(alone[0].location) == source.facts(one.location)

    def test_a_place_that_is_not_there_is_not_found(self, source: Source) -> None:
        """``images``: errors as in ``resolve``: NotFound where nothing is."""
        with pytest.raises(NotFound):
            _listing(source.transport).images(ResolveRequest(source.location + "-absent", Cancel(PATIENCE)))


class Registries:
    """``RegistryTransport``, of those that have its methods. ``location`` is ``host/path:tag`` there."""

    def test_tags_are_told(self, source: Source) -> None:
        """``tags``: of a repository (``host/path``), the stocked one among them; NotFound where there is no such repository."""
        registry = _registry(source.transport)
        repository, _, tag = source.location.rpartition(":")
        assert tag in list(registry.tags(ResolveRequest(repository, Cancel(PATIENCE))))
        with pytest.raises(NotFound):
            list(registry.tags(ResolveRequest(repository + "-absent", Cancel(PATIENCE))))

    def test_repositories_are_told(self, source: Source) -> None:
        """``repositories``: of a registry (``host``), "without its name, where it has a catalogue", else Unavailable."""
        host, _, path = source.location.rpartition(":")[0].partition("/")
        try:
            found = list(_registry(source.transport).repositories(ResolveRequest(host, Cancel(PATIENCE))))
        except Unavailable:
            return
        assert path in found

    def test_accounts_that_are_not_there(self, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
        """``account``: None, ``logout``: False where nothing is kept for a registry."""
        registry = _registry(source.transport)
        for call, nothing in ((registry.account, None), (registry.logout, False)):
            try:
                assert call("registry.invalid") is nothing
            except ConmanError as error:
                pytest.fail(f"{error}")


def _listing(transport: ImageTransport) -> ListingTransport:
    if not hasattr(transport, "images"):
        not_offered("listing what a place holds")
    return transport  # type: ignore[return-value]


def _registry(transport: ImageTransport) -> RegistryTransport:
    if not all(hasattr(transport, name) for name in ("login", "logout", "account", "tags", "repositories")):
        not_offered("registries")
    return transport  # type: ignore[return-value]
