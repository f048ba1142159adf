"""Verbs that act on several containers: find all, then act on each and go on over errors, as podman does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Sequence

from ..errors import ConmanError, InvalidInput, InvalidState, NotFound
from ..record import Record
from . import out
from .declare import ARRAY, FLAG, Option

if TYPE_CHECKING:
    from ..containers.container import Container
    from ..kernel import Conman
    from .values import Values

LATEST = Option("--latest", "Act on the newest container", FLAG, short="-l")
IGNORE = Option("--ignore", "A container that does not exist is no error", FLAG, short="-i")
CIDFILE = Option("--cidfile", "Read the container's id from this file", ARRAY, metavar="FILE")

NONE_GIVEN = "you must provide at least one name or id"


class Target(Record):
    """One container and what is printed for it: the name as given, or the id."""

    shown: str
    container: Container


def targets(conman: Conman, values: Values, *, of_all: Sequence[tuple[str, str]] = (),
            missing: str = NONE_GIVEN, ignore: bool = False) -> list[Target]:
    """The containers that a command line names.

    :param values: ``--all``, ``--running``, ``--latest``, ``--cidfile``, ``--filter`` and ``--ignore``, where the verb has them.
    :param of_all: what ``--all`` filters by, as in :meth:`Containers.list`.
    :param missing: the message where nothing is named.
    :param ignore: one that does not exist is no error, as with ``--ignore``.
    :raises NotFound: one of them does not exist (nothing has been done to any then).
    :raises InvalidInput: nothing is named, or ``--all`` and names together.
    """
    options = values.everything()
    everything, latest = options.get("all") is True or options.get("running") is True, options.get("latest") is True
    filters = options.get("filter") or ()
    names = list(values.arguments)
    given = options.get("cidfile")
    for path in given if isinstance(given, tuple) else ():
        names.append(_first_line(path))
    if (everything or latest) and names:
        raise InvalidInput("no arguments are needed with --all" if everything else
                           "--latest and containers cannot be used together")
    if latest:
        return [Target(c.id, c) for c in _latest(conman)]
    if everything or filters:
        asked = split_filters(filters) if isinstance(filters, tuple) else []
        # Values of one key are alternatives: what the caller says of the status stands in the place of what --all means.
        chosen = [*(pair for pair in of_all if pair[0] not in {key for key, _ in asked}), *asked]
        return [Target(c.id, c) for c in conman.containers.list(all=True, filters=chosen)]
    if not names:
        raise InvalidInput(missing)
    found: list[Target] = []
    for name in names:
        try:
            found.append(Target(name, conman.containers.get(name)))
        except NotFound:
            if not ignore and options.get("ignore") is not True:
                raise
    return found


def one(conman: Conman, values: Values, *, missing: str) -> Container:
    """The container that the first argument names, or the newest with ``--latest``.

    :raises NotFound: there is none.
    :raises InvalidInput: nothing is named, or ``--latest`` and a name together.
    """
    if values.flag("latest"):
        if values.arguments:
            raise InvalidInput("--latest and containers cannot be used together")
        return _latest(conman)[0]
    if not values.arguments:
        raise InvalidInput(missing)
    return conman.containers.get(values.arguments[0])


def _latest(conman: Conman) -> list[Container]:
    found = conman.containers.list(all=True, last=1)
    if not found:
        raise NotFound("no containers to act on: no such container")
    return found


def _first_line(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.readline().strip()
    except OSError as error:
        raise InvalidInput(f"reading container ID from {path}: {error.strerror}") from None


def split_filters(filters: Sequence[str]) -> list[tuple[str, str]]:
    """``--filter`` values as pairs.

    :raises InvalidInput: one has no ``=``.
    """
    pairs: list[tuple[str, str]] = []
    for text in filters:
        key, equals, value = text.partition("=")
        if not equals:
            raise InvalidInput(f'invalid filter "{text}"', hint="a filter is KEY=VALUE, such as status=exited")
        pairs.append((key, value))
    return pairs


def act(found: Sequence[Target], action: Callable[[Container], None], *, code: Callable[[ConmanError],
                                                                                        int] | None = None) -> int:
    """Do it to each and print each that went well.

    :param action: raises ConmanError where it fails; the others are still done.
    :param code: the exit code for one error; the error's own where None.
    :returns: 0, or the errors' exit code (125 where they differ).
    """
    codes: set[int] = set()
    for target in found:
        try:
            action(target.container)
        except ConmanError as error:
            if error.exit_code == 130:
                raise
            out.report(error)
            codes.add(error.exit_code if code is None else code(error))
        else:
            out.line(target.shown)
    return 0 if not codes else codes.pop() if len(codes) == 1 else 125


def removal_code(error: ConmanError) -> int:
    """podman's exit codes of ``rm`` and ``rmi``: 1 does not exist, 2 is in use or running, else the error's own."""
    if isinstance(error, NotFound):
        return 1
    return 2 if isinstance(error, InvalidState) else error.exit_code
