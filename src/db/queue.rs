//! The queue of jobs, kept in the database so that whoever writes can leave work in the same transaction: either both
//! are there or neither. Who runs them is `jobs`; how a job is taken and kept is in `queue/lease.rs`.

mod lease;

use std::fmt;
use std::str::FromStr;

use super::{Db, DbError, Row, Tx, Value, now_ms};

pub use lease::{Beat, Claim, beat, cancelled, claim, fail, finish, give_back};

/// What is to be done.
#[derive(Debug, Clone)]
pub struct NewJob {
    pub kind: &'static str,
    pub payload: serde_json::Value,
    /// Who may look at it and cancel it, besides administrators.
    pub owner: Option<i64>,
    /// While a job with this value waits, another one is not made.
    pub unique: Option<String>,
    /// Not before this time, in milliseconds since 1970.
    pub run_at: i64,
    /// At least 1. A worker that dies uses one up, too.
    pub max_attempts: u32,
}

/// A job's public id: 16 letters and digits, not to be guessed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JobId(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Waits for its time or for a worker.
    Pending,
    Processing,
    Completed,
    /// For good; an administrator may have it tried again.
    Failed,
    Cancelled,
}

/// A job as it stands in the table.
#[derive(Debug, Clone)]
pub struct Job {
    pub pk: i64,
    pub id: JobId,
    pub kind: String,
    pub state: State,
    /// `None` once nobody needs it.
    pub payload: Option<serde_json::Value>,
    pub owner: Option<i64>,
    /// When it may begin, when its lease ends, or when it ended.
    pub due_at: i64,
    /// How often it was begun.
    pub attempts: u32,
    pub max_attempts: u32,
    pub cancel_asked: bool,
    pub worker: Option<String>,
    /// Percent.
    pub progress: u8,
    /// What it is at, in words.
    pub note: String,
    pub result: Option<serde_json::Value>,
    /// Why the last attempt failed.
    pub error: Option<String>,
    pub created_at: i64,
    pub started_at: Option<i64>,
    pub finished_at: Option<i64>,
    claims: i64,
}

/// A part of the list, newest first.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter<'a> {
    pub state: Option<State>,
    pub kind: Option<&'a str>,
    /// The `pk` of the last one that was seen.
    pub before: Option<i64>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT pk, id, kind, state, payload, owner, due_at, claims, attempts, max_attempts, cancel_asked, \
             worker, progress, note, result, error, created_at, started_at, finished_at FROM jobs ",
            $rest
        )
    };
}
use select;

/// Leaves work for later; it is there once `tx` is committed. A unique job that waits already is answered as it is, and
/// begins sooner if this one would.
pub async fn enqueue(tx: &mut Tx, job: &NewJob) -> Result<JobId, DbError> {
    if let Some(unique) = &job.unique {
        // Write transactions are one after the other, so what is found, or not, is still so when this one ends. An
        // UPDATE sees what others have committed on every engine, even where a SELECT sees an older state.
        let sql = "UPDATE jobs SET due_at = CASE WHEN due_at > ? THEN ? ELSE due_at END WHERE unique_key = ?";
        let values: [Value; 3] = [job.run_at.into(), job.run_at.into(), unique.as_str().into()];
        if tx.execute(sql, &values).await? > 0 {
            let found = tx.row("SELECT id FROM jobs WHERE unique_key = ?", &[unique.as_str().into()]).await?;
            if let Some(row) = found {
                tx.wake_workers();
                return row.text("id").map(JobId);
            }
        }
    }
    let id = JobId::random()?;
    let sql = "INSERT INTO jobs (id, kind, state, payload, owner, unique_key, due_at, claims, attempts, \
               max_attempts, cancel_asked, progress, note, created_at) \
               VALUES (?, ?, 'pending', ?, ?, ?, ?, 0, 0, ?, 0, 0, '', ?)";
    let values: [Value; 8] = [
        id.0.as_str().into(),
        job.kind.into(),
        job.payload.to_string().into(),
        job.owner.into(),
        job.unique.clone().into(),
        job.run_at.into(),
        job.max_attempts.max(1).into(),
        now_ms().into(),
    ];
    tx.execute(sql, &values).await?;
    tx.wake_workers();
    Ok(id)
}

