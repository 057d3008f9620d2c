//! The daily clean-up: what is over is removed, room by room. A step that fails keeps none of the others from their
//! work.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use super::{Failure, Job, Work};
use crate::accounts::Accounts;
use crate::db::{Db, now_ms, queue};
use crate::error::with_causes;

/// One thing that is cleaned up.
#[derive(Clone)]
pub struct Step {
    /// Names it in the result and in the output of `pixedge cleanup`.
    pub name: &'static str,
    run: Arc<dyn Fn(i64, bool) -> BoxFuture<'static, Result<u64, String>> + Send + Sync>,
}

/// All of it; cheap to clone.
#[derive(Clone)]
pub struct Cleanup {
    steps: Vec<Step>,
}

/// What each step came to: how much it removed, or would, or why it failed.
pub type Report = Vec<(&'static str, Result<u64, String>)>;

/// The clean-up as a job.
pub struct CleanupJob(pub Cleanup);

impl Step {
    /// `run` gets the time, and whether it shall only count.
    pub fn new<F, E>(name: &'static str, run: impl Fn(i64, bool) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<u64, E>> + Send + 'static,
        E: std::error::Error + 'static,
    {
        let run = move |now, dry_run| {
            let run = run(now, dry_run);
            async move { run.await.map_err(|error| with_causes(&error)) }.boxed()
        };
        Self { name, run: Arc::new(run) }
    }
}

impl Cleanup {
    pub fn new(steps: Vec<Step>) -> Self {
        Self { steps }
    }

    pub async fn run(&self, now: i64, dry_run: bool, mut before: impl FnMut(usize, &str)) -> Report {
        let mut report = Vec::new();
        for (index, step) in self.steps.iter().enumerate() {
            before(index * 100 / self.steps.len(), step.name);
            report.push((step.name, (step.run)(now, dry_run).await));
        }
        report
    }
}

impl CleanupJob {
    pub const KIND: &'static str = "cleanup";
}

impl Job for CleanupJob {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn run(&self, work: Work) -> BoxFuture<'static, Result<Value, Failure>> {
        let cleanup = self.0.clone();
        async move {
            let say = |percent: usize, step: &str| {
                work.progress.say(u8::try_from(percent).unwrap_or(100), step);
            };
            let report = cleanup.run(now_ms(), false, say).await;
            let failed: Vec<String> = report
                .iter()
                .filter_map(|(name, result)| Some(format!("{name}: {}", result.as_ref().err()?)))
                .collect();
            if !failed.is_empty() {
                return Err(Failure::again(failed.join("; ")));
            }
            let removed = report
                .iter()
                .filter_map(|(name, result)| Some(((*name).to_owned(), Value::from(*result.as_ref().ok()?))));
            Ok(Value::Object(removed.collect::<Map<_, _>>()))
        }
        .boxed()
    }
}

/// Sessions, links and invitations that ended.
pub fn accounts_step(accounts: Accounts) -> Step {
    Step::new("accounts", move |now, dry_run| {
        let accounts = accounts.clone();
        async move { if dry_run { accounts.sweepable(now).await } else { accounts.sweep(now).await } }
    })
}

/// Jobs that ended.
pub fn queue_step(db: Db) -> Step {
    Step::new("jobs", move |now, dry_run| {
        let db = db.clone();
        async move {
            let (before, failed_before) = (now - KEEP_ENDED, now - KEEP_FAILED);
            if dry_run {
                queue::sweepable(&db, before, failed_before).await
            } else {
                queue::sweep(&db, before, failed_before).await
            }
        }
    })
}

const DAY: i64 = 86_400_000;
/// Long enough to ask what became of a task, short enough for a table that is looked at every two seconds.
const KEEP_ENDED: i64 = 7 * DAY;
/// Somebody should have looked by then.
const KEEP_FAILED: i64 = 30 * DAY;
