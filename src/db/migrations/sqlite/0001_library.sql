-- AUTOINCREMENT: a key that has been handed out is never given to another image, even after the last row went.
-- SQLite compares text bytewise unless told otherwise, which is what ids and hashes need.
CREATE TABLE images (
    pk INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    md5 TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    format TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    orientation INTEGER NOT NULL,
    frames INTEGER NOT NULL,
    has_alpha INTEGER NOT NULL,
    depth INTEGER NOT NULL,
    progressive INTEGER NOT NULL,
    focal_x REAL,
    focal_y REAL,
    visibility TEXT NOT NULL CHECK (visibility IN ('public', 'private')),
    storage TEXT NOT NULL,
    object_key TEXT NOT NULL,
    owner INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER,
    expires_at INTEGER,
    CHECK ((focal_x IS NULL) = (focal_y IS NULL))
);

-- By content: for a repeated upload, and for whether an object is still needed.
CREATE INDEX images_sha256 ON images (sha256);

-- A purge raises a counter that is part of every cache key beneath it, so it outlives a restart and reaches entries
-- on disk that nobody can list.
CREATE TABLE generations (
    scope TEXT NOT NULL CHECK (scope IN ('image', 'tag', 'source', 'all')),
    name TEXT NOT NULL,
    counter INTEGER NOT NULL,
    PRIMARY KEY (scope, name)
);