pub async fn find(db: &Db, id: &str) -> Result<Option<Job>, DbError> {
    db.row(select!("WHERE id = ?"), &[id.into()]).await?.map(|row| read(&row)).transpose()
}

/// The newest first.
pub async fn list(db: &Db, filter: &Filter<'_>, limit: u32) -> Result<Vec<Job>, DbError> {
    let before: Value = filter.before.unwrap_or(i64::MAX).into();
    let limit: Value = limit.into();
    let rows = match (filter.state, filter.kind) {
        (None, None) => db.rows(select!("WHERE pk < ? ORDER BY pk DESC LIMIT ?"), &[before, limit]).await,
        (Some(state), None) => {
            let sql = select!("WHERE state = ? AND pk < ? ORDER BY pk DESC LIMIT ?");
            db.rows(sql, &[state.as_str().into(), before, limit]).await
        }
        (None, Some(kind)) => {
            let sql = select!("WHERE kind = ? AND pk < ? ORDER BY pk DESC LIMIT ?");
            db.rows(sql, &[kind.into(), before, limit]).await
        }
        (Some(state), Some(kind)) => {
            let sql = select!("WHERE state = ? AND kind = ? AND pk < ? ORDER BY pk DESC LIMIT ?");
            db.rows(sql, &[state.as_str().into(), kind.into(), before, limit]).await
        }
    };
    rows?.iter().map(read).collect()
}

/// How many there are of each kind that have not ended well.
pub async fn counts(db: &Db) -> Result<Vec<(State, String, u64)>, DbError> {
    let sql = "SELECT state, kind, COUNT(*) AS jobs FROM jobs \
               WHERE state IN ('pending', 'processing', 'failed') GROUP BY state, kind";
    let rows = db.rows(sql, &[]).await?;
    rows.iter().map(|row| Ok((row.parse("state")?, row.text("kind")?, row.narrow("jobs")?))).collect()
}

/// Ends a job that waits, and asks one in work to end: it does at its next heartbeat. Returns how it stands; one that
/// has ended stays as it is.
pub async fn cancel(db: &Db, id: &str, now: i64) -> Result<Option<Job>, DbError> {
    let waiting = "UPDATE jobs SET state = 'cancelled', due_at = ?, finished_at = ?, unique_key = NULL, \
                   payload = NULL WHERE id = ? AND state = 'pending'";
    let working = "UPDATE jobs SET cancel_asked = 1 WHERE id = ? AND state = 'processing'";
    // Twice: an attempt that fails between the two statements makes it pending again.
    for _ in 0..2 {
        if db.execute(waiting, &[now.into(), now.into(), id.into()]).await? > 0
            || db.execute(working, &[id.into()]).await? > 0
        {
            break;
        }
    }
    find(db, id).await
}

/// Tries a failed job again, from its first attempt on. `false` if it has not failed, or its payload is gone.
pub async fn retry(db: &Db, id: &str, now: i64) -> Result<bool, DbError> {
    let sql = "UPDATE jobs SET state = 'pending', due_at = ?, attempts = 0, cancel_asked = 0, progress = 0, \
               note = '', finished_at = NULL WHERE id = ? AND state = 'failed' AND payload IS NOT NULL";
    let done = db.execute(sql, &[now.into(), id.into()]).await? > 0;
    if done {
        db.wake_workers();
    }
    Ok(done)
}

