"""What must run apart from the caller: a small program over directory descriptors, and the client that starts it.

:mod:`.client` runs in the kernel; :mod:`.program` is the process it starts, one per job, which imports the rest.
"""
