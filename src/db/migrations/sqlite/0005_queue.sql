-- Work that is done later, by whichever process takes it first.
--
-- `due_at` is when somebody should look at the row again: a pending one may begin, the lease of one in work ends, one
-- that has ended may be swept. `claims` counts who took it, so that a worker that lost its lease cannot write any more.
-- `unique_key` stands only while the row is pending. `payload` goes once nobody needs it: it may hold a secret.
CREATE TABLE jobs (
    pk INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'processing', 'completed', 'failed', 'cancelled')),
    payload TEXT,
    owner INTEGER REFERENCES users (pk) ON DELETE SET NULL,
    unique_key TEXT UNIQUE,
    due_at INTEGER NOT NULL,
    claims INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    cancel_asked INTEGER NOT NULL,
    worker TEXT,
    progress INTEGER NOT NULL,
    note TEXT NOT NULL,
    result TEXT,
    error TEXT,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER
);
CREATE INDEX jobs_due ON jobs (state, due_at);
CREATE INDEX jobs_state ON jobs (state, pk);
CREATE INDEX jobs_kind ON jobs (kind, pk);
CREATE INDEX jobs_state_kind ON jobs (state, kind, pk);
CREATE INDEX jobs_owner ON jobs (owner, pk);

-- When what happens regularly happens next. Whoever moves `due_at` on has made the job.
CREATE TABLE schedule (
    name TEXT NOT NULL PRIMARY KEY,
    due_at INTEGER NOT NULL
);

-- Raised by whoever enqueues a job that is unique, so that two that do so at once are one after the other.
INSERT INTO counters (name, value) VALUES ('unique_jobs', 0);
