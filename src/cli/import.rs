//! `pixedge import DIR`.

use std::path::Path;

use crate::app;
use crate::cli::{Failure, runtime};
use crate::config::Config;
use crate::upload::{Imported, Outcome};

pub(super) fn run(config: &Config, dir: &Path) -> Result<(), Failure> {
    let summary = runtime()?.block_on(async {
        let uploads = app::uploads(config).await?;
        uploads.import_dir(dir, report).await.map_err(Failure::from)
    })?;
    eprintln!("{} imported, {} already there, {} skipped", summary.added, summary.known, summary.skipped);
    Ok(())
}

/// One line a picture on standard output, for scripts; what was left out goes to standard error.
fn report(Imported { path, outcome }: &Imported<'_>) {
    // A name may hold line ends and escape sequences; a line stays a line.
    let path: String = path.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    match outcome {
        Outcome::Added(image) | Outcome::Known(image) => println!("{} {path}", image.id),
        Outcome::Skipped(reason) => eprintln!("skipped {path}: {reason}"),
    }
}
