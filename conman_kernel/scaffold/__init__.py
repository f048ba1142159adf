"""``conman plugin new``: a whole distribution of a plugin, as text with the author's names put in."""
