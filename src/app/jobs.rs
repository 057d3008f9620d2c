//! What runs without being asked for: which jobs there are, when the regular ones are due, and the process that does
//! nothing else. A room that brings a job or something to clean up is entered here.

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::rooms::{accounts_over, cache_dir, database, library_over, part, uploads_into, worker_config};
use super::{App, AppError};
use crate::accounts::Accounts;
use crate::cache::Handover;
use crate::config::Config;
use crate::db::queue::{self, Job, State};
use crate::db::{Db, now_ms};
use crate::delivery::Delivery;
use crate::jobs::{
    self, BackupJob, Cleanup, CleanupJob, DeriveJob, Hook, MailJob, Plan, PurgeHookJob, RelocateJob, Report,
    Runner, VersionJob, When,
};
use crate::library::Library;
use crate::mail::Mailer;
use crate::telemetry::metrics::Metrics;
use crate::workers::Workers;

/// What jobs are made of.
pub(super) struct Parts {
    pub(super) db: Db,
    pub(super) library: Library,
    pub(super) accounts: Accounts,
    pub(super) metrics: Arc<Metrics>,
    /// `None` where nothing is rendered.
    pub(super) delivery: Option<Arc<Delivery>>,
    pub(super) results: Results,
    /// Where links in mails lead.
    pub(super) public_url: String,
}

/// Where what is made ahead of requests goes.
pub(super) enum Results {
    /// Into the cache of this process, which serves.
    Here,
    /// To the server that shares the cache's folder.
    Handed(Handover),
    /// Nobody would find it.
    Nowhere,
}

/// The jobs of this process.
pub(super) fn runner(config: &Config, parts: Parts) -> Result<Runner, AppError> {
    let room = room(config);
    let kinds = kinds(config, &parts)?;
    // Several machines may give their processes the same number; containers do.
    let worker = format!("{}, process {}", host(), std::process::id());
    Ok(Runner::new(parts.db, &room, kinds, plans(config), parts.metrics, worker))
}

/// What this machine calls itself.
fn host() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    name.chars().filter(char::is_ascii_graphic).take(60).collect()
}

fn room(config: &Config) -> jobs::Config {
    let section = &config.jobs;
    jobs::Config {
        concurrency: section.concurrency,
        poll: section.poll.0,
        lease: section.lease.0,
        backoff: section.backoff.0,
        ..jobs::Config::default()
    }
}

/// Every kind of job.
fn kinds(config: &Config, parts: &Parts) -> Result<Vec<Arc<dyn jobs::Job>>, AppError> {
    let language = config.mail.language.to_room();
    let mail = MailJob { mailer: mailer(config)?, public_url: parts.public_url.clone(), language };
    let backup =
        BackupJob { db: parts.db.clone(), folder: config.data_dir.join("backups"), keep: config.backup.keep };
    let relocate = RelocateJob { library: parts.library.clone() };
    let cleanup = CleanupJob(cleanup(config, parts)?);
    let hooks = purge_hooks(config);
    let mut kinds: Vec<Arc<dyn jobs::Job>> =
        vec![Arc::new(mail), Arc::new(relocate), Arc::new(cleanup), Arc::new(backup), Arc::new(hooks)];
    if let Some(delivery) = &parts.delivery {
        let (library, accounts) = (parts.library.clone(), parts.accounts.clone());
        kinds.push(Arc::new(VersionJob { library, accounts, delivery: Arc::clone(delivery) }));
        let handover = match &parts.results {
            Results::Here => Some(None),
            Results::Handed(handover) => Some(Some(handover.clone())),
            // Others can do it to better effect.
            Results::Nowhere => None,
        };
        if let Some(handover) = handover {
            let (library, delivery) = (parts.library.clone(), Arc::clone(delivery));
            kinds.push(Arc::new(DeriveJob { library, delivery, handover }));
        }
    }
    Ok(kinds)
}

fn purge_hooks(config: &Config) -> PurgeHookJob {
    let hooks = config.purge_hooks.iter().filter_map(|(name, hook)| {
        let url = hook.url.as_ref()?.expose();
        let room = Hook::new(url, &hook.method, hook.token.as_ref(), hook.timeout.0)?;
        Some((name.clone(), Arc::new(room)))
    });
    PurgeHookJob { hooks: hooks.collect() }
}

/// The daily clean-up.
fn daily(config: &Config) -> Plan {
    let when = When::Daily(config.cleanup.time, TimeZone::system());
    Plan { kind: CleanupJob::KIND, when, max_attempts: 5 }
}

/// What happens regularly.
fn plans(config: &Config) -> Vec<Plan> {
    let mut plans = vec![daily(config)];
    if let Some(every) = config.backup.every {
        plans.push(Plan { kind: BackupJob::KIND, when: When::Every(every.0), max_attempts: 5 });
    }
    plans
}

