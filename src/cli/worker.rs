//! `pixedge worker` and `pixedge cleanup`: jobs without a server.

use crate::app::{self, jobs};
use crate::cli::{Failure, runtime};
use crate::config::Config;
use crate::telemetry::logging;

pub(super) fn run(config: Config) -> Result<(), Failure> {
    logging::init(&app::logging(&config))?;
    runtime()?.block_on(async {
        let begun = |places| println!("pixedge works on jobs, {places} at once");
        Ok(jobs::work(config, begun).await?)
    })
}

/// One line for each step; the command fails if a step did.
pub(super) fn clean_up(config: &Config, dry_run: bool) -> Result<(), Failure> {
    let report = runtime()?.block_on(jobs::clean_up(config, dry_run))?;
    let verb = if dry_run { "would be removed" } else { "removed" };
    let mut failed = Vec::new();
    for (step, result) in report {
        match result {
            Ok(count) => println!("{step}: {count} {verb}"),
            Err(error) => failed.push(format!("{step}: {error}")),
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(Failure { code: 1, text: failed.join("; ") }) }
}
