//! What a kind of job is: a name, and something that may be begun more than once.

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::sync::watch;

use crate::error::{Fault, Kind, with_causes};

/// A kind of job. An instance serves all jobs of its kind.
pub trait Job: Send + Sync + 'static {
    /// Stands in the table, in metrics and in the API; never changed once released.
    fn kind(&self) -> &'static str;

    /// Whether somebody waits for the outcome; such jobs are taken before all others.
    fn is_urgent(&self) -> bool {
        false
    }

    /// Whether the payload holds a secret, which must not stay once the last attempt has failed: such a job cannot be tried
    /// again by hand.
    fn is_secret(&self) -> bool {
        false
    }

    /// Does the work. It may be dropped at any point where it waits (cancelled, or the process stops), and the same job
    /// may run again after that, and even twice at once if this machine slept through its lease: so what it does must
    /// bear being done again.
    fn run(&self, work: Work) -> BoxFuture<'static, Result<Value, Failure>>;
}

/// One attempt at a job, as the kind sees it.
#[derive(Debug)]
pub struct Work {
    pub payload: Value,
    pub owner: Option<i64>,
    /// From 1.
    pub attempt: u32,
    pub progress: Progress,
}

/// Where a job says how far it is. Written down at the next heartbeat.
#[derive(Debug, Clone)]
pub struct Progress(pub(super) watch::Sender<(u8, String)>);

/// Why an attempt failed.
#[derive(Debug)]
pub enum Failure {
    /// It may work later.
    Again { error: String, after: Option<Duration> },
    /// It will never work. `forget`: the payload must not stay either, so that nobody can try the job again.
    Never { error: String, forget: bool },
}

impl Progress {
    /// Percent, and what is being done in a few words.
    pub fn say(&self, percent: u8, note: impl Into<String>) {
        self.0.send_replace((percent.min(100), note.into()));
    }
}

impl Failure {
    pub fn again(error: impl Into<String>) -> Self {
        Self::Again { error: error.into(), after: None }
    }

    pub fn never(error: impl Into<String>) -> Self {
        Self::Never { error: error.into(), forget: false }
    }

    /// A room's error: what is somebody else's fault, or a matter of time, is tried again.
    pub fn of(error: &dyn Fault) -> Self {
        let text = with_causes(error);
        match error.kind() {
            Kind::Overloaded
            | Kind::OutOfSpace
            | Kind::Internal
            | Kind::SourceFailed
            | Kind::SourceTimeout
            | Kind::RateLimited => Self::again(text),
            _ => Self::never(text),
        }
    }
}