/// Removes jobs that ended before `before`; those that failed are for somebody to see and stay until `failed_before`.
pub async fn sweep(db: &Db, before: i64, failed_before: i64) -> Result<u64, DbError> {
    let sql = "DELETE FROM jobs WHERE state = ? AND due_at < ?";
    let mut gone = 0;
    for (state, before) in ended(before, failed_before) {
        gone += db.execute(sql, &[state.as_str().into(), before.into()]).await?;
    }
    Ok(gone)
}

/// How many [`sweep`] would remove.
pub async fn sweepable(db: &Db, before: i64, failed_before: i64) -> Result<u64, DbError> {
    let sql = "SELECT COUNT(*) AS jobs FROM jobs WHERE state = ? AND due_at < ?";
    let mut found = 0;
    for (state, before) in ended(before, failed_before) {
        let row = db.row(sql, &[state.as_str().into(), before.into()]).await?;
        found += row.map_or(Ok(0), |row| row.narrow::<u64>("jobs"))?;
    }
    Ok(found)
}

fn ended(before: i64, failed_before: i64) -> [(State, i64); 3] {
    [(State::Completed, before), (State::Cancelled, before), (State::Failed, failed_before)]
}

/// When something regular is due; `first` if it was never planned, which is then remembered.
pub async fn scheduled(db: &Db, name: &'static str, first: i64) -> Result<i64, DbError> {
    let sql = "SELECT due_at FROM schedule WHERE name = ?";
    if let Some(row) = db.row(sql, &[name.into()]).await? {
        return row.int("due_at");
    }
    let insert = "INSERT INTO schedule (name, due_at) VALUES (?, ?)";
    match db.execute(insert, &[name.into(), first.into()]).await {
        Err(error) if !error.is_unique_violation() => return Err(error),
        _ => {}
    }
    db.row(sql, &[name.into()]).await?.map_or(Ok(first), |row| row.int("due_at"))
}

/// Moves what is scheduled on from `due` to `next`. `false` if somebody else was first, who has made the job then.
pub async fn move_on(tx: &mut Tx, name: &'static str, due: i64, next: i64) -> Result<bool, DbError> {
    let sql = "UPDATE schedule SET due_at = ? WHERE name = ? AND due_at = ?";
    Ok(tx.execute(sql, &[next.into(), name.into(), due.into()]).await? == 1)
}

fn read(row: &Row) -> Result<Job, DbError> {
    Ok(Job {
        pk: row.int("pk")?,
        id: JobId(row.text("id")?),
        kind: row.text("kind")?,
        state: row.parse("state")?,
        payload: json(row, "payload")?,
        owner: row.opt_int("owner")?,
        due_at: row.int("due_at")?,
        claims: row.int("claims")?,
        attempts: row.narrow("attempts")?,
        max_attempts: row.narrow("max_attempts")?,
        cancel_asked: row.bool("cancel_asked")?,
        worker: row.opt_text("worker")?,
        progress: row.narrow("progress")?,
        note: row.text("note")?,
        result: json(row, "result")?,
        error: row.opt_text("error")?,
        created_at: row.int("created_at")?,
        started_at: row.opt_int("started_at")?,
        finished_at: row.opt_int("finished_at")?,
    })
}

fn json(row: &Row, column: &'static str) -> Result<Option<serde_json::Value>, DbError> {
    let read = |text: String| serde_json::from_str(&text);
    row.opt_text(column)?
        .map(read)
        .transpose()
        .map_err(|error| DbError::Corrupt { column, why: error.to_string() })
}

impl JobId {
    fn random() -> Result<Self, DbError> {
        // Two letters for each byte would favour some of 36; base 32 takes five bits of each evenly.
        const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| DbError::Random(error.to_string()))?;
        Ok(Self(bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl State {
    const ALL: [Self; 5] = [Self::Pending, Self::Processing, Self::Completed, Self::Failed, Self::Cancelled];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl FromStr for State {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
            format!("`{text}` is not `pending`, `processing`, `completed`, `failed` or `cancelled`")
        })
    }
}

#[cfg(test)]
mod tests;
