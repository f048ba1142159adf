"""Exec sessions: one more process in a running container, with an id, a shim and an exit code of its own.

:mod:`.options` what is asked for, :mod:`.rows` the index, :mod:`.launch` its shim and runtime command, :mod:`.start` the order
of a start, :mod:`.foreground` a start that stays to the end, :mod:`.ending` how one ends whoever finds it, :mod:`.session` the
object.
"""
