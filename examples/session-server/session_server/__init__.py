"""A container's sessions for others: the part of Docker's Engine API that ``docker run -it``, ``attach``, ``exec``, ``logs`` and
``wait`` speak, and a WebSocket. An example of a caller of :mod:`conman_kernel`; see the README beside it.

:mod:`.listening` sockets, :mod:`.http` HTTP/1.1, :mod:`.api` which call goes where, :mod:`.containers`, :mod:`.attaching`,
:mod:`.execs`, :mod:`.logs` the calls, :mod:`.carrying` bytes between a session and a peer, :mod:`.raw` and :mod:`.websocket` the
two kinds of peer, :mod:`.documents` and :mod:`.words` JSON.
"""
