//! What commands need of the program without a server: its parts one by one, and backup and restore.

use std::path::Path;
use std::sync::Arc;

use super::AppError;
use super::rooms::{accounts_over, database, library, part, sources, uploads_into, worker_config};
use crate::accounts::Accounts;
use crate::admin::Purger;
use crate::cluster::{self, News};
use crate::config::Config;
use crate::db::backup;
use crate::error::with_causes;
use crate::library::{Library, SweepPlan, Swept};
use crate::source::Source;
use crate::telemetry::metrics::Metrics;
use crate::upload::Uploads;
use crate::workers::Workers;

/// The use cases of taking pictures in, for commands.
pub async fn uploads(config: &Config) -> Result<Uploads, AppError> {
    uploads_into(config, library(config).await?)
}

/// Puts right what crashes left, for commands.
pub async fn sweep(config: &Config, plan: &SweepPlan) -> Result<Swept, AppError> {
    let (uploads, now) = (uploads(config).await?, crate::db::now_ms());
    if !plan.dry_run {
        uploads.sweep(now).await.map_err(|error| part("sweep", error))?;
    }
    uploads.library().sweep(plan, now).await.map_err(|error| part("sweep", error))
}

/// The pictures and where they lie, for commands.
pub async fn pictures(config: &Config) -> Result<Library, AppError> {
    library(config).await
}

/// What purging takes, for commands.
pub async fn purger(config: &Config) -> Result<Purger, AppError> {
    let purger = Purger::new(library(config).await?, config.sources.keys().cloned());
    Ok(purger.with_hooks(config.purge_hooks.keys().cloned()))
}

/// Has running servers look at once at what a command has changed. Without Redis, or where it is away, they do so by
/// themselves within a second.
pub async fn tell_servers(config: &Config) {
    let Some(redis) = config.redis.to_room() else { return };
    crate::net::install_crypto();
    if let Err(error) = cluster::tell_once(&redis, News { changes: true, work: true }).await {
        tracing::debug!(error = with_causes(&error), "Redis is away; running servers see it within a second");
    }
}

/// The use cases of accounts, for commands.
pub async fn accounts(config: &Config) -> Result<Accounts, AppError> {
    let workers = Workers::start(&worker_config(config), Arc::new(Metrics::new()))
        .map_err(|error| part("worker threads", error))?;
    accounts_over(config, database(config).await?, workers)
}

/// The use cases that take a library in or out, for commands; over one database.
pub async fn migration(config: &Config) -> Result<(Uploads, Accounts), AppError> {
    let uploads = uploads(config).await?;
    let workers = Workers::start(&worker_config(config), Arc::new(Metrics::new()))
        .map_err(|error| part("worker threads", error))?;
    let accounts = accounts_over(config, uploads.library().db().clone(), workers)?;
    Ok((uploads, accounts))
}

/// A source by its name, with what may stand behind a slash.
pub fn source(config: &Config, text: &str) -> Result<(Source, String), AppError> {
    crate::net::install_crypto();
    let (name, prefix) = text.split_once('/').unwrap_or((text, ""));
    match sources(config)?.get(name) {
        Some(source) => Ok((source.clone(), prefix.to_owned())),
        None => Err(AppError::Part { part: "sources", text: format!("there is no source `{name}`") }),
    }
}

/// Writes the database into a new file.
pub async fn backup(
    config: &Config,
    file: &Path,
    without_secrets: bool,
    progress: &mut (dyn FnMut(backup::Progress) + Send),
) -> Result<(), AppError> {
    let db = database(config).await?;
    let blank: &[&str] = if without_secrets { &crate::accounts::BLANK } else { &[] };
    backup::write(&db, file, blank, progress).await.map_err(|error| part("backup", error))
}

/// Fills the database from a file.
pub async fn restore(
    config: &Config,
    file: &Path,
    replace: bool,
    progress: &mut (dyn FnMut(backup::Progress) + Send),
) -> Result<(), AppError> {
    let db = database(config).await?;
    let done = backup::restore(&db, file, &config.data_dir, replace, progress).await;
    done.map_err(|error| part("restore", error))
}
