//! Taking a job and keeping it. A lease is a time in the row; who does not prolong it has lost the job, and whatever
//! such a worker still writes touches no row.

use std::time::Duration;

use super::{Job, State, read, select};
use crate::db::{Db, DbError, Value};

/// A job in our hands.
#[derive(Debug, Clone)]
pub struct Claim {
    pub job: Job,
}

/// How a heartbeat was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    Alive,
    /// Somebody wants it to end.
    CancelAsked,
    /// The lease ended before, and somebody else has the job.
    Lost,
}

/// Takes the job of these kinds that has been due for longest; also one whose worker let its lease run out, unless that
/// was its last attempt. `secret` are those of the kinds whose payloads must not outlive their last attempt.
pub async fn claim(
    db: &Db,
    kinds: &[&str],
    secret: &[&str],
    worker: &str,
    lease: Duration,
    now: i64,
) -> Result<Option<Claim>, DbError> {
    loop {
        let candidates = due(db, kinds, now).await?;
        if candidates.is_empty() {
            return Ok(None);
        }
        // Of several workers that see the same rows, each row has one for whom the update touches it.
        for job in candidates {
            let left = job.state == State::Processing;
            if left && (job.cancel_asked || job.attempts >= job.max_attempts) {
                bury(db, &job, secret.contains(&&*job.kind), now).await?;
            } else if take(db, &job, worker, now + ms(lease), now).await? {
                let job = Job { claims: job.claims + 1, attempts: job.attempts + 1, ..job };
                return Ok(Some(Claim { job: Job { state: State::Processing, ..job } }));
            }
        }
    }
}

/// Prolongs the lease and writes down how far the job is.
pub async fn beat(
    db: &Db,
    claim: &Claim,
    progress: u8,
    note: &str,
    lease: Duration,
    now: i64,
) -> Result<Beat, DbError> {
    let sql = "UPDATE jobs SET due_at = ?, progress = ?, note = ? \
               WHERE pk = ? AND claims = ? AND state = 'processing'";
    let Claim { job } = claim;
    let values: [Value; 5] = [
        (now + ms(lease)).into(),
        u32::from(progress.min(100)).into(),
        note.into(),
        job.pk.into(),
        job.claims.into(),
    ];
    if db.execute(sql, &values).await? == 0 {
        return Ok(Beat::Lost);
    }
    let row = db.row("SELECT cancel_asked FROM jobs WHERE pk = ?", &[job.pk.into()]).await?;
    match row.map(|row| row.bool("cancel_asked")).transpose()? {
        None => Ok(Beat::Lost),
        Some(true) => Ok(Beat::CancelAsked),
        Some(false) => Ok(Beat::Alive),
    }
}

/// The job is done, and nobody needs its payload any more. `false` if the lease was lost.
pub async fn finish(db: &Db, claim: &Claim, result: &serde_json::Value, now: i64) -> Result<bool, DbError> {
    let sql = "UPDATE jobs SET state = 'completed', due_at = ?, finished_at = ?, progress = 100, payload = NULL, \
               result = ?, error = NULL WHERE pk = ? AND claims = ? AND state = 'processing'";
    let Job { pk, claims, .. } = claim.job;
    let values: [Value; 5] = [now.into(), now.into(), result.to_string().into(), pk.into(), claims.into()];
    Ok(db.execute(sql, &values).await? > 0)
}

/// The attempt failed: another one follows after `again`, if that is given and attempts are left. Who gives up for good
/// (`None`) says whether the payload must go as well, and the job cannot be tried again. Returns how the job stands.
pub async fn fail(
    db: &Db,
    claim: &Claim,
    error: &str,
    again: Option<Duration>,
    forget: bool,
    now: i64,
) -> Result<State, DbError> {
    let Job { pk, claims, attempts, max_attempts, .. } = claim.job;
    let error = shortened(error);
    if let Some(wait) = again.filter(|_| attempts < max_attempts) {
        let sql = "UPDATE jobs SET state = 'pending', due_at = ?, error = ? \
                   WHERE pk = ? AND claims = ? AND state = 'processing' AND cancel_asked = 0";
        let values: [Value; 4] = [(now + ms(wait)).into(), error.into(), pk.into(), claims.into()];
        if db.execute(sql, &values).await? > 0 {
            return Ok(State::Pending);
        }
        // Nobody wants it any more.
        cancelled(db, claim, now).await?;
        return Ok(State::Cancelled);
    }
    let sql = "UPDATE jobs SET state = 'failed', due_at = ?, finished_at = ?, error = ?, \
               payload = CASE WHEN ? = 1 THEN NULL ELSE payload END \
               WHERE pk = ? AND claims = ? AND state = 'processing'";
    let values: [Value; 6] = [now.into(), now.into(), error.into(), forget.into(), pk.into(), claims.into()];
    db.execute(sql, &values).await?;
    Ok(State::Failed)
}

