"""Containers: create, start, stop, remove; bundle, sessions, logs; and the client of the shim."""
