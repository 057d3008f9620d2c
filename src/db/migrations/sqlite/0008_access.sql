-- Links that show one image to whoever holds them. `hash` is that of the token, which is told once; `id` is what the
-- link is called in lists. The owner is the image's, so that links end up with whoever answers for the picture.
CREATE TABLE shares (
    pk INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    hash TEXT NOT NULL UNIQUE,
    image_pk INTEGER NOT NULL REFERENCES images (pk) ON DELETE CASCADE,
    owner INTEGER,
    password_hash TEXT,
    max_views INTEGER,
    views INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    viewed_at INTEGER,
    expires_at INTEGER,
    revoked_at INTEGER
);
CREATE INDEX shares_image ON shares (image_pk);
CREATE INDEX shares_owner ON shares (owner, pk);

-- How often each image was looked at: altogether, and on each day (days since 1970, UTC).
ALTER TABLE images ADD COLUMN views INTEGER NOT NULL DEFAULT 0;
ALTER TABLE images ADD COLUMN last_viewed_at INTEGER;
CREATE TABLE image_days (
    image_pk INTEGER NOT NULL REFERENCES images (pk) ON DELETE CASCADE,
    day INTEGER NOT NULL,
    views INTEGER NOT NULL,
    bytes_served INTEGER NOT NULL,
    bytes_saved INTEGER NOT NULL,
    PRIMARY KEY (image_pk, day)
);
CREATE INDEX image_days_day ON image_days (day);

-- The same of all images, those that are gone included.
CREATE TABLE view_days (
    day INTEGER NOT NULL PRIMARY KEY,
    views INTEGER NOT NULL,
    bytes_served INTEGER NOT NULL,
    bytes_saved INTEGER NOT NULL
);

-- Addresses that are let in or kept out beside those of the configuration. Running servers ask whether the counter
-- has been raised.
CREATE TABLE address_rules (
    pk INTEGER PRIMARY KEY AUTOINCREMENT,
    verdict TEXT NOT NULL CHECK (verdict IN ('allow', 'deny')),
    block TEXT NOT NULL,
    note TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (verdict, block)
);
INSERT INTO counters (name, value) VALUES ('address_rules', 1);
