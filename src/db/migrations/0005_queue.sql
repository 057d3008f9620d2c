-- Work that is done later, by whichever process takes it first.
--
-- `due_at` is when somebody should look at the row again: a pending one may begin, the lease of one in work ends, one
-- that has ended may be swept. `claims` counts who took it, so that a worker that lost its lease cannot write any more.
-- `unique_key` stands only while the row is pending. `payload` goes once nobody needs it: it may hold a secret.
CREATE TABLE jobs (
    pk {key},
    id {id} NOT NULL UNIQUE,
    kind {id} NOT NULL,
    state {id} NOT NULL CHECK (state IN ('pending', 'processing', 'completed', 'failed', 'cancelled')),
    payload {text},
    owner {int} REFERENCES users (pk) ON DELETE SET NULL,
    unique_key {id} UNIQUE,
    due_at {int} NOT NULL,
    claims {int} NOT NULL,
    attempts {int} NOT NULL,
    max_attempts {int} NOT NULL,
    cancel_asked {int} NOT NULL,
    worker {id},
    progress {int} NOT NULL,
    note {text} NOT NULL,
    result {text},
    error {text},
    created_at {int} NOT NULL,
    started_at {int},
    finished_at {int}
);
CREATE INDEX jobs_due ON jobs (state, due_at);
CREATE INDEX jobs_state ON jobs (state, pk);
CREATE INDEX jobs_kind ON jobs (kind, pk);
CREATE INDEX jobs_state_kind ON jobs (state, kind, pk);
CREATE INDEX jobs_owner ON jobs (owner, pk);

-- When what happens regularly happens next. Whoever moves `due_at` on has made the job.
CREATE TABLE schedule (
    name {id} NOT NULL PRIMARY KEY,
    due_at {int} NOT NULL
);
