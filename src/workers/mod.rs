//! Where heavy work runs, and the only place: threads of our own behind an admission that knows time and memory.
//!
//! The way of one picture: [`Workers::admit`] refuses at once what would wait too long, else waits its turn and
//! reserves memory; the source is read with the [`Permit`] in hand, so that bytes never pile up in front of busy
//! workers; [`Permit::run`] does the work. Slot and memory are free again when the work has ended, not when its caller
//! has left.

mod admission;
mod config;
mod lane;
mod pool;

use std::borrow::Cow;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use admission::{Admission, Entrance};
pub use config::Config;
use pool::Pool;

use crate::error::{Detail, Fault, Kind};
use crate::telemetry::metrics::Metrics;

/// The worker threads and the way to them; cheap to clone.
#[derive(Clone)]
pub struct Workers {
    shared: Arc<Shared>,
}

/// Who waits for the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A person.
    Interactive,
    /// Nobody: a better encode of what was already answered, a derivative after an upload. Has threads of its own,
    /// which yield to the others.
    Background,
}

/// For whom work is done. Turns are shared between payers, not between pieces of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Payer(u64);

impl Payer {
    /// Our own work, as if it were one caller's.
    pub const OURSELVES: Self = Self(0);

    /// By a number that tells callers apart.
    pub fn of(number: u64) -> Self {
        Self(number)
    }
}

/// What a piece of work is thought to cost, from the header of its picture. Times are corrected by experience, so they
/// need to be right only in proportion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// CPU time of one worker, in seconds.
    pub seconds: f64,
    /// Source, bitmaps and working set at their peak, in bytes.
    pub memory: u64,
}

/// The right to work: a slot and reserved memory, until it is dropped or its work has ended.
pub struct Permit {
    shared: Arc<Shared>,
    ticket: u64,
    class: Class,
    deadline: Instant,
    ran: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkersError {
    #[error("the server has more work than time; try again in {retry_after_s} s")]
    Overloaded { retry_after_s: u64 },
    #[error(
        "the picture needs {} MiB of memory to be made, the server allows {} MiB (`images.memory_budget`); ask for fewer pixels",
        needed.div_ceil(1 << 20),
        budget >> 20
    )]
    TooLarge { needed: u64, budget: u64 },
    #[error(
        "the picture would take about {seconds} s to make, the server allows {limit} s; ask for fewer pixels or another format"
    )]
    TooLong { seconds: u64, limit: u64 },
    #[error("the server is stopping")]
    Stopping,
    #[error("the work panicked: {0}")]
    Panicked(String),
}

impl Workers {
    pub fn start(config: &Config, metrics: Arc<Metrics>) -> io::Result<Self> {
        let threads = config.threads();
        let background = (threads / 2).max(1);
        metrics.memory_budget(config.budget());
        let pool = Pool::start(threads, background)?;
        let admission = Admission::new(config, threads, background, metrics);
        Ok(Self { shared: Arc::new(Shared { admission, pool, timeout: config.timeout.0 }) })
    }

    /// [`Self::admit_for`] of ourselves.
    pub async fn admit(&self, class: Class, estimate: Estimate) -> Result<Permit, WorkersError> {
        self.admit_for(class, Payer::OURSELVES, estimate).await
    }

    /// Waits for a slot and memory: payers take turns, so that nobody waits behind all that another one has asked for.
    /// Refuses on arrival who would wait too long; who waits is no longer refused. Dropping the future leaves the queue
    /// at once.
    pub async fn admit_for(
        &self,
        class: Class,
        payer: Payer,
        estimate: Estimate,
    ) -> Result<Permit, WorkersError> {
        match self.shared.admission.enter(class, payer, estimate, Instant::now())? {
            Entrance::Granted(ticket) => Ok(self.shared.permit(class, ticket)),
            Entrance::Waiting(ticket, granted) => {
                let mut place = Place { shared: &self.shared, class, ticket, left: false };
                let granted = granted.await;
                place.left = true;
                granted.map_err(|_| WorkersError::Stopping)?;
                Ok(self.shared.permit(class, ticket))
            }
        }
    }

    /// The bytes that all work together may reserve.
    pub fn budget(&self) -> u64 {
        self.shared.admission.budget()
    }

    /// The graceful end: nobody is admitted any more, who waits or works may go on for `grace`. Whether all ended.
    pub async fn drain(&self, grace: Duration) -> bool {
        let drained = tokio::time::timeout(grace, self.shared.admission.drain()).await.is_ok();
        self.shared.admission.dismiss();
        self.shared.pool.stop();
        drained
    }
}

impl Permit {
    /// When the work must be over; checked by the work itself between its steps.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Runs `work` on a worker thread and waits for it. Dropping the future before a worker has begun cancels the
    /// work; after that it runs to its end, and only then slot and memory are free.
    pub async fn run<T, F>(self, work: F) -> Result<T, WorkersError>
    where
        F: FnOnce(Instant) -> T + Send + 'static,
        T: Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        let class = self.class;
        let (sender, receiver) = oneshot::channel();
        shared.pool.submit(
            class,
            Box::new(move || {
                let mut permit = self;
                if sender.is_closed() {
                    return;
                }
                let started = Instant::now();
                let deadline = permit.deadline;
                let result = catch_unwind(AssertUnwindSafe(|| work(deadline)));
                permit.ran = Some(started.elapsed());
                drop(permit);
                let _ = sender.send(result);
            }),
        );
        match receiver.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(panic)) => {
                let message = panic_message(&*panic).to_owned();
                tracing::error!(panic = message, "a worker's job panicked");
                Err(WorkersError::Panicked(message))
            }
            Err(_) => Err(WorkersError::Stopping),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shared.admission.release(self.class, self.ticket, self.ran, Instant::now());
    }
}

struct Shared {
    admission: Admission,
    pool: Pool,
    timeout: Duration,
}

impl Shared {
    fn permit(self: &Arc<Self>, class: Class, ticket: u64) -> Permit {
        let deadline = Instant::now() + self.timeout;
        Permit { shared: Arc::clone(self), ticket, class, deadline, ran: None }
    }
}

/// A place in the queue; who drops it leaves, with or without a slot that was granted a moment ago.
struct Place<'a> {
    shared: &'a Shared,
    class: Class,
    ticket: u64,
    left: bool,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.left {
            self.shared.admission.release(self.class, self.ticket, None, Instant::now());
        }
    }
}

impl Fault for WorkersError {
    fn kind(&self) -> Kind {
        match self {
            Self::Overloaded { .. } | Self::Stopping => Kind::Overloaded,
            Self::TooLarge { .. } | Self::TooLong { .. } => Kind::Unprocessable,
            Self::Panicked(_) => Kind::Internal,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Overloaded { .. } | Self::Stopping => "overloaded",
            Self::TooLarge { .. } => "too_many_pixels",
            Self::TooLong { .. } => "result_too_large",
            Self::Panicked(_) => "internal",
        }
    }

    fn message(&self) -> Cow<'static, str> {
        match self {
            Self::Panicked(_) => {
                Cow::Borrowed("something went wrong on our side; the log has the request id")
            }
            _ => Cow::Owned(self.to_string()),
        }
    }

    fn detail(&self) -> Detail {
        let retry_after = match self {
            Self::Overloaded { retry_after_s } => Some(*retry_after_s),
            Self::Stopping => Some(1),
            Self::TooLarge { .. } | Self::TooLong { .. } | Self::Panicked(_) => None,
        };
        Detail { retry_after, ..Detail::default() }
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    match (panic.downcast_ref::<&'static str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "no message",
    }
}

#[cfg(test)]
mod tests;
