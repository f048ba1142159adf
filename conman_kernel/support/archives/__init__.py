"""What the transports to files on this machine share: archives and folders, read and written.

- :mod:`.standard`: opening what a location names, also ``/dev/stdin`` and its like.
- :mod:`.headers`, :mod:`.table`: a tar's table of members, bounded, links followed within it; nothing is ever extracted.
- :mod:`.inflating`, :mod:`.spool`: compressed archives and pipes, unpacked into an unnamed file.
- :mod:`.opened`: an archive that is open, and the few that a transport remembers.
- :mod:`.streams`: the bytes of one member or file, from any offset; a whole small document.
- :mod:`.folders`: files beneath a folder, opened step by step; :mod:`.placing` and :mod:`.filling` write them.
- :mod:`.sinks`, :mod:`.tarwriter`: a tar written from front to end, to a file that appears whole or to a pipe.
"""
