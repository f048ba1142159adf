"""The filters of ``images --filter``, with podman's names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Mapping, Sequence

from ..errors import InvalidInput
from .records import Image

if TYPE_CHECKING:
    from .service import Images

Fits = Callable[[Image], bool]


def matcher(filters: Mapping[str, Sequence[str]], images: Images) -> Fits:
    """One test made of all filters: of the values of one filter any must fit, of the filters all.

    :param images: where ``before`` and ``since`` look up the image they name.
    :raises InvalidInput: an unknown filter, or a value it cannot take.
    :raises NotFound: ``before`` or ``since`` names no image.
    """
    tests = [[_test(name, value, images) for value in values] for name, values in filters.items()]
    return lambda image: all(any(test(image) for test in tests_of_one) for tests_of_one in tests)


def _test(name: str, value: str, images: Images) -> Fits:
    if name == "reference":
        return lambda image: any(_fits_name(value, known) for known in (*image.names, *image.digests))
    if name == "id":
        prefix = value.removeprefix("sha256:")
        return lambda image: image.id.startswith(prefix)
    if name == "dangling":
        if value.lower() not in ("true", "false", "1", "0"):
            raise InvalidInput(f"the filter dangling takes true or false, not {value!r}")
        wanted = value.lower() in ("true", "1")
        return lambda image: (not image.names and not image.digests) is wanted
    if name == "label":
        key, equals, text = value.partition("=")
        return lambda image: key in (labels := image.config.labels) and (not equals or labels[key] == text)
    if name in ("before", "since", "after"):
        pivot = images.get(value).created
        return (lambda image: image.created < pivot) if name == "before" else (lambda image: image.created > pivot)
    raise InvalidInput(f"unknown filter {name!r}", hint="there are reference, id, dangling, label, before, since")


def _fits_name(pattern: str, name: str) -> bool:
    import fnmatch

    repository = name.partition("@")[0]
    last = repository.rpartition("/")[2]
    if ":" in last:
        repository = repository[:-len(last)] + last.partition(":")[0]
    # Podman takes the end of a name, in whole components: "test/tool" means host/test/tool.
    tails = [text.split("/", cut)[-1] for text in (name, repository) for cut in range(text.count("/") + 1)]
    return any(fnmatch.fnmatchcase(text, pattern) for text in tails)
