-- Uploads that take more than one request. `id` is public. Of `total_bytes` so many were `received` for good, in
-- `pieces` parts; `metadata` is what the client said of itself, `wish` is JSON. The room stands promised in
-- `reservations` under `promise`; without one nothing limited the owner. An upload by a presigned URL has `staged`, the
-- object that somebody else brings, which is being looked at since `claimed_at`. In the end there is `image`, a public
-- id, or it ended without at `ended_at`.
CREATE TABLE pending_uploads (
    id {id} NOT NULL PRIMARY KEY,
    user_pk {int} NOT NULL,
    storage {id} NOT NULL,
    total_bytes {int} NOT NULL,
    received {int} NOT NULL,
    pieces {int} NOT NULL,
    metadata {text},
    wish {text} NOT NULL,
    promise {id},
    staged {id},
    claimed_at {int},
    image {id},
    created_at {int} NOT NULL,
    expires_at {int} NOT NULL,
    ended_at {int}
);
CREATE INDEX pending_uploads_expires ON pending_uploads (expires_at);

-- The parts that were received for good, each an object of the upload's storage.
CREATE TABLE upload_pieces (
    upload {id} NOT NULL,
    begins_at {int} NOT NULL,
    bytes {int} NOT NULL,
    piece {id} NOT NULL,
    PRIMARY KEY (upload, begins_at)
);
