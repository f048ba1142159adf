"""Hostile and broken layers, byte by byte, each with its verdict: the exact tree that comes out, or the error.

* :mod:`.names`, :mod:`.links`, :mod:`.nodes` are the cases; :mod:`.cases` is what a case is.
* :mod:`.tars` writes the archives that ``tarfile`` refuses to write.
* :mod:`.verdicts` compares a tree with what a case says.
"""
