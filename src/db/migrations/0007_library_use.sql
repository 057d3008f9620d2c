-- `trashed` says what `deleted_at` says, as a number that is never null: no engine but SQLite reads an index behind
-- `IS NULL` in order. `versions` stands here so that who looks at an
-- image without any need not ask another table.
ALTER TABLE images ADD COLUMN trashed {int} NOT NULL DEFAULT 0;
ALTER TABLE images ADD COLUMN versions {int} NOT NULL DEFAULT 0;
UPDATE images SET trashed = 1 WHERE deleted_at IS NOT NULL;

-- One for every order of a list of one's own, and for the two filters that may be rare. `expires_at` is in those that
-- are counted through, so that pages far away are found without reading the rows before them.
CREATE INDEX images_own_created ON images (owner, trashed, created_at, pk, expires_at);
CREATE INDEX images_own_name ON images (owner, trashed, name, pk);
CREATE INDEX images_own_bytes ON images (owner, trashed, bytes, pk);
CREATE INDEX images_own_format ON images (owner, trashed, format, created_at, pk);
CREATE INDEX images_own_visibility ON images (owner, trashed, visibility, created_at, pk);
-- For who may see everybody's.
CREATE INDEX images_created ON images (trashed, created_at, pk, expires_at);
CREATE INDEX images_bytes ON images (trashed, bytes, pk);
-- For the clean-up.
CREATE INDEX images_expires ON images (trashed, expires_at, owner, pk);
CREATE INDEX images_deleted ON images (trashed, deleted_at, owner, pk);

-- How many images somebody has: counting a million rows takes longer than listing them. Owner 0 is the operator.
CREATE TABLE image_counts (
    owner {int} NOT NULL PRIMARY KEY,
    live {int} NOT NULL,
    trashed {int} NOT NULL
);
INSERT INTO image_counts (owner, live, trashed)
    SELECT COALESCE(owner, 0), SUM(1 - trashed), SUM(trashed) FROM images GROUP BY COALESCE(owner, 0);

-- What images are searched by: words of their names and tags. `uses` says how many of these an image has a word from.
-- The time is in the key because that is the order in which lists are read.
CREATE TABLE image_terms (
    owner {int} NOT NULL,
    term {name} NOT NULL,
    created_at {int} NOT NULL,
    image_pk {int} NOT NULL REFERENCES images (pk) ON DELETE CASCADE,
    uses {int} NOT NULL,
    PRIMARY KEY (owner, term, created_at, image_pk)
);
CREATE INDEX image_terms_image ON image_terms (image_pk);
-- By which rules the terms were made; 0 = not at all.
INSERT INTO counters (name, value) VALUES ('image_terms', 0);

-- `images` are those of the album that are not in the trash.
CREATE TABLE albums (
    pk {key},
    id {id} NOT NULL UNIQUE,
    owner {int} NOT NULL,
    name {name} NOT NULL,
    cover_pk {int} REFERENCES images (pk) ON DELETE SET NULL,
    images {int} NOT NULL DEFAULT 0,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL
);
CREATE INDEX albums_owner ON albums (owner, pk);

CREATE TABLE album_images (
    album_pk {int} NOT NULL REFERENCES albums (pk) ON DELETE CASCADE,
    image_pk {int} NOT NULL REFERENCES images (pk) ON DELETE CASCADE,
    position {int} NOT NULL,
    PRIMARY KEY (album_pk, image_pk)
);
CREATE INDEX album_images_order ON album_images (album_pk, position, image_pk);
CREATE INDEX album_images_image ON album_images (image_pk);

CREATE TABLE tags (
    pk {key},
    owner {int} NOT NULL,
    name {name} NOT NULL,
    images {int} NOT NULL DEFAULT 0,
    created_at {int} NOT NULL,
    UNIQUE (owner, name)
);

CREATE TABLE image_tags (
    tag_pk {int} NOT NULL REFERENCES tags (pk) ON DELETE CASCADE,
    created_at {int} NOT NULL,
    image_pk {int} NOT NULL REFERENCES images (pk) ON DELETE CASCADE,
    PRIMARY KEY (tag_pk, created_at, image_pk)
);
CREATE INDEX image_tags_image ON image_tags (image_pk);

-- Results that somebody wants kept: each is an object of its own. `variant` tells results of one content apart, whatever
-- was purged; no cascade, because the object behind a row has to be let go of.
CREATE TABLE versions (
    pk {key},
    id {id} NOT NULL UNIQUE,
    image_pk {int} NOT NULL REFERENCES images (pk),
    variant {id} NOT NULL,
    spec {text} NOT NULL,
    storage {id} NOT NULL,
    object_key {id} NOT NULL,
    sha256 {id} NOT NULL,
    bytes {int} NOT NULL,
    format {id} NOT NULL,
    width {int} NOT NULL,
    height {int} NOT NULL,
    created_at {int} NOT NULL,
    UNIQUE (image_pk, variant)
);
CREATE INDEX versions_object ON versions (storage, object_key);
