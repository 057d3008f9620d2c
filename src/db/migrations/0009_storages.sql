-- Storages that users bring themselves. `settings` is JSON without secrets; `secret` is sealed with a key made from the
-- server's own secret and bound to `id`. Who closed one gets it no more; the row stays while images or objects need it.
CREATE TABLE user_storages (
    pk {key},
    id {id} NOT NULL UNIQUE,
    user_pk {int} REFERENCES users (pk) ON DELETE SET NULL,
    label {name} NOT NULL,
    settings {text} NOT NULL,
    secret {blob} NOT NULL,
    version {int} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    closed_at {int}
);
CREATE INDEX user_storages_user ON user_storages (user_pk);
CREATE INDEX user_storages_closed ON user_storages (closed_at);

-- Where new pictures of a user go, unless that is the server's own default.
CREATE TABLE default_storages (
    user_pk {int} NOT NULL PRIMARY KEY REFERENCES users (pk) ON DELETE CASCADE,
    storage {id} NOT NULL,
    updated_at {int} NOT NULL
);

-- Counts changes of storages, so that other processes notice.
INSERT INTO counters (name, value) VALUES ('storage_changes', 0);

-- By storage: to move its images elsewhere, and to know whether it is needed.
CREATE INDEX images_storage ON images (storage, pk);
