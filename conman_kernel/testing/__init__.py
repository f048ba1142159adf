"""Shipped for tests, of conman and of plugins: image builder, loopback registries, contract kits.

* :mod:`.images` builds images in memory, honest or lying.
* :mod:`.registry` serves them on a loopback port, with faults on request.
* :mod:`.docker_registry` starts the reference registry where the machine has it.
"""
