//! `pixedge worker` and `pixedge cleanup`: jobs without a server.

use serde_json::Value;

use crate::app::{self, jobs};
use crate::cli::{Failure, runtime};
use crate::config::Config;
use crate::db::queue::State;
use crate::telemetry::logging;

pub(super) fn run(config: Config) -> Result<(), Failure> {
    logging::init(&app::logging(&config))?;
    runtime()?.block_on(async {
        let begun = |places| println!("pixedge works on jobs, {places} at once");
        Ok(jobs::work(config, begun).await?)
    })
}

/// The same for a timer of the system.
pub(super) fn clean_up_if_due(config: &Config) -> Result<(), Failure> {
    let Some(job) = runtime()?.block_on(jobs::clean_up_if_due(config))? else {
        println!("not due, or done by another process");
        return Ok(());
    };
    match (job.state, &job.result) {
        (State::Completed, Some(Value::Object(steps))) => {
            for (step, removed) in steps {
                println!("{step}: {removed} removed");
            }
            Ok(())
        }
        _ => {
            let text = job.error.unwrap_or_else(|| format!("job {} is {}", job.id, job.state.as_str()));
            Err(Failure { code: 1, text: format!("{text}; the job is tried again by whoever works on jobs") })
        }
    }
}

/// One line for each step; the command fails if a step did.
pub(super) fn clean_up(config: &Config, dry_run: bool) -> Result<(), Failure> {
    let report = runtime()?.block_on(jobs::clean_up(config, dry_run))?;
    let verb = if dry_run { "would be removed" } else { "removed" };
    let mut failed = Vec::new();
    for (step, result) in report {
        match result {
            Ok(figures) => {
                let figures = figures.iter().map(|(what, count)| format!("{what} {count}").trim().to_owned());
                println!("{step}: {} {verb}", figures.collect::<Vec<_>>().join(", "));
            }
            Err(error) => failed.push(format!("{step}: {error}")),
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(Failure { code: 1, text: failed.join("; ") }) }
}
