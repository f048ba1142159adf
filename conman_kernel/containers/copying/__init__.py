"""Files in and out of containers (``conman cp``): which roots, whose owner, what a killed copy leaves. The copying itself is the
worker's, :mod:`conman_kernel.worker.copying`."""
