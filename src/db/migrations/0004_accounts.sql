-- Whoever has an account. `name_key` is the name in small letters: nobody shall look like somebody else. E-mail
-- addresses are kept in small letters only. An account without a password signs in by keys or links.
CREATE TABLE users (
    pk {key},
    id {id} NOT NULL UNIQUE,
    name {name} NOT NULL,
    name_key {name} NOT NULL UNIQUE,
    email {name} UNIQUE,
    password_hash {text},
    role {id} NOT NULL CHECK (role IN ('admin', 'user', 'guest')),
    quota_bytes {int},
    quota_files {int},
    token_generation {int} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    disabled_at {int}
);
CREATE INDEX users_role ON users (role);

-- A sign-in on one device: everything that descends from one password, so that it can end at once.
CREATE TABLE sessions (
    pk {key},
    id {id} NOT NULL UNIQUE,
    user_pk {int} NOT NULL REFERENCES users (pk) ON DELETE CASCADE,
    created_at {int} NOT NULL,
    used_at {int} NOT NULL,
    expires_at {int} NOT NULL,
    revoked_at {int}
);
CREATE INDEX sessions_user ON sessions (user_pk);
CREATE INDEX sessions_expires ON sessions (expires_at);

-- Used ones stay until their session is swept: one that comes twice was stolen.
CREATE TABLE refresh_tokens (
    hash {id} NOT NULL PRIMARY KEY,
    session_pk {int} NOT NULL REFERENCES sessions (pk) ON DELETE CASCADE,
    created_at {int} NOT NULL,
    expires_at {int} NOT NULL,
    used_at {int}
);
CREATE INDEX refresh_tokens_session ON refresh_tokens (session_pk);

-- `id` is the open part of a key, by which it is found and shown; `hash` is that of the whole.
CREATE TABLE api_keys (
    pk {key},
    id {id} NOT NULL UNIQUE,
    user_pk {int} NOT NULL REFERENCES users (pk) ON DELETE CASCADE,
    hash {id} NOT NULL,
    name {name} NOT NULL,
    scopes {name} NOT NULL,
    created_at {int} NOT NULL,
    expires_at {int},
    used_at {int},
    revoked_at {int}
);
CREATE INDEX api_keys_user ON api_keys (user_pk);

-- Who holds one may register where registration is by invitation.
CREATE TABLE invites (
    pk {key},
    hash {id} NOT NULL UNIQUE,
    role {id} NOT NULL CHECK (role IN ('admin', 'user', 'guest')),
    created_by {int} REFERENCES users (pk) ON DELETE CASCADE,
    created_at {int} NOT NULL,
    expires_at {int} NOT NULL,
    used_at {int},
    used_by {int} REFERENCES users (pk) ON DELETE SET NULL
);

-- Links that do one thing once. The set-up link is nobody's yet.
CREATE TABLE link_tokens (
    hash {id} NOT NULL PRIMARY KEY,
    purpose {id} NOT NULL CHECK (purpose IN ('set_up', 'recovery', 'deletion')),
    user_pk {int} REFERENCES users (pk) ON DELETE CASCADE,
    created_at {int} NOT NULL,
    expires_at {int} NOT NULL,
    used_at {int}
);
CREATE INDEX link_tokens_user ON link_tokens (user_pk, purpose);
CREATE INDEX link_tokens_expires ON link_tokens (expires_at);

-- `subject` is a hash of an account and an address: neither made-up names nor addresses are kept.
CREATE TABLE login_failures (
    subject {id} NOT NULL PRIMARY KEY,
    failures {int} NOT NULL,
    last_at {int} NOT NULL,
    locked_until {int} NOT NULL
);
CREATE INDEX login_failures_last ON login_failures (last_at);
