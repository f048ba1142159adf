"""The process beside a container. It speaks ``PROTOCOL.md`` and needs little of the standard library."""
