//! The loop that takes jobs from the queue and has them worked on, until it is told to stop.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::attempt::Attempt;
use super::{Config, Job, Plan};
use crate::db::queue::{self, Claim, State};
use crate::db::{Db, DbError, now_ms};
use crate::telemetry::metrics::Metrics;

/// Runs jobs in this process.
pub struct Runner {
    db: Db,
    config: Config,
    jobs: Vec<Arc<dyn Job>>,
    plans: Vec<Plan>,
    metrics: Arc<Metrics>,
    /// Names this process in the table.
    worker: String,
}

/// What the loop remembers.
struct Round {
    working: JoinSet<()>,
    leave: watch::Sender<bool>,
    /// When to look at the plans again, in milliseconds since 1970.
    look_at: i64,
    /// When the jobs are counted again.
    count_at: i64,
}

impl Runner {
    /// `worker` names the process for whoever reads the list of jobs.
    pub fn new(
        db: Db,
        config: &Config,
        jobs: Vec<Arc<dyn Job>>,
        plans: Vec<Plan>,
        metrics: Arc<Metrics>,
        worker: String,
    ) -> Self {
        Self { db, config: config.clone(), jobs, plans, metrics, worker }
    }

    /// Works until `stop`, then waits for what is in work, and gives back what takes too long.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        let mut round =
            Round { working: JoinSet::new(), leave: watch::Sender::new(false), look_at: 0, count_at: 0 };
        loop {
            if let Err(error) = self.turn(&mut round).await {
                tracing::warn!(%error, "the queue cannot be read");
            }
            tokio::select! {
                () = &mut stop => break,
                () = self.db.has_work(), if round.working.len() < self.config.concurrency => {}
                Some(_) = round.working.join_next() => {}
                () = tokio::time::sleep(self.config.poll) => {}
            }
        }
        let Round { mut working, leave, .. } = round;
        let drained = async { while working.join_next().await.is_some() {} };
        if tokio::time::timeout(self.config.grace, drained).await.is_err() {
            leave.send_replace(true);
            let given_back = async { while working.join_next().await.is_some() {} };
            // What cannot be given back in this time is taken over once its lease ends.
            let _ = tokio::time::timeout(GIVE_BACK, given_back).await;
        }
    }

    /// Everything that is due, until all places are taken.
    async fn turn(&self, round: &mut Round) -> Result<(), DbError> {
        if self.config.concurrency == 0 {
            return Ok(());
        }
        let now = now_ms();
        if now >= round.look_at {
            let mut look_at = now + LOOK_AGAIN;
            for plan in &self.plans {
                look_at = look_at.min(plan.tick(&self.db, now).await?);
            }
            round.look_at = look_at;
        }
        while round.working.len() < self.config.concurrency {
            let Some((job, claim)) = self.claim().await? else { break };
            let id = claim.job.id.as_str();
            tracing::info!(job = id, kind = job.kind(), attempt = claim.job.attempts, "job begins");
            let attempt = Attempt {
                db: self.db.clone(),
                config: self.config.clone(),
                job: Arc::clone(&job),
                claim,
                leave: round.leave.subscribe(),
            };
            let metrics = Arc::clone(&self.metrics);
            round.working.spawn(async move {
                let kind = job.kind();
                let outcome = attempt.run().await;
                metrics.job(kind, outcome.as_str());
            });
        }
        if now >= round.count_at {
            let counts = queue::counts(&self.db).await?;
            for kind in self.jobs.iter().map(|job| job.kind()) {
                for state in [State::Pending, State::Processing, State::Failed] {
                    let found = counts.iter().find(|(in_state, of, _)| of == kind && *in_state == state);
                    let count = found.map_or(0, |(_, _, count)| *count);
                    self.metrics.jobs_in(kind, state.as_str(), count);
                }
            }
            round.count_at = now + COUNT_AGAIN;
        }
        Ok(())
    }

    /// What somebody waits for comes first.
    async fn claim(&self) -> Result<Option<(Arc<dyn Job>, Claim)>, DbError> {
        for urgent in [true, false] {
            let kinds: Vec<&str> =
                self.jobs.iter().filter(|job| job.is_urgent() == urgent).map(|job| job.kind()).collect();
            let secret: Vec<&str> =
                self.jobs.iter().filter(|job| job.is_secret()).map(|job| job.kind()).collect();
            let lease = self.config.lease;
            let Some(claim) = queue::claim(&self.db, &kinds, &secret, &self.worker, lease, now_ms()).await?
            else {
                continue;
            };
            let job = self.jobs.iter().find(|job| job.kind() == claim.job.kind);
            if let Some(job) = job {
                return Ok(Some((Arc::clone(job), claim)));
            }
        }
        Ok(None)
    }
}

/// Another process may move a plan on, and a clock may be set.
const LOOK_AGAIN: i64 = 60_000;
/// Milliseconds between two counts for the metrics.
const COUNT_AGAIN: i64 = 5_000;
const GIVE_BACK: Duration = Duration::from_secs(2);
