"""Telling what happened, and reading what was told. The plugins of ``conman.events`` do the work."""
