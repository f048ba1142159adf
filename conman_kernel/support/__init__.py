"""What plugins may build on: parts that sibling plugins need alike. Part of the public API; nothing here is inherited.

- :mod:`.snapshots`: a whole storage driver for those whose snapshots are folders; the plugin brings a small ``Form``.
- :mod:`.snapshot_records`: the crash-safe records below it, for a driver that wants only those.
- :mod:`.trees`, :mod:`.copying`, :mod:`.syncing`: remove, measure, copy folder trees; wait until they are on the disk.
- :mod:`.oci_runtime`, :mod:`.oci_features`: a whole runtime for programs with runc's command line, and what it can do.
- :mod:`.inotify`: wait for a file, or the files of a folder, to grow.
- :mod:`.joined`: the person's side of a session, for attach plugins.
"""
