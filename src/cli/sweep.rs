//! `pixedge sweep`.

use crate::app;
use crate::cli::{Failure, runtime};
use crate::config::Config;
use crate::library::{Coverage, SweepPlan, Swept};
use crate::units::Span;

pub(super) fn run(config: &Config, dry_run: bool, grace: Span) -> Result<(), Failure> {
    let plan = SweepPlan { grace: grace.0, coverage: Coverage::All, most: u64::MAX, dry_run };
    let Swept { reservations, temporary, unneeded, orphans, foreign, missing, unreachable } =
        runtime()?.block_on(app::sweep(config, &plan))?;
    for object in &missing {
        eprintln!("missing {object}");
    }
    for storage in &unreachable {
        eprintln!("the storage {storage} of a user cannot be looked through; the log says why");
    }
    if foreign > 0 {
        eprintln!("{foreign} files in the storages are not ours and were left alone");
    }
    let what = if dry_run { "would remove" } else { "removed" };
    println!(
        "{what} {unneeded} unneeded objects, {orphans} orphans, {temporary} half-written files, \
         {reservations} reservations; {} missing",
        missing.len()
    );
    match missing.len() {
        0 => Ok(()),
        _ => Err(Failure {
            code: 1,
            text: "pictures have lost their originals; restore them from a backup".to_owned(),
        }),
    }
}
