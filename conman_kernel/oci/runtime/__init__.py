"""The OCI runtime spec of a container, built from what a caller asked for, the image and facts of the host. Pure: no
I/O."""
