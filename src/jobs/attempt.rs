//! One attempt at one job: the work in a task of its own, heartbeats beside it, and what is written down at its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::MissedTickBehavior;

use super::{Config, Failure, Job, Progress, Work};
use crate::db::queue::{self, Beat, Claim, State};
use crate::db::{Db, DbError, now_ms};

/// What became of an attempt: label `state` of `pixedge_jobs_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Completed,
    /// Will be tried again.
    Retried,
    Failed,
    Cancelled,
    /// The process stopped; somebody else takes it.
    GivenBack,
    /// Somebody else has it already.
    Lost,
}

impl Outcome {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Retried => "retried",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::GivenBack => "given_back",
            Self::Lost => "lost",
        }
    }
}

pub(super) struct Attempt {
    pub(super) db: Db,
    pub(super) config: Config,
    pub(super) job: Arc<dyn Job>,
    pub(super) claim: Claim,
    /// True once the process wants to end and has waited long enough.
    pub(super) leave: watch::Receiver<bool>,
}

/// How the work ended, or why nobody waited for its end.
enum End {
    Ended(Result<Result<Value, Failure>, JoinError>),
    CancelAsked,
    Leave,
    Lost,
}

impl Attempt {
    /// Works on the job until it ends or must be left, and writes down which.
    pub(super) async fn run(self) -> Outcome {
        let (sender, progress) = watch::channel((0, String::new()));
        let Claim { job } = &self.claim;
        let work = Work {
            payload: job.payload.clone().unwrap_or_default(),
            owner: job.owner,
            attempt: job.attempts,
            progress: Progress(sender),
        };
        let running = self.job.run(work);
        // A task of its own: a panic ends it alone.
        let mut task = Aborted(tokio::spawn(running));
        let end = self.accompany(&mut task.0, &progress).await;
        drop(task);
        let (id, kind, attempt) = (job_id(&self.claim), self.job.kind(), self.claim.job.attempts);
        match self.write_down(end).await {
            Ok(outcome) => outcome,
            // The lease ends by itself, and the job is done again.
            Err(error) => {
                tracing::error!(job = %id, kind, attempt, %error, "the end of a job cannot be written down");
                Outcome::Lost
            }
        }
    }

    async fn accompany(
        &self,
        task: &mut JoinHandle<Result<Value, Failure>>,
        progress: &watch::Receiver<(u8, String)>,
    ) -> End {
        let lease = self.config.lease;
        let mut leave = self.leave.clone();
        let every = (lease / 4).min(BEAT);
        let mut beats = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut alive = Instant::now();
        loop {
            tokio::select! {
                biased;
                ended = &mut *task => return End::Ended(ended),
                () = asked(&mut leave) => return End::Leave,
                _ = beats.tick() => {}
            }
            let (percent, note) = progress.borrow().clone();
            match queue::beat(&self.db, &self.claim, percent, &note, lease, now_ms()).await {
                Ok(Beat::Alive) => alive = Instant::now(),
                Ok(Beat::CancelAsked) => return End::CancelAsked,
                Ok(Beat::Lost) => return End::Lost,
                Err(error) => {
                    tracing::warn!(job = %job_id(&self.claim), %error, "a heartbeat failed");
                    if alive.elapsed() >= lease {
                        return End::Lost;
                    }
                }
            }
        }
    }

    async fn write_down(&self, end: End) -> Result<Outcome, DbError> {
        let (db, claim) = (&self.db, &self.claim);
        let (id, kind, attempt) = (job_id(claim), self.job.kind(), claim.job.attempts);
        let now = now_ms();
        let failure = match end {
            End::Ended(Ok(Ok(result))) => {
                let ours = queue::finish(db, claim, &result, now).await?;
                tracing::info!(job = %id, kind, attempt, "job completed");
                return Ok(if ours { Outcome::Completed } else { Outcome::Lost });
            }
            End::CancelAsked => {
                queue::cancelled(db, claim, now).await?;
                tracing::info!(job = %id, kind, attempt, "job cancelled");
                return Ok(Outcome::Cancelled);
            }
            End::Leave => {
                queue::give_back(db, claim, now).await?;
                tracing::info!(job = %id, kind, attempt, "job given back");
                return Ok(Outcome::GivenBack);
            }
            End::Lost => {
                tracing::warn!(job = %id, kind, attempt, "the lease of a job ended while it ran");
                return Ok(Outcome::Lost);
            }
            End::Ended(Ok(Err(failure))) => failure,
            End::Ended(Err(error)) => Failure::again(panic_text(error)),
        };
        let (error, again, forget) = match failure {
            Failure::Again { error, after } => {
                let wait = after.unwrap_or_else(|| backoff(self.config.backoff, attempt));
                (error, Some(wait), self.job.is_secret())
            }
            Failure::Never { error, forget } => (error, None, forget),
        };
        let state = queue::fail(db, claim, &error, again, forget, now).await?;
        tracing::warn!(job = %id, kind, attempt, state = state.as_str(), error, "job failed");
        Ok(match state {
            State::Pending => Outcome::Retried,
            State::Cancelled => Outcome::Cancelled,
            _ => Outcome::Failed,
        })
    }
}

/// How long to wait after the given attempt: twice as long each time, and a quarter more or less, so that what failed
/// together is not tried again together.
pub(super) fn backoff(first: Duration, attempt: u32) -> Duration {
    let doubled = first.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1))).min(LONGEST_WAIT);
    let mut byte = [128];
    // Without chance it is just the middle.
    let _ = getrandom::fill(&mut byte);
    doubled.mul_f64(0.75 + f64::from(byte[0]) / 512.0)
}

const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// A cancelled job ends, and progress is seen, within this time.
const BEAT: Duration = Duration::from_secs(5);

async fn asked(leave: &mut watch::Receiver<bool>) {
    // An error says that the runner is gone, which comes to the same.
    let _ = leave.wait_for(|&leave| leave).await;
}

fn job_id(claim: &Claim) -> &str {
    claim.job.id.as_str()
}

fn panic_text(error: JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return "the job was aborted".to_owned() };
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("the job panicked: {}", text.unwrap_or_default())
}

/// Ends the task when it is dropped.
struct Aborted(JoinHandle<Result<Value, Failure>>);

impl Drop for Aborted {
    fn drop(&mut self) {
        self.0.abort();
    }
}
