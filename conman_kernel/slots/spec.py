"""The group ``conman.spec``: plugins that add to what the OCI runtime is told of a container.

An editor returns data, a :class:`SpecEdits`; it never sees the runtime's document. The kernel checks what it was given
(types, measure, paths, what is on the host; nothing takes the place of what the caller or conman set), applies it, and builds the
document from it by the rules that hold for what a person asks for. An editor that raises, or whose edits are refused,
stops the command with one line that names it: a container must not run without what was asked for, nor with what nobody checked.
Nothing is left behind then.

Editors (``[spec] editors``, in that order) are loaded only for a container that asks for a device by name
(``--device vendor.com/class=name``) or was given annotations; when it is made, to refuse early, and at each start.
"""

from __future__ import annotations

from typing import Protocol

from ..cancel import Cancel
from ..oci.runtime.options import ContainerOptions, MountOption
from ..record import Record

API = 1
"""The version of this group. A plugin says in its provider which one it was written for."""

STAGES = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
"""When a hook runs (OCI runtime-spec, config.md, "POSIX-platform Hooks")."""


class EditRequest(Record):
    """The container that is made or started.

    :param id: its id; empty while it is being made.
    :param options: everything it was made with; its image's labels are among ``options.labels``.
    :param devices: the devices that it asks for by name and that no editor before has taken care of.
    :param annotations: the ones that the caller gave; never an image's.
    :param cancel: deadline and cancel token.
    """

    id: str
    options: ContainerOptions
    devices: tuple[str, ...]
    annotations: tuple[tuple[str, str], ...]
    cancel: Cancel


class DeviceNode(Record):
    """One device node of the host for the container.

    :param path: absolute path in the container.
    :param host_path: absolute path on the host; empty: the same.
    :param type: ``c`` or ``b`` where the editor knows it, ``major`` and ``minor`` likewise (-1: it does not). The node on the
        host must be just that.
    :param permissions: a subset of ``rwm``.
    :param mode: permission bits in the container, ``uid`` and ``gid`` its owner there; -1: as on the host.
    """

    path: str
    host_path: str = ""
    type: str = ""
    major: int = -1
    minor: int = -1
    permissions: str = "rwm"
    mode: int = -1
    uid: int = -1
    gid: int = -1


class Hook(Record):
    """A program of the host that the runtime runs at a point of the container's life.

    :param stage: one of :data:`STAGES`.
    :param path: absolute path of an executable file.
    :param args: its whole ``argv``; empty: the path alone. ``env``: all of its environment, ``NAME=value`` each.
    :param timeout: seconds after which the runtime ends it; 0: never.
    """

    stage: str
    path: str
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    timeout: int = 0


class IntelRdt(Record):
    """Cache and memory bandwidth of the processor (OCI runtime-spec, config-linux.md, "IntelRdt"); empty: not set."""

    clos_id: str = ""
    l3_cache_schema: str = ""
    mem_bw_schema: str = ""
    enable_cmt: bool = False
    enable_mbm: bool = False


class SpecEdits(Record):
    """What an editor adds.

    :param handled: the devices of the request that it takes care of. One that no editor takes care of is an error.
    :param env: names and values; over the image's. One that the caller gave otherwise is refused.
    :param mounts: ``bind`` or ``tmpfs``, see :class:`~conman_kernel.oci.runtime.options.MountOption`.
    :param devices: device nodes; a container that is not privileged is allowed to use them.
    :param groups: further group ids of the process.
    :param hooks: run in this order, after those of editors before.
    :param intel_rdt: None: not this editor's affair.
    """

    handled: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    mounts: tuple[MountOption, ...] = ()
    devices: tuple[DeviceNode, ...] = ()
    groups: tuple[int, ...] = ()
    hooks: tuple[Hook, ...] = ()
    intel_rdt: IntelRdt | None = None


class SpecEditor(Protocol):
    """Adds to what the runtime is told. Methods may be called from several threads at once."""

    def edit(self, request: EditRequest) -> SpecEdits:
        """What this container is to get; an empty :class:`SpecEdits` where it is not this editor's affair.

        Reads, and changes nothing: it is called when the container is made and at each start. A device that another editor
        may know is left out of ``handled``.

        :raises NotFound: a device that is this editor's affair does not exist.
        :raises ConmanError: anything else that a person can mend.
        """
        ...

    def close(self) -> None:
        """Give everything back. May be called twice."""
        ...