/// Puts a job back that was begun and shall be done by somebody else; it costs no attempt.
pub async fn give_back(db: &Db, claim: &Claim, now: i64) -> Result<bool, DbError> {
    let sql = "UPDATE jobs SET state = 'pending', due_at = ?, attempts = attempts - 1 \
               WHERE pk = ? AND claims = ? AND state = 'processing'";
    let Job { pk, claims, .. } = claim.job;
    Ok(db.execute(sql, &[now.into(), pk.into(), claims.into()]).await? > 0)
}

/// The job has ended because somebody wanted that.
pub async fn cancelled(db: &Db, claim: &Claim, now: i64) -> Result<bool, DbError> {
    let sql = "UPDATE jobs SET state = 'cancelled', due_at = ?, finished_at = ?, payload = NULL \
               WHERE pk = ? AND claims = ? AND state = 'processing'";
    let Job { pk, claims, .. } = claim.job;
    Ok(db.execute(sql, &[now.into(), now.into(), pk.into(), claims.into()]).await? > 0)
}

async fn due(db: &Db, kinds: &[&str], now: i64) -> Result<Vec<Job>, DbError> {
    let mut found = Vec::new();
    for kinds in kinds.chunks(KINDS) {
        let first = kinds.first().copied().unwrap_or_default();
        for state in [State::Processing, State::Pending] {
            let sql = select!(
                "WHERE state = ? AND due_at <= ? AND kind IN \
                 (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ORDER BY due_at, pk LIMIT 8"
            );
            let mut values: Vec<Value> = vec![state.as_str().into(), now.into()];
            // The places that are left say the first kind again.
            values.extend((0..KINDS).map(|place| Value::from(*kinds.get(place).unwrap_or(&first))));
            for row in db.rows(sql, &values).await? {
                found.push(read(&row)?);
            }
        }
    }
    Ok(found)
}

/// So many kinds one statement asks for: it has a fixed number of places.
const KINDS: usize = 16;

/// `false` if somebody was faster, or the lease was prolonged after all.
async fn take(db: &Db, job: &Job, worker: &str, until: i64, now: i64) -> Result<bool, DbError> {
    let sql = "UPDATE jobs SET state = 'processing', due_at = ?, worker = ?, claims = claims + 1, \
               attempts = attempts + 1, unique_key = NULL, started_at = ?, progress = 0, note = '' \
               WHERE pk = ? AND claims = ? AND state = ? AND due_at <= ?";
    let values: [Value; 7] = [
        until.into(),
        worker.into(),
        now.into(),
        job.pk.into(),
        job.claims.into(),
        job.state.as_str().into(),
        now.into(),
    ];
    Ok(db.execute(sql, &values).await? > 0)
}

/// Ends a job whose worker is gone and which is not to be tried again: what kills its worker each time must not do so
/// for ever.
async fn bury(db: &Db, job: &Job, forget: bool, now: i64) -> Result<(), DbError> {
    let state = if job.cancel_asked { State::Cancelled } else { State::Failed };
    let sql = "UPDATE jobs SET state = ?, due_at = ?, finished_at = ?, error = ?, \
               payload = CASE WHEN ? = 1 THEN NULL ELSE payload END \
               WHERE pk = ? AND claims = ? AND state = 'processing' AND due_at <= ?";
    let values: [Value; 8] = [
        state.as_str().into(),
        now.into(),
        now.into(),
        "the worker ended before the job did".into(),
        // What was cancelled is not tried again.
        (forget || job.cancel_asked).into(),
        job.pk.into(),
        job.claims.into(),
        now.into(),
    ];
    db.execute(sql, &values).await.map(|_| ())
}

fn ms(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX / 4)
}

fn shortened(text: &str) -> &str {
    let mut end = text.len().min(MOST_ERROR);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// What stands in a list should be read there, and not fill the table.
const MOST_ERROR: usize = 2000;
