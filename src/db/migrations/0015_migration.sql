-- Where pictures were before they came here: what an old path leads to. `hash` is the SHA-256 of the path, which may be
-- longer than an index takes; `spec` is what the old address showed of the picture, empty for the picture as it is.
-- Running servers ask whether the counter has been raised.
CREATE TABLE redirects (
    pk {key},
    hash {id} NOT NULL UNIQUE,
    path {text} NOT NULL,
    spec {id} NOT NULL,
    image_pk {int} NOT NULL REFERENCES images (pk) ON DELETE CASCADE,
    created_at {int} NOT NULL
);
CREATE INDEX redirects_image ON redirects (image_pk);
INSERT INTO counters (name, value) VALUES ('redirects', 0);

-- What has come in from elsewhere, so that an import that is run again knows it. `origin` is a hash of where it was.
CREATE TABLE imported (
    origin {id} NOT NULL PRIMARY KEY,
    album_pk {int} REFERENCES albums (pk) ON DELETE CASCADE,
    image_pk {int} REFERENCES images (pk) ON DELETE CASCADE
);
CREATE INDEX imported_album ON imported (album_pk);
CREATE INDEX imported_image ON imported (image_pk);
