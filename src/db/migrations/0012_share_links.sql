-- Links that show one image, or what is in one album, to whoever holds them, in place of `shares`, whose rows always
-- named an image. `hash` is that of the token, which is told once; `id` is what the link is called in lists. The owner
-- is that of the image or album, so that links end up with whoever answers for the pictures.
CREATE TABLE share_links (
    pk {key},
    id {id} NOT NULL UNIQUE,
    hash {id} NOT NULL UNIQUE,
    image_pk {int} REFERENCES images (pk) ON DELETE CASCADE,
    album_pk {int} REFERENCES albums (pk) ON DELETE CASCADE,
    owner {int},
    password_hash {id},
    max_views {int},
    views {int} NOT NULL,
    created_at {int} NOT NULL,
    viewed_at {int},
    expires_at {int},
    revoked_at {int}
);
CREATE INDEX share_links_image ON share_links (image_pk);
CREATE INDEX share_links_album ON share_links (album_pk);
CREATE INDEX share_links_owner ON share_links (owner, pk);
INSERT INTO share_links (id, hash, image_pk, owner, password_hash, max_views, views, created_at, viewed_at,
    expires_at, revoked_at)
    SELECT id, hash, image_pk, owner, password_hash, max_views, views, created_at, viewed_at, expires_at,
    revoked_at FROM shares ORDER BY pk;
-- What is no longer looked at keeps no secret.
UPDATE shares SET hash = id, password_hash = NULL;
