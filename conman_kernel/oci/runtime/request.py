"""What the spec builder is given: the caller's options, the image's part, and facts of host and bundle. Plain records,
no I/O."""

from __future__ import annotations

from typing import Mapping

from ...record import Record
from .options import ContainerOptions, Ulimit


class ImageParts(Record):
    """What an image's config says about its process (OCI image-spec, ``config``)."""

    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    working_dir: str = ""
    stop_signal: str = ""
    user: str = ""


class User(Record):
    """Who the process is, in ids of the container.

    :param groups: additional group ids, sorted.
    :param home: home folder as its passwd says, ``/`` where that knows none.
    :param name: the name in the container's passwd; empty for an id it does not know.
    """

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    home: str = "/"
    name: str = ""


class HostDevice(Record):
    """One device node to make in the container.

    :param path: absolute path in the container.
    :param type: ``c`` or ``b``.
    :param mode: permission bits.
    :param access: subset of ``rwm`` that the device cgroup allows.
    """

    path: str
    type: str
    major: int
    minor: int
    mode: int = 0o666
    uid: int = 0
    gid: int = 0
    access: str = "rwm"


class CgroupMount(Record):
    """One mounted cgroup hierarchy.

    :param path: mount point.
    :param controllers: ``("cpu", "cpuacct")``; ``("name=systemd",)``; for the unified one those of its root.
    :param unified: it is cgroup v2.
    :param own: the caller's cgroup in it, as ``/proc/self/cgroup`` says.
    """

    path: str
    controllers: tuple[str, ...]
    unified: bool
    own: str


class HostFacts(Record):
    """What the spec depends on and only the host can say. Read by :mod:`conman_kernel.containers.hostfacts`.

    :param cgroup_mode: ``v1``, ``v2``, ``hybrid`` (v1 controllers beside a unified mount) or ``none``.
    :param cgroup_manager: ``cgroupfs`` or ``systemd``, already decided.
    :param bounding: the caller's bounding capabilities as a bit mask; ``effective`` likewise.
    :param rlimits: the caller's limits (-1: unlimited), by lower-case name as in ``--ulimit``.
    :param machine: as ``uname -m``.
    :param kernel: major and minor.
    """

    cgroup_mode: str = "v1"
    cgroup_manager: str = "cgroupfs"
    cgroups: tuple[CgroupMount, ...] = ()
    swap_limit: bool = True
    bounding: int = (1 << 41) - 1
    effective: int = (1 << 41) - 1
    rlimits: tuple[Ulimit, ...] = ()
    oom_score_adj: int = 0
    boot_id: str = ""
    hostname: str = ""
    machine: str = "x86_64"
    kernel: tuple[int, int] = (6, 1)
    seccomp: bool = True
    apparmor: bool = False
    selinux: bool = False
    user_namespace: bool = False

    def controllers(self) -> frozenset[str]:
        """Every controller that limits can be set with."""
        return frozenset(c for m in self.cgroups for c in m.controllers)


class BindFile(Record):
    """One file of the bundle shown in the container: ``/etc/hosts``, ``/run/.containerenv``, ..."""

    target: str
    source: str


class SpecRequest(Record):
    """Everything :func:`~conman_kernel.oci.runtime.spec.build_spec` needs.

    :param id: the container's id.
    :param name: its name.
    :param hostname: what HOSTNAME says; also set in the container's UTS namespace where it has its own.
    :param rootfs: absolute path of the mounted root file system.
    :param user: resolved against the root file system (:func:`conman_kernel.containers.users.resolve_user`).
    :param files: shown over the image's own, unless the caller mounts something there.
    :param devices: of ``--device`` and, where privileged, of the host, looked up
        (:func:`conman_kernel.containers.hostfacts.devices_for`).
    :param namespaces: kind (``network pid ipc uts cgroup``) -> path to join; wins over the options' mode. Needed for
        modes ``container:ID`` and for pinned ones; ``path:/...`` is understood without.
    :param init_path: the init binary on the host, where ``options.init``.
    :param cgroups_path: OCI ``cgroupsPath`` (:func:`conman_kernel.containers.cgroups.spec_path`).
    :param seccomp: a profile that the caller brought, parsed
        (:func:`conman_kernel.containers.seccompfile.read_profile`); None: the default one, or none where
        ``options.seccomp`` is ``unconfined``.
    :param shm_path: a folder on the host to show at ``/dev/shm``; empty: a tmpfs made by the runtime.
    """

    id: str
    name: str
    hostname: str
    rootfs: str
    options: ContainerOptions
    user: User
    facts: HostFacts
    image: ImageParts = ImageParts()
    files: tuple[BindFile, ...] = ()
    devices: tuple[HostDevice, ...] = ()
    namespaces: Mapping[str, str] = {}
    init_path: str = ""
    cgroups_path: str = ""
    seccomp: Mapping[str, object] | None = None
    shm_path: str = ""
