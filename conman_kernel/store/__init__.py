"""What lasts: the SQLite index, the content-addressed blobs, locks, leases and collection."""
