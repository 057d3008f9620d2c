-- Whoever has an account. `name_key` is the name in small letters: nobody shall look like somebody else. E-mail
-- addresses are kept in small letters only. An account without a password signs in by keys or links.
CREATE TABLE users (
    pk INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    email TEXT UNIQUE,
    password_hash TEXT,
    role TEXT NOT NULL CHECK (role IN ('admin', 'user', 'guest')),
    quota_bytes INTEGER,
    quota_files INTEGER,
    token_generation INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    disabled_at INTEGER
);
CREATE INDEX users_role ON users (role);

-- A sign-in on one device: everything that descends from one password, so that it can end at once.
CREATE TABLE sessions (
    pk INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    user_pk INTEGER NOT NULL REFERENCES users (pk) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
);
CREATE INDEX sessions_user ON sessions (user_pk);
CREATE INDEX sessions_expires ON sessions (expires_at);

-- Used ones stay until their session is swept: one that comes twice was stolen.
CREATE TABLE refresh_tokens (
    hash TEXT NOT NULL PRIMARY KEY,
    session_pk INTEGER NOT NULL REFERENCES sessions (pk) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
);
CREATE INDEX refresh_tokens_session ON refresh_tokens (session_pk);

-- `id` is the open part of a key, by which it is found and shown; `hash` is that of the whole.
CREATE TABLE api_keys (
    pk INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    user_pk INTEGER NOT NULL REFERENCES users (pk) ON DELETE CASCADE,
    hash TEXT NOT NULL,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    used_at INTEGER,
    revoked_at INTEGER
);
CREATE INDEX api_keys_user ON api_keys (user_pk);

-- Who holds one may register where registration is by invitation.
CREATE TABLE invites (
    pk INTEGER PRIMARY KEY AUTOINCREMENT,
    hash TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL CHECK (role IN ('admin', 'user', 'guest')),
    created_by INTEGER REFERENCES users (pk) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER,
    used_by INTEGER REFERENCES users (pk) ON DELETE SET NULL
);

-- Links that do one thing once. The set-up link is nobody's yet.
CREATE TABLE link_tokens (
    hash TEXT NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL CHECK (purpose IN ('set_up', 'recovery', 'deletion')),
    user_pk INTEGER REFERENCES users (pk) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
);
CREATE INDEX link_tokens_user ON link_tokens (user_pk, purpose);
CREATE INDEX link_tokens_expires ON link_tokens (expires_at);

-- `subject` is a hash of an account and an address: neither made-up names nor addresses are kept.
CREATE TABLE login_failures (
    subject TEXT NOT NULL PRIMARY KEY,
    failures INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    locked_until INTEGER NOT NULL
);
CREATE INDEX login_failures_last ON login_failures (last_at);
