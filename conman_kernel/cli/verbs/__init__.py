"""One module per verb or noun; :mod:`conman_kernel.cli.verb_table` says which, so that only one is imported."""
