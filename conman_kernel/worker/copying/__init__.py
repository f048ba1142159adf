"""``cp``: trees and files between two roots that neither trusts the other, over descriptors. Runs in the worker.

What other engines had to learn, and how it cannot happen here:

- CVE-2018-15664 (docker cp): a path was resolved first and opened by name later; in between a process in the container put a
  link to ``/`` in a folder's place. Here a name is only ever used in an open folder, one component at a time, and no link is
  followed by the system: :mod:`conman_kernel.worker.inroot` finds the two places, everything below them is opened with
  O_NOFOLLOW. A race changes what is copied of the container, or fails; it never reaches the host.
- CVE-2019-14271 (docker-tar): a helper changed its root into the container and then loaded a library from there, which ran with
  the host's rights. Here no process of ours ever has the container's root, or enters a namespace that a process of the container
  lives in: a running container is looked at through ``/proc/PID/root``, a descriptor.
"""
