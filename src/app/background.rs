//! What runs beside the server: what other processes changed is seen, what is counted is written down, what is left
//! over is swept, and the signal that ends it all.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::accounts::Accounts;
use crate::admin::Addresses;
use crate::cluster::{Cluster, News};
use crate::db::{Committed, Db};
use crate::error::with_causes;
use crate::library::{Coverage, Library, SweepPlan};
use crate::limit::Limiter;
use crate::upload::Uploads;

/// Everything by which this process hears of others and they of it.
pub(super) fn keep_together(
    cluster: &Cluster,
    db: &Db,
    library: &Library,
    addresses: &Addresses,
    limiter: &Arc<Limiter>,
) {
    tokio::spawn(watch_changes(cluster.clone(), db.clone(), library.clone(), addresses.clone()));
    if !cluster.is_alone() {
        tokio::spawn(cluster.clone().run());
        tokio::spawn(tell_changes(cluster.clone(), db.clone()));
        tokio::spawn(share_limits(cluster.clone(), Arc::clone(limiter)));
    }
}

/// What is committed here is told to the others.
async fn tell_changes(cluster: Cluster, db: Db) {
    loop {
        let Committed { changes, work } = db.committed().await;
        cluster.tell(News { changes, work });
    }
}

/// What callers spend here and elsewhere is added up. No request waits for it.
async fn share_limits(cluster: Cluster, limiter: Arc<Limiter>) {
    loop {
        limiter.spends(UNTOLD).await;
        let spending = limiter.spending();
        let missing = cluster.spend(&spending.spent).await;
        limiter.learn(&spending, &missing);
        // However fast somebody spends, Redis is not asked more often than this.
        tokio::time::sleep(BREATH).await;
    }
}

/// So long the others may go without knowing what is spent slowly.
const UNTOLD: Duration = Duration::from_millis(100);
const BREATH: Duration = Duration::from_millis(5);

/// Purges and changes by other processes are seen when they are told, and within a second if they are not.
async fn watch_changes(cluster: Cluster, db: Db, library: Library, addresses: Addresses) {
    // Twice as often as promised, so that an answer that takes its time is in time.
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut away = false;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            news = cluster.news() => {
                if news.work {
                    db.look_for_work();
                }
                if !news.changes {
                    continue;
                }
            }
        }
        let polled = match library.poll().await {
            Ok(()) => addresses.poll().await.map_err(|error| with_causes(&error)),
            Err(error) => Err(with_causes(&error)),
        };
        // Twice a second for as long as a database is away would be no news.
        match polled {
            Ok(()) if !away => {}
            Ok(()) => {
                away = false;
                tracing::info!("what other processes change is seen again");
            }
            Err(_) if away => {}
            Err(error) => {
                away = true;
                tracing::warn!(error, "what other processes change cannot be read; trying on");
            }
        }
    }
}

/// What is counted in memory is written down often enough that a crash loses little.
pub(super) async fn write_down(library: Library, accounts: Accounts) {
    let mut ticks = tokio::time::interval(Duration::from_secs(3));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        written_down(&library, &accounts).await;
    }
}

pub(super) async fn written_down(library: &Library, accounts: &Accounts) {
    if let Err(error) = library.flush_views(crate::db::now_ms()).await {
        tracing::warn!(error = with_causes(&error), "views cannot be written down");
    }
    if let Err(error) = accounts.flush().await {
        tracing::warn!(error = with_causes(&error), "uses of keys cannot be written down");
    }
}

/// What uploads leave that did not come to their end. Storages are not listed: that is for the daily clean-up.
pub(super) async fn sweep_uploads(uploads: Uploads) {
    let mut ticks = tokio::time::interval(Duration::from_secs(600));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let grace = Duration::from_secs(3600);
    let plan = SweepPlan { grace, coverage: Coverage::Rows, dry_run: false, most: 10_000 };
    loop {
        ticks.tick().await;
        let now = crate::db::now_ms();
        if let Err(error) = uploads.library().sweep(&plan, now).await {
            tracing::warn!(%error, "what uploads left was not swept");
        }
        if let Err(error) = uploads.sweep(now).await {
            tracing::warn!(%error, "ended upload tickets were not swept");
        }
    }
}

/// Callers that have not asked for a while need no bucket.
pub(super) async fn sweep_limits(limiter: Arc<Limiter>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(10));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        limiter.sweep();
    }
}

/// SIGTERM and Ctrl-C. From when it is made on they stop the process gracefully instead of ending it.
pub(super) struct StopSignal {
    terminate: Option<Signal>,
    interrupt: Option<Signal>,
}

impl StopSignal {
    pub(super) fn new() -> Self {
        let listen = |kind| match signal(kind) {
            Ok(signal) => Some(signal),
            Err(error) => {
                tracing::warn!(%error, ?kind, "a signal to stop cannot be awaited");
                None
            }
        };
        Self { terminate: listen(SignalKind::terminate()), interrupt: listen(SignalKind::interrupt()) }
    }

    pub(super) async fn asked(mut self) {
        let one = async |signal: &mut Option<Signal>| match signal {
            Some(signal) => drop(signal.recv().await),
            None => std::future::pending().await,
        };
        tokio::select! {
            () = one(&mut self.terminate) => {}
            () = one(&mut self.interrupt) => {}
        }
    }
}
