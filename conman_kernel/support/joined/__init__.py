"""The person's side of a session, in parts that attach plugins build on. Importing this loads none of them.

- :mod:`.loop`: :func:`~.loop.join`, the whole of it: bytes, sizes, signals, detach keys, raw mode, the end.
- :mod:`.tap`: :class:`~.tap.Tap`, what is told of everything that goes through.
- :mod:`.keys`, :mod:`.sink`, :mod:`.signals`, :mod:`.terminal`: its parts, for a loop of one's own.
"""
