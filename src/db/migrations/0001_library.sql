-- A key that has been handed out is never given to another image, even after the last row went.
CREATE TABLE images (
    pk {key},
    id {id} NOT NULL UNIQUE,
    name {name} NOT NULL,
    sha256 {id} NOT NULL,
    md5 {id} NOT NULL,
    bytes {int} NOT NULL,
    format {id} NOT NULL,
    width {int} NOT NULL,
    height {int} NOT NULL,
    orientation {int} NOT NULL,
    frames {int} NOT NULL,
    has_alpha {int} NOT NULL,
    depth {int} NOT NULL,
    progressive {int} NOT NULL,
    focal_x {real},
    focal_y {real},
    visibility {id} NOT NULL CHECK (visibility IN ('public', 'private')),
    storage {id} NOT NULL,
    object_key {id} NOT NULL,
    owner {int},
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    deleted_at {int},
    expires_at {int},
    CHECK ((focal_x IS NULL) = (focal_y IS NULL))
);

-- By content: for a repeated upload, and for whether an object is still needed.
CREATE INDEX images_sha256 ON images (sha256);
