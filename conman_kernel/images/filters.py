"""The filters of ``images --filter`` and ``image prune --filter``, with podman's names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Mapping, Sequence

from ..errors import InvalidInput
from .records import ImageRecord

if TYPE_CHECKING:
    from .service import Images

Fits = Callable[[ImageRecord], bool]

KEYS = ("after", "before", "containers", "dangling", "digest", "id", "intermediate", "label", "manifest", "readonly", "reference",
        "since", "until")
"""Each with ``!`` after it is its opposite."""


def matcher(filters: Mapping[str, Sequence[str]], images: Images) -> Fits:
    """One test made of all filters: of the values of one filter any must fit, of one with ``!`` none, of the filters all.

    :param images: where ``before``, ``since`` and ``containers`` look.
    :raises InvalidInput: an unknown filter, or a value it cannot take.
    :raises NotFound: ``before`` or ``since`` names no image.
    """
    groups: list[list[Fits]] = []
    for name, values in filters.items():
        tests = [_test(name.removesuffix("!"), value, images) for value in values]
        groups += [[_opposite(test)] for test in tests] if name.endswith("!") else [tests]
    return lambda image: all(any(test(image) for test in group) for group in groups)


def _opposite(test: Fits) -> Fits:
    return lambda image: not test(image)


def _test(name: str, value: str, images: Images) -> Fits:
    if name == "reference":
        return lambda image: any(_fits_name(value, known) for known in (*image.names, *image.digests))
    if name == "id":
        prefix = value.removeprefix("sha256:")
        return lambda image: bool(prefix) and image.id.startswith(prefix)
    if name == "digest":
        wanted = value if ":" in value else f"sha256:{value}"
        return lambda image: any(known.startswith(wanted) for known in _digests(image))
    if name == "label":
        return _label(value)
    if name in ("before", "since", "after"):
        pivot = images.get(value).created
        return (lambda image: image.created < pivot) if name == "before" else (lambda image: image.created > pivot)
    if name == "until":
        from ..times import parse_time

        limit = parse_time(value)
        return lambda image: image.created < limit
    return _yes_or_no(name, value, images)


def _yes_or_no(name: str, value: str, images: Images) -> Fits:
    if name == "containers" and value.lower() == "external":
        return lambda image: False  # containers of other tools: there are none in this store
    if name not in ("containers", "dangling", "intermediate", "manifest", "readonly"):
        raise InvalidInput(f"unknown filter {name!r}", hint=f"there are {', '.join(KEYS)}, each also as KEY!=VALUE")
    if value.lower() not in ("true", "false", "1", "0"):
        raise InvalidInput(f"the filter {name} takes true or false, not {value!r}")
    wanted = value.lower() in ("true", "1")
    if name == "dangling":
        return lambda image: (not image.names and not image.digests) is wanted
    if name == "containers":
        used = images.used()
        return lambda image: (image.id in used) is wanted
    # No image is the hidden parent of another or a list of others, and none lies in a store that is only read.
    return lambda image: not wanted


def _label(value: str) -> Fits:
    key, equals, text = value.partition("=")

    def test(image: ImageRecord) -> bool:
        labels = image.config.labels
        return key in labels and (not equals or labels[key] == text)

    return test


def _digests(image: ImageRecord) -> tuple[str, ...]:
    return (image.digest, *(known.rpartition("@")[2] for known in image.digests))


def _fits_name(pattern: str, name: str) -> bool:
    import fnmatch

    repository = name.partition("@")[0]
    last = repository.rpartition("/")[2]
    if ":" in last:
        repository = repository[:-len(last)] + last.partition(":")[0]
    # Podman takes the end of a name, in whole components: "test/tool" means host/test/tool.
    tails = [text.split("/", cut)[-1] for text in (name, repository) for cut in range(text.count("/") + 1)]
    return any(fnmatch.fnmatchcase(text, pattern) for text in tails)
