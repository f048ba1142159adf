"""The ``conman`` command: parses, calls :class:`conman_kernel.Conman`, prints; nothing else. One file per verb."""
