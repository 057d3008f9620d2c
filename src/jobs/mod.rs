//! Work that nobody waits for: the runner that takes jobs from the queue, the plan of what happens regularly, and one
//! file for each kind of job. What a job does is a use case of another room; here stands when, how often and what
//! becomes of a failure.

mod attempt;
mod backup;
mod cleanup;
mod mail;
mod purge_hook;
mod relocate;
mod runner;
mod schedule;
mod version;
mod work;

use std::time::Duration;

pub use backup::BackupJob;
pub use cleanup::{Cleanup, CleanupJob, Report, Step, accounts_step, expiry_step, queue_step, trash_step};
pub use mail::MailJob;
pub use purge_hook::{Hook, PurgeHookJob};
pub use relocate::RelocateJob;
pub use runner::Runner;
pub use schedule::{Plan, When};
pub use version::VersionJob;
pub use work::{Failure, Job, Progress, Work};

/// How jobs are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How many this process works on at once; 0 = none.
    pub concurrency: usize,
    /// How often the queue is looked at. What this process enqueued itself it begins at once.
    pub poll: Duration,
    /// How long a job is ours without a heartbeat: so long after the end of a process others take over its jobs.
    pub lease: Duration,
    /// The wait after the first failure; it doubles with each further one, up to an hour.
    pub backoff: Duration,
    /// How long a process that stops waits for the jobs it works on, before it gives them back.
    pub grace: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            concurrency: 2,
            poll: Duration::from_secs(2),
            lease: Duration::from_secs(60),
            backoff: Duration::from_secs(10),
            grace: Duration::from_secs(10),
        }
    }
}

#[cfg(test)]
mod tests;
