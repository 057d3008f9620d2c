-- What lies in storages: a row for each content and storage, there before its object is. `refs` counts the images and
-- versions that need it. Nobody has needed it since `doomed_at`; at `removing_at` somebody began to remove it, and until
-- the row is gone nobody may need it again; at `missing_at` it was found to be gone although it is needed.
CREATE TABLE objects (
    pk {key},
    storage {id} NOT NULL,
    object_key {id} NOT NULL,
    sha256 {id} NOT NULL,
    bytes {int} NOT NULL,
    refs {int} NOT NULL,
    created_at {int} NOT NULL,
    doomed_at {int},
    removing_at {int},
    missing_at {int},
    UNIQUE (storage, object_key)
);
CREATE INDEX objects_doomed ON objects (doomed_at);
CREATE INDEX objects_removing ON objects (removing_at);
INSERT INTO objects (storage, object_key, sha256, bytes, refs, created_at)
    SELECT storage, object_key, sha256, MAX(bytes), COUNT(*), MIN(created_at) FROM images
    GROUP BY storage, object_key, sha256;

-- What everybody has, and what was promised to uploads that are under way. 0 is the operator.
CREATE TABLE user_usage (
    user_pk {int} NOT NULL PRIMARY KEY,
    bytes {int} NOT NULL,
    files {int} NOT NULL,
    reserved_bytes {int} NOT NULL,
    reserved_files {int} NOT NULL
);
INSERT INTO user_usage (user_pk, bytes, files, reserved_bytes, reserved_files)
    SELECT COALESCE(owner, 0), SUM(bytes), COUNT(*), 0, 0 FROM images GROUP BY COALESCE(owner, 0);

-- The promises, so that those of a process that died are taken back.
CREATE TABLE reservations (
    id {id} NOT NULL PRIMARY KEY,
    user_pk {int} NOT NULL,
    bytes {int} NOT NULL,
    files {int} NOT NULL,
    expires_at {int} NOT NULL
);
CREATE INDEX reservations_expires ON reservations (expires_at);

-- `stored_name` is made by the rule of `uploads.naming`, by which older clients find a file; `exif` is all that the
-- file says of itself, as JSON, for its owner alone.
ALTER TABLE images ADD COLUMN stored_name {name};
ALTER TABLE images ADD COLUMN exif {text};
CREATE UNIQUE INDEX images_stored_name ON images (stored_name);
