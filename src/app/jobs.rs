//! What runs without being asked for: which jobs there are, when the regular ones are due, and the process that does
//! nothing else. A room that brings a job or something to clean up is entered here.

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::rooms::{accounts_over, database, library_over, part, worker_config};
use super::{App, AppError};
use crate::accounts::Accounts;
use crate::config::Config;
use crate::db::{Db, now_ms};
use crate::delivery::Delivery;
use crate::jobs::{
    self, BackupJob, Cleanup, CleanupJob, Hook, Job, MailJob, Plan, PurgeHookJob, RelocateJob, Report,
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
    /// Where links in mails lead.
    pub(super) public_url: String,
}

/// The jobs of this process.
pub(super) fn runner(config: &Config, parts: Parts) -> Result<Runner, AppError> {
    let section = &config.jobs;
    let room = jobs::Config {
        concurrency: section.concurrency,
        poll: section.poll.0,
        lease: section.lease.0,
        backoff: section.backoff.0,
        ..jobs::Config::default()
    };
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

/// Every kind of job.
fn kinds(config: &Config, parts: &Parts) -> Result<Vec<Arc<dyn Job>>, AppError> {
    let mail = MailJob { mailer: mailer(config)?, public_url: parts.public_url.clone() };
    let backup =
        BackupJob { db: parts.db.clone(), folder: config.data_dir.join("backups"), keep: config.backup.keep };
    let relocate = RelocateJob { library: parts.library.clone() };
    let cleanup = CleanupJob(cleanup(parts));
    let hooks = purge_hooks(config);
    let mut kinds: Vec<Arc<dyn Job>> =
        vec![Arc::new(mail), Arc::new(relocate), Arc::new(cleanup), Arc::new(backup), Arc::new(hooks)];
    if let Some(delivery) = &parts.delivery {
        let (library, accounts) = (parts.library.clone(), parts.accounts.clone());
        kinds.push(Arc::new(VersionJob { library, accounts, delivery: Arc::clone(delivery) }));
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

/// What happens regularly.
fn plans(config: &Config) -> Vec<Plan> {
    let daily = When::Daily(config.cleanup.time, TimeZone::system());
    let mut plans = vec![Plan { kind: CleanupJob::KIND, when: daily, max_attempts: 5 }];
    if let Some(every) = config.backup.every {
        plans.push(Plan { kind: BackupJob::KIND, when: When::Every(every.0), max_attempts: 5 });
    }
    plans
}

/// The steps of the daily clean-up, in their order.
fn cleanup(parts: &Parts) -> Cleanup {
    let Parts { db, library, accounts, .. } = parts;
    Cleanup::new(vec![
        jobs::expiry_step(library.clone()),
        jobs::trash_step(library.clone()),
        jobs::accounts_step(accounts.clone()),
        jobs::queue_step(db.clone()),
    ])
}

/// `None` where no mail server is configured.
fn mailer(config: &Config) -> Result<Option<Arc<Mailer>>, AppError> {
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
    // The store on disk is the server's, if there is one on this machine.
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
        public_url,
    };
    let runner = runner(&app.config, parts)?;
    app.keep_together();
    begun(app.config.jobs.concurrency);
    runner.run(super::stop_signal()).await;
    app.workers.drain(std::time::Duration::from_secs(5)).await;
    app.cache.close().await;
    app.db.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Runs the daily clean-up now, or only counts what it would remove.
pub async fn clean_up(config: &Config, dry_run: bool) -> Result<Report, AppError> {
    let (parts, _workers) = alone(config).await?;
    Ok(cleanup(&parts).run(now_ms(), dry_run, |_, _| {}).await)
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
    Ok((Parts { db, library, accounts, metrics, delivery: None, public_url }, workers))
}
