"""The exceptions conman raises on purpose: one root, a small vocabulary.

::

    ConmanError                     exit code 125
    |- NotFound                     image, container, blob, plugin, key that does not exist
    |  `- PluginNotInstalled
    |- AlreadyExists                a name or id in use
    |- InvalidState                 the object exists, but not in a state that allows this
    |- InvalidInput                 the caller's words are wrong
    |  `- ConfigError               ... in a configuration file, naming file and key
    |- Unavailable                  this host, registry or backend cannot do it (now)
    |  |- PluginUnavailable
    |  `- DeadlineExceeded          the caller's deadline passed first
    |- Cancelled                    the caller's cancel token fired
    |- DigestMismatch               bytes are not what their digest or size says
    |- Unauthorized                 a registry refuses these (or no) credentials
    |- RuntimeFailed                the OCI runtime said no; carries its own words
    |  |- CommandNotFound           exit code 127
    |  `- CommandNotExecutable      exit code 126
    |- ShimLost                     the process beside the container is gone
    `- PluginFailed                 a plugin raised, or is not what its slot demands
       |- PluginApiMismatch
       `- PluginConflict

A message says what was being done, to what; ``hint`` says what to do next. The CLI prints both and
exits with ``exit_code``. Everything else that escapes is a defect of conman (or of a plugin) and shows a traceback
only under ``--log-level debug``.
"""

from __future__ import annotations


class ConmanError(Exception):
    """The root of every error that conman raises on purpose.

    :param message: one line: what was being done, to what, and what went wrong.
    :param hint: one line: what the caller can do next; empty where there is nothing useful to say.
    """

    exit_code = 125

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class NotFound(ConmanError):
    """Something that was named does not exist."""


class AlreadyExists(ConmanError):
    """A name or id that was to be new is taken."""


class InvalidState(ConmanError):
    """The object exists, but its state does not allow the operation."""


class InvalidInput(ConmanError):
    """The caller's words are wrong: a reference, an option, a document."""


class ConfigError(InvalidInput):
    """A configuration file or option is wrong; the message names the file and the key."""


class Unavailable(ConmanError):
    """This host, registry or backend cannot do it, or not now."""


class DeadlineExceeded(Unavailable):
    """The caller's deadline passed before the work was done; nothing is left half done."""


class Cancelled(ConmanError):
    """The caller's cancel token fired; nothing is left half done."""

    exit_code = 130


class DigestMismatch(ConmanError):
    """Bytes are not what their descriptor's digest or size says."""


class Unauthorized(ConmanError):
    """A registry refuses these credentials, or asks for some where there are none."""


class RuntimeFailed(ConmanError):
    """The OCI runtime refused; the message carries its own words."""


class CommandNotFound(RuntimeFailed):
    """The container's command does not exist in its root file system."""

    exit_code = 127


class CommandNotExecutable(RuntimeFailed):
    """The container's command exists, but cannot be executed."""

    exit_code = 126


class ShimLost(ConmanError):
    """The process that stood beside the container is gone; how the container ended is not known."""


class PluginFailed(ConmanError):
    """A plugin raised, or is not what its slot demands.

    :param slot: the slot's entry-point group, such as ``conman.storage``.
    :param plugin: the plugin's name, such as ``overlay-storage``.
    :param distribution: the distribution that ships it with its version, or ``""`` when unknown.
    """

    def __init__(self, message: str, *, slot: str, plugin: str, distribution: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.slot = slot
        self.plugin = plugin
        self.distribution = distribution


class PluginApiMismatch(PluginFailed):
    """A plugin was written for another version of its slot's API."""


class PluginConflict(PluginFailed):
    """Two distributions ship a plugin of one name in one slot."""


class PluginNotInstalled(NotFound):
    """A plugin that is selected, or that made a container or layer, is not installed."""

    def __init__(self, message: str, *, slot: str, plugin: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.slot = slot
        self.plugin = plugin
        self.distribution = ""


class PluginUnavailable(Unavailable):
    """A plugin is installed and sound, but says that it cannot work on this host, and why."""

    def __init__(self, message: str, *, slot: str, plugin: str, distribution: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.slot = slot
        self.plugin = plugin
        self.distribution = distribution
