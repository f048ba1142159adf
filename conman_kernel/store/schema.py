"""The index's tables. ``PRAGMA user_version`` counts the migrations that were applied; a newer one is refused."""

from __future__ import annotations

MIGRATIONS: tuple[str, ...] = ("""
CREATE TABLE blobs (
    digest TEXT PRIMARY KEY, size INTEGER NOT NULL, media_type TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE images (
    id TEXT PRIMARY KEY,                      -- hex of the configuration's digest
    config_digest TEXT NOT NULL, config TEXT NOT NULL,
    manifest_digest TEXT NOT NULL, manifest_type TEXT NOT NULL, manifest TEXT NOT NULL,
    platform TEXT NOT NULL,                   -- os/architecture[/variant]
    top_chain_id TEXT NOT NULL,               -- '' for an image without layers
    size INTEGER NOT NULL,                    -- of the unpacked layers, bytes
    created REAL NOT NULL, pulled REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE image_names (
    name TEXT PRIMARY KEY, image_id TEXT NOT NULL REFERENCES images(id),
    target_digest TEXT NOT NULL,              -- what the name resolved to: an index's or a manifest's digest
    updated REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX image_names_image ON image_names(image_id);
CREATE TABLE image_digests (                  -- every repository@digest an image is known by
    name TEXT NOT NULL, digest TEXT NOT NULL, image_id TEXT NOT NULL REFERENCES images(id),
    PRIMARY KEY (name, digest)
) WITHOUT ROWID;
CREATE INDEX image_digests_image ON image_digests(image_id);
CREATE TABLE image_layers (
    image_id TEXT NOT NULL REFERENCES images(id), position INTEGER NOT NULL,
    chain_id TEXT NOT NULL, diff_id TEXT NOT NULL,
    blob_digest TEXT NOT NULL, blob_size INTEGER NOT NULL, media_type TEXT NOT NULL,
    PRIMARY KEY (image_id, position)
) WITHOUT ROWID;
CREATE INDEX image_layers_chain ON image_layers(chain_id);
CREATE TABLE layers (                         -- a layer unpacked by a storage driver
    chain_id TEXT NOT NULL, driver TEXT NOT NULL, parent TEXT, diff_id TEXT NOT NULL,
    size INTEGER NOT NULL, created REAL NOT NULL,
    PRIMARY KEY (chain_id, driver)
) WITHOUT ROWID;
CREATE TABLE leases (                         -- what a living process works on: not to be collected
    id TEXT PRIMARY KEY, pid INTEGER NOT NULL, pid_start INTEGER NOT NULL, boot_id TEXT NOT NULL,
    created REAL NOT NULL, purpose TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE lease_items (
    lease_id TEXT NOT NULL REFERENCES leases(id) ON DELETE CASCADE,
    kind TEXT NOT NULL,                       -- blob, layer, snapshot, image
    item TEXT NOT NULL,
    PRIMARY KEY (lease_id, kind, item)
) WITHOUT ROWID;
CREATE TABLE pods (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created REAL NOT NULL, config TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE containers (
    num INTEGER PRIMARY KEY AUTOINCREMENT,    -- never used again: the byte of the lock file that is its lock
    id TEXT NOT NULL UNIQUE, name TEXT NOT NULL UNIQUE,
    image_id TEXT NOT NULL, image_name TEXT NOT NULL, image_chain_id TEXT NOT NULL,
    pod_id TEXT REFERENCES pods(id),
    state TEXT NOT NULL,                      -- creating created starting running paused exited removing
    created REAL NOT NULL, started REAL NOT NULL DEFAULT 0, finished REAL NOT NULL DEFAULT 0,
    storage TEXT NOT NULL, runtime TEXT NOT NULL,
    options TEXT NOT NULL, process TEXT NOT NULL,  -- ContainerOptions; the resolved command and the image's share
    pid INTEGER NOT NULL DEFAULT 0, pid_start INTEGER NOT NULL DEFAULT 0,
    shim_pid INTEGER NOT NULL DEFAULT 0, shim_start INTEGER NOT NULL DEFAULT 0,
    boot_id TEXT NOT NULL DEFAULT '',         -- of the boot in which it was started last
    owner_pid INTEGER NOT NULL DEFAULT 0, owner_start INTEGER NOT NULL DEFAULT 0,
    exit_code INTEGER NOT NULL DEFAULT -1,    -- -1: not known
    oom INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '',
    mounts INTEGER NOT NULL DEFAULT 0,        -- how often `conman mount` holds the root file system mounted
    restarts INTEGER NOT NULL DEFAULT 0, health TEXT NOT NULL DEFAULT ''
);
CREATE INDEX containers_image ON containers(image_id);
CREATE INDEX containers_active ON containers(state) WHERE state NOT IN ('created', 'exited');
CREATE TABLE exits (                          -- how containers that are gone (--rm) ended, for those who waited; kept for minutes
    container_id TEXT PRIMARY KEY, exit_code INTEGER NOT NULL, finished REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE exec_sessions (
    id TEXT PRIMARY KEY, container_id TEXT NOT NULL REFERENCES containers(id) ON DELETE CASCADE,
    created REAL NOT NULL, state TEXT NOT NULL, config TEXT NOT NULL,
    pid INTEGER NOT NULL DEFAULT 0, pid_start INTEGER NOT NULL DEFAULT 0, boot_id TEXT NOT NULL DEFAULT '',
    exit_code INTEGER NOT NULL DEFAULT -1, finished REAL NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX exec_sessions_container ON exec_sessions(container_id);
CREATE TABLE volumes (
    name TEXT PRIMARY KEY, driver TEXT NOT NULL, created REAL NOT NULL, anonymous INTEGER NOT NULL, config TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE container_volumes (
    container_id TEXT NOT NULL REFERENCES containers(id) ON DELETE CASCADE,
    volume TEXT NOT NULL REFERENCES volumes(name), target TEXT NOT NULL,
    PRIMARY KEY (container_id, target)
) WITHOUT ROWID;
CREATE TABLE networks (
    name TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE, plugin TEXT NOT NULL, created REAL NOT NULL, config TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE container_networks (
    container_id TEXT NOT NULL REFERENCES containers(id) ON DELETE CASCADE,
    network TEXT NOT NULL REFERENCES networks(name), config TEXT NOT NULL, result TEXT NOT NULL,
    PRIMARY KEY (container_id, network)
) WITHOUT ROWID;
""", """
ALTER TABLE exec_sessions ADD COLUMN shim_pid INTEGER NOT NULL DEFAULT 0;
ALTER TABLE exec_sessions ADD COLUMN shim_start INTEGER NOT NULL DEFAULT 0;
ALTER TABLE exec_sessions ADD COLUMN owner_pid INTEGER NOT NULL DEFAULT 0;
ALTER TABLE exec_sessions ADD COLUMN owner_start INTEGER NOT NULL DEFAULT 0;
CREATE INDEX exec_sessions_active ON exec_sessions(state) WHERE state IN ('starting', 'running');
""", """
CREATE TABLE blob_places (                    -- where a blob was seen, so that a push may link it instead of sending it
    digest TEXT NOT NULL, repository TEXT NOT NULL, seen REAL NOT NULL, PRIMARY KEY (digest, repository)
) WITHOUT ROWID;
CREATE INDEX image_layers_blob ON image_layers(blob_digest);
CREATE TABLE image_mounts (                   -- images that `conman image mount` holds mounted
    image_id TEXT PRIMARY KEY REFERENCES images(id), driver TEXT NOT NULL, key TEXT NOT NULL, mounts INTEGER NOT NULL
) WITHOUT ROWID;
""", """
ALTER TABLE containers ADD COLUMN stopped INTEGER NOT NULL DEFAULT 0;  -- a person ended it: no policy starts it again
ALTER TABLE containers ADD COLUMN backoff INTEGER NOT NULL DEFAULT 0;  -- ms that its last restart was waited for
""")
"""One script per version, applied in order inside one transaction."""
