"""Where everything lies below ``--root`` (lasts) and ``--run-root`` (gone after a reboot)."""

from __future__ import annotations

import errno
import os

from ..errors import Unavailable


class Layout:
    """The paths of one store. Making one does no I/O; folders are made, 0700, when they are first asked for.

    :param root: what lasts.
    :param run_root: what a reboot clears.
    """

    __slots__ = ("root", "run_root")

    def __init__(self, root: str, run_root: str) -> None:
        self.root = root
        self.run_root = run_root

    @property
    def index(self) -> str:
        """The SQLite index."""
        return self.root + "/index.db"

    @property
    def locks(self) -> str:
        """The file whose bytes are the containers' locks."""
        return self.root + "/locks"

    @property
    def blobs(self) -> str:
        """Verified content, ``<algorithm>/<hex>`` each."""
        return self.root + "/blobs"

    @property
    def ingest(self) -> str:
        """Content on its way: unverified until complete."""
        return self.root + "/ingest"

    @property
    def plugin_cache(self) -> str:
        """The cached scan of installed plugins' metadata."""
        return self.root + "/plugins.cache"

    @property
    def volumes(self) -> str:
        """The volumes, a folder each."""
        return self.root + "/volumes"

    def volume(self, name: str) -> str:
        """What there is of a volume; containers see its ``_data``."""
        return f"{self.root}/volumes/{name}"

    def plugin_state(self, name: str) -> str:
        """A plugin's own folder that lasts."""
        return f"{self.root}/plugins/{name}"

    def plugin_run(self, name: str) -> str:
        """A plugin's own folder that a reboot clears."""
        return f"{self.run_root}/plugins/{name}"

    def container(self, id: str) -> str:
        """What lasts of a container: its log and exit file."""
        return f"{self.root}/containers/{id}"

    def container_run(self, id: str) -> str:
        """What a reboot clears of a container: bundle, mounted root file system, sockets, pid file."""
        return f"{self.run_root}/containers/{id}"

    def runtime_run(self, name: str) -> str:
        """The state folder (``--root``) handed to an OCI runtime."""
        return f"{self.run_root}/runtimes/{name}"

    def ensure(self, path: str) -> str:
        """Make a folder and those above it, 0700; one that exists is left as it is.

        :returns: the path.
        :raises Unavailable: it cannot be made.
        """
        try:
            os.mkdir(path, 0o700)
        except FileNotFoundError as error:
            if not os.path.dirname(path):
                raise unusable(path, error) from None
            # Not os.makedirs: its mode is for the last folder alone, and a store that others may enter shows them set-uid files.
            self.ensure(os.path.dirname(path))
            try:
                os.mkdir(path, 0o700)
            except FileExistsError:
                return path  # another command was faster
            except OSError as again:  # still "not found": a file system that makes no folders (/proc)
                raise unusable(path, again) from None
        except FileExistsError:
            if not os.path.isdir(path):
                raise unusable(path, NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))) from None
        except OSError as error:
            raise unusable(path, error) from None
        return path


def unusable(path: str, error: OSError) -> Unavailable:
    """The error for a store folder that cannot be made or written."""
    hint = "run as root, or choose folders of your own with --root and --run-root" if isinstance(error, PermissionError) else ""
    return Unavailable(f"cannot use {path}: {error.strerror}", hint=hint)
