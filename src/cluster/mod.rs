//! What several nodes tell each other through Redis: that something has changed in the database, and what callers have
//! spent of their rates. Nothing is kept there that is not in the database as well or forgotten within minutes, so a
//! Redis that is away, emptied or exchanged costs speed and exactness and nothing else.

mod link;
mod run;
mod spend;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::telemetry::metrics::Metrics;

pub use link::{ClusterError, Urls};
pub use spend::Spent;

use link::Link;

#[derive(Debug, Clone)]
pub struct Config {
    pub urls: Urls,
    /// What every key and channel begins with.
    pub prefix: String,
    /// How long connecting and each answer may take.
    pub timeout: Duration,
}

/// The other nodes. Cheap to clone; no call waits for Redis unless it says so.
#[derive(Clone)]
pub struct Cluster(Option<Arc<Inner>>);

struct Inner {
    config: Config,
    metrics: Arc<Metrics>,
    /// Tells our own messages from those of others.
    node: String,
    /// `None` while Redis is away.
    link: Mutex<Option<Link>>,
    /// Whether it was said that Redis refuses something.
    refusal_told: AtomicBool,
    /// Rings when a command found the connection broken.
    broken: Notify,
    heard: Board,
    to_tell: Board,
}

/// What happened somewhere. Only that it did: what exactly stands in the database, so that a message that is lost, comes
/// twice or is forged does no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct News {
    /// Something that nodes keep in memory has changed.
    pub changes: bool,
    /// There is work in the queue.
    pub work: bool,
}

/// News that wait for somebody, as many as there were counting as one.
#[derive(Default)]
struct Board {
    bits: AtomicU8,
    rings: Notify,
}

impl Cluster {
    /// A node that knows of no others.
    pub fn alone() -> Self {
        Self(None)
    }

    /// Connects once [`Self::run`] is awaited.
    pub fn new(config: Config, metrics: Arc<Metrics>) -> Self {
        let mut id = [0; 8];
        // Without randomness a node hears itself as well, and asks the database once too often.
        let _ = getrandom::fill(&mut id);
        metrics.cluster_up(false);
        Self(Some(Arc::new(Inner {
            config,
            metrics,
            node: id.iter().map(|byte| format!("{byte:02x}")).collect(),
            link: Mutex::default(),
            refusal_told: AtomicBool::new(false),
            broken: Notify::new(),
            heard: Board::default(),
            to_tell: Board::default(),
        })))
    }

    pub fn is_alone(&self) -> bool {
        self.0.is_none()
    }

    /// Whether the others can be reached.
    pub fn is_up(&self) -> bool {
        self.0.as_ref().is_some_and(|inner| inner.link().is_some())
    }

    /// Tells the others, soon and if they can be reached; who cannot be reached asks the database by himself.
    pub fn tell(&self, news: News) {
        if let Some(inner) = &self.0 {
            inner.to_tell.pin(news);
        }
    }

    /// Waits for news of others. After Redis was away, everything may have changed. For one task only.
    pub async fn news(&self) -> News {
        match &self.0 {
            Some(inner) => inner.heard.take().await,
            None => std::future::pending().await,
        }
    }

    /// Keeps the connection until the future is dropped.
    pub async fn run(self) {
        if let Some(inner) = &self.0 {
            inner.run().await;
        }
    }
}

impl Inner {
    fn link(&self) -> Option<Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_link(&self, link: Option<Link>) {
        self.metrics.cluster_up(link.is_some());
        self.refusal_told.store(false, Ordering::Relaxed);
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = link;
    }

    fn channel(&self) -> String {
        format!("{}:news", self.config.prefix)
    }
}

/// Tells the running servers of `config`, for a command that ends after it.
pub async fn tell_once(config: &Config, news: News) -> Result<(), ClusterError> {
    let (link, _) = link::connect(&config.urls, config.timeout).await?;
    link.publish(&format!("{}:news", config.prefix), &news.message("command"), config.timeout).await
}

/// Whether Redis answers, and as what. For `pixedge check`.
pub async fn check(config: &Config) -> Result<String, ClusterError> {
    let (link, host) = link::connect(&config.urls, config.timeout).await?;
    link.ping(config.timeout).await?;
    let kind = if link.is_cluster() { ", a Redis Cluster" } else { "" };
    Ok(format!("{host} answers{kind}"))
}

impl News {
    pub const ALL: Self = Self { changes: true, work: true };

    fn bits(self) -> u8 {
        u8::from(self.changes) | u8::from(self.work) << 1
    }

    fn of_bits(bits: u8) -> Self {
        Self { changes: bits & 1 != 0, work: bits & 2 != 0 }
    }

    /// `<who> <what>`.
    fn message(self, from: &str) -> String {
        format!("{from} {}", self.bits())
    }

    /// `None` for what we said ourselves. What cannot be understood, of a newer version perhaps, is anything.
    fn heard(message: &str, by: &str) -> Option<Self> {
        let (from, what) = message.split_once(' ').unwrap_or(("", ""));
        (from != by).then(|| what.parse().map_or(Self::ALL, Self::of_bits))
    }
}

impl Board {
    fn pin(&self, news: News) {
        self.bits.fetch_or(news.bits(), Ordering::AcqRel);
        self.rings.notify_one();
    }

    async fn take(&self) -> News {
        loop {
            match self.bits.swap(0, Ordering::AcqRel) {
                0 => self.rings.notified().await,
                bits => return News::of_bits(bits),
            }
        }
    }
}
