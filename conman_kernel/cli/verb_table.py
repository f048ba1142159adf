"""Which module holds which verb, as ``module:ATTRIBUTE`` below :mod:`.verbs`; the one list that every start reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Mapping

if TYPE_CHECKING:
    from .declare import Verb

VERBS: Mapping[str, str] = {
    "attach": "attach:VERB",
    "commit": "commit:VERB",
    "completion": "completion:VERB",
    "copy": "copy:VERB",
    "cp": "cp:VERB",
    "create": "create:VERB",
    "diff": "diff:VERB",
    "doctor": "doctor:VERB",
    "events": "events:VERB",
    "exec": "exec:VERB",
    "export": "export:VERB",
    "history": "history:VERB",
    "images": "images:VERB",
    "import": "import_:VERB",
    "info": "info:VERB",
    "init": "init:VERB",
    "inspect": "inspect:VERB",
    "kill": "kill:VERB",
    "load": "load:VERB",
    "login": "login:LOGIN",
    "logout": "login:LOGOUT",
    "logs": "logs:VERB",
    "mount": "mount:VERB",
    "pause": "pause:PAUSE",
    "port": "port:VERB",
    "ps": "ps:VERB",
    "pull": "pull:VERB",
    "push": "push:VERB",
    "rename": "rename:VERB",
    "restart": "restart:VERB",
    "rm": "rm:VERB",
    "rmi": "rmi:VERB",
    "run": "run:VERB",
    "save": "save:VERB",
    "start": "start:VERB",
    "stats": "stats:VERB",
    "stop": "stop:VERB",
    "tag": "tag:TAG",
    "top": "top:VERB",
    "umount": "unmount:VERB",
    "unmount": "unmount:VERB",
    "unpause": "pause:UNPAUSE",
    "untag": "tag:UNTAG",
    "update": "update:VERB",
    "version": "version:VERB",
    "wait": "wait:VERB",
}

NOUNS: Mapping[str, Mapping[str, str]] = {
    "config": {
        "check": "config:CHECK",
        "show": "config:SHOW",
    },
    "container": {
        "attach": "attach:VERB",
        "commit": "commit:VERB",
        "cp": "cp:VERB",
        "create": "create:VERB",
        "diff": "diff:OF_CONTAINER",
        "exec": "exec:VERB",
        "exists": "exists:OF_CONTAINER",
        "export": "export:VERB",
        "init": "init:VERB",
        "inspect": "inspect:OF_CONTAINER",
        "kill": "kill:VERB",
        "list": "ps:VERB",
        "logs": "logs:VERB",
        "ls": "ps:VERB",
        "mount": "mount:VERB",
        "pause": "pause:PAUSE",
        "port": "port:VERB",
        "prune": "prune:OF_CONTAINERS",
        "ps": "ps:VERB",
        "rename": "rename:VERB",
        "restart": "restart:VERB",
        "rm": "rm:VERB",
        "run": "run:VERB",
        "start": "start:VERB",
        "stats": "stats:VERB",
        "stop": "stop:VERB",
        "top": "top:VERB",
        "umount": "unmount:VERB",
        "unmount": "unmount:VERB",
        "unpause": "pause:UNPAUSE",
        "update": "update:VERB",
        "wait": "wait:VERB",
    },
    "healthcheck": {
        "run": "healthcheck:RUN",
    },
    "image": {
        "copy": "copy:VERB",
        "diff": "diff:OF_IMAGE",
        "exists": "exists:OF_IMAGE",
        "history": "history:VERB",
        "import": "import_:VERB",
        "inspect": "inspect:OF_IMAGE",
        "list": "images:VERB",
        "load": "load:VERB",
        "ls": "images:VERB",
        "mount": "image_mount:MOUNT",
        "prune": "prune:OF_IMAGES",
        "pull": "pull:VERB",
        "push": "push:VERB",
        "rm": "rmi:VERB",
        "save": "save:VERB",
        "tag": "tag:TAG",
        "tree": "tree:VERB",
        "umount": "image_mount:UNMOUNT",
        "unmount": "image_mount:UNMOUNT",
        "untag": "tag:UNTAG",
    },
    "network": {
        "connect": "network:CONNECT",
        "create": "network:CREATE",
        "disconnect": "network:DISCONNECT",
        "exists": "network:EXISTS",
        "inspect": "network:INSPECT",
        "list": "network:LS",
        "ls": "network:LS",
        "prune": "network:PRUNE",
        "remove": "network:RM",
        "rm": "network:RM",
    },
    "plugin": {
        "inspect": "plugin:INSPECT",
        "ls": "plugin:LS",
        "new": "plugin_new:VERB",
        "test": "plugin_test:TEST",
    },
    "registry": {
        "login": "login:LOGIN",
        "logout": "login:LOGOUT",
        "ls": "registry:LS",
        "tags": "registry:TAGS",
    },
    "storage": {
        "ls": "storage:LIST",
        "migrate": "storage:MIGRATE",
    },
    "system": {
        "boot": "boot:VERB",
        "check": "check:VERB",
        "df": "df:VERB",
        "events": "events:VERB",
        "info": "info:VERB",
        "prune": "prune:OF_SYSTEM",
    },
    "volume": {
        "create": "volume:CREATE",
        "exists": "volume:EXISTS",
        "inspect": "volume:INSPECT",
        "list": "volume:LS",
        "ls": "volume:LS",
        "prune": "prune:OF_VOLUMES",
        "remove": "volume:RM",
        "rm": "volume:RM",
    },
}

NOUN_HELP: Mapping[str, str] = {
    "config": "Check and show the configuration",
    "container": "Manage containers",
    "healthcheck": "Check the health of containers",
    "image": "Manage images",
    "network": "Manage networks",
    "plugin": "List and describe plugins",
    "registry": "Log in to registries and see what they list",
    "storage": "Show storage drivers, move from one to another",
    "system": "Measure, check, repair and prune the store",
    "volume": "Manage volumes",
}


def load(place: str) -> Verb:
    """Import the one module that holds a verb.

    :param place: a value of the tables above.
    """
    module, _, attribute = place.partition(":")
    imported = __import__(f"{__package__}.verbs.{module}", fromlist=[attribute])
    verb: Verb = getattr(imported, attribute)
    return verb


def find(words: list[str]) -> tuple[str, Verb, list[str]] | None:
    """The verb that a command line names.

    :param words: the command line after the global options, at least one word.
    :returns: its name as typed (``container ls``), its declaration and the rest; None where the tables do not know it.
    """
    first = words[0]
    place = VERBS.get(first)
    if place is not None:
        return first, load(place), words[1:]
    noun = NOUNS.get(first)
    if noun is not None and len(words) > 1 and words[1] in noun:
        return f"{first} {words[1]}", load(noun[words[1]]), words[2:]
    return None
