"""Go's text/template for ``--format``: lexer, parser, evaluator and functions. Imported only where a template is given.

:mod:`.form` is the door: it takes what stands after ``--format`` and prints rows by it. The language is that of Go's package of
that name (as of Go 1.19) on Python's values, with the functions that docker and podman add; complex numbers and the calling of
function values are left out. Nothing but :class:`~conman_kernel.errors.InvalidInput` is raised, whatever the template: depth,
steps and output are bounded (:mod:`.evaluate`).
"""
