-- Links that show one image to whoever holds them. `hash` is that of the token, which is told once; `id` is what the
-- link is called in lists. The owner is the image's, so that links end up with whoever answers for the picture.
CREATE TABLE shares (
    pk {key},
    id {id} NOT NULL UNIQUE,
    hash {id} NOT NULL UNIQUE,
    image_pk {int} NOT NULL REFERENCES images (pk) ON DELETE CASCADE,
    owner {int},
    password_hash {id},
    max_views {int},
    views {int} NOT NULL,
    created_at {int} NOT NULL,
    viewed_at {int},
    expires_at {int},
    revoked_at {int}
);
CREATE INDEX shares_image ON shares (image_pk);
CREATE INDEX shares_owner ON shares (owner, pk);

-- How often each image was looked at: altogether, and on each day (days since 1970, UTC).
ALTER TABLE images ADD COLUMN views {int} NOT NULL DEFAULT 0;
ALTER TABLE images ADD COLUMN last_viewed_at {int};
CREATE TABLE image_days (
    image_pk {int} NOT NULL REFERENCES images (pk) ON DELETE CASCADE,
    day {int} NOT NULL,
    views {int} NOT NULL,
    bytes_served {int} NOT NULL,
    bytes_saved {int} NOT NULL,
    PRIMARY KEY (image_pk, day)
);
CREATE INDEX image_days_day ON image_days (day);

-- The same of all images, those that are gone included.
CREATE TABLE view_days (
    day {int} NOT NULL PRIMARY KEY,
    views {int} NOT NULL,
    bytes_served {int} NOT NULL,
    bytes_saved {int} NOT NULL
);

-- Addresses that are let in or kept out beside those of the configuration. Running servers ask whether the counter
-- has been raised.
CREATE TABLE address_rules (
    pk {key},
    verdict {id} NOT NULL CHECK (verdict IN ('allow', 'deny')),
    block {id} NOT NULL,
    note {text} NOT NULL,
    created_at {int} NOT NULL,
    UNIQUE (verdict, block)
);
INSERT INTO counters (name, value) VALUES ('address_rules', 1);