/// The steps of the daily clean-up, in their order.
fn cleanup(config: &Config, parts: &Parts) -> Result<Cleanup, AppError> {
    let Parts { db, library, accounts, .. } = parts;
    Ok(Cleanup::new(vec![
        jobs::expiry_step(library.clone()),
        jobs::trash_step(library.clone()),
        jobs::accounts_step(accounts.clone()),
        jobs::shares_step(library.clone()),
        jobs::uploads_step(uploads_into(config, library.clone())?),
        jobs::storages_step(library.clone()),
        jobs::queue_step(db.clone()),
    ]))
}

/// `None` where no mail server is configured.
pub(super) fn mailer(config: &Config) -> Result<Option<Arc<Mailer>>, AppError> {
    let mail = &config.mail;
    let Some(smtp) = &mail.smtp else { return Ok(None) };
    let room = crate::mail::Config {
        smtp: smtp.clone(),
        from: mail.from.clone(),
        timeout: mail.timeout.0,
        templates: mail.templates.clone(),
    };
    Mailer::new(&room).map(|mailer| Some(Arc::new(mailer))).map_err(|error| part("mail", error))
}

/// Works on jobs until SIGTERM or Ctrl-C: `pixedge worker`.
pub async fn work(mut config: Config, begun: impl FnOnce(usize)) -> Result<(), AppError> {
    crate::net::install_crypto();
    // Whoever starts a worker wants work to be done.
    config.jobs.concurrency = config.jobs.concurrency.max(1);
    let results = match config.cache.disk.0 {
        0 => Results::Nowhere,
        _ => Results::Handed(Handover::new(&cache_dir(&config))),
    };
    // What is on disk is the server's, if there is one on this machine.
    config.cache.disk = crate::units::ByteSize(0);
    config.cache.originals = crate::units::ByteSize(0);
    let public_url = config.http.public_url.clone().unwrap_or_default();
    let app = App::build(config, false).await?;
    let parts = Parts {
        db: app.db.clone(),
        library: app.library.clone(),
        accounts: app.accounts.clone(),
        metrics: Arc::clone(&app.metrics),
        delivery: Some(Arc::new(app.delivery(&public_url, app.visitors(&public_url)?)?)),
        results,
        public_url,
    };
    let runner = runner(&app.config, parts)?;
    app.keep_together();
    let signal = super::StopSignal::new();
    begun(app.config.jobs.concurrency);
    runner.run(signal.asked()).await;
    app.workers.drain(std::time::Duration::from_secs(5)).await;
    app.cache.close().await;
    app.db.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Runs the daily clean-up now, or only counts what it would remove.
pub async fn clean_up(config: &Config, dry_run: bool) -> Result<Report, AppError> {
    let (parts, _workers) = alone(config).await?;
    Ok(cleanup(config, &parts)?.run(now_ms(), dry_run, |_, _| {}).await)
}

/// Does the clean-up of the day for a timer of the system, if it is due and no other process has begun it, which is
/// `None` then. It is a job like any other: should this process die, others take it over.
pub async fn clean_up_if_due(config: &Config) -> Result<Option<Job>, AppError> {
    let failed = |error| part("queue", error);
    let (parts, _workers) = alone(config).await?;
    let db = parts.db.clone();
    let Some(id) = daily(config).begin_if_due(&db, now_ms()).await.map_err(failed)? else { return Ok(None) };
    let mut room = room(config);
    (room.concurrency, room.poll) = (1, std::time::Duration::from_millis(200));
    let kinds: Vec<Arc<dyn jobs::Job>> = vec![Arc::new(CleanupJob(cleanup(config, &parts)?))];
    let worker = format!("process {}", std::process::id());
    let runner = Runner::new(db.clone(), &room, kinds, Vec::new(), parts.metrics, worker);
    // Another process may be quicker; its work is as good.
    let tried = async {
        let waits = |job: &Job| job.state == State::Processing || job.attempts == 0;
        while queue::find(&db, id.as_str()).await.is_ok_and(|job| job.is_some_and(|job| waits(&job))) {
            tokio::time::sleep(room.poll).await;
        }
    };
    runner.run(tried).await;
    queue::find(&db, id.as_str()).await.map_err(failed)
}

/// The parts where no server runs in this process.
async fn alone(config: &Config) -> Result<(Parts, Workers), AppError> {
    let metrics = Arc::new(Metrics::new());
    let workers = Workers::start(&worker_config(config), Arc::clone(&metrics))
        .map_err(|error| part("worker threads", error))?;
    let db = database(config).await?;
    let accounts = accounts_over(config, db.clone(), workers.clone())?;
    let library = library_over(config, db.clone()).await?;
    let public_url = config.http.public_url.clone().unwrap_or_default();
    let (delivery, results) = (None, Results::Nowhere);
    Ok((Parts { db, library, accounts, metrics, delivery, results, public_url }, workers))
}
