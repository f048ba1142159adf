"""``conman doctor``: what of host, configuration, store and plugins would keep containers from working. Reads, and changes
nothing.

:mod:`.examine` runs the checks, each with a deadline; :mod:`.host`, :mod:`.store` and :mod:`.parts` are the kernel's own.
Plugins contribute through the hook ``conman_doctor`` (:mod:`conman_kernel.slots.doctor`).
"""
