"""The processes of a container as ``top`` shows them. Read from the host's /proc: nothing runs inside for it."""
