//! `pixedge import DIR`.

use std::path::Path;

use crate::app;
use crate::cli::{Failure, runtime};
use crate::config::Config;
use crate::upload::Imported;

pub(super) fn run(config: &Config, dir: &Path) -> Result<(), Failure> {
    let (mut new, mut known, mut skipped) = (0, 0, 0);
    runtime()?.block_on(async {
        let ingest = app::ingest(config).await?;
        ingest
            .import_dir(dir, |progress| match progress {
                Imported::New { id, path } => {
                    new += 1;
                    println!("{id} {}", path.display());
                }
                Imported::Known { id, path } => {
                    known += 1;
                    println!("{id} {}", path.display());
                }
                Imported::Skipped { path, reason } => {
                    skipped += 1;
                    eprintln!("skipped {}: {reason}", path.display());
                }
            })
            .await
            .map_err(Failure::from)
    })?;
    eprintln!("{new} imported, {known} already there, {skipped} skipped");
    Ok(())
}
